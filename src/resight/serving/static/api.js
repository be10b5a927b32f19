// Requests to the server, and its refusals in one line each.

const BASE = "/api/v1";

/** A refusal: `status` is HTTP's, 0 where no answer came. */
export class Refused extends Error {
  constructor(status, line) {
    super(line);
    this.status = status;
  }
}

async function ask(method, path, body, signal) {
  const headers = { "X-Resight": "1" };
  if (body !== undefined && !(body instanceof FormData)) {
    headers["Content-Type"] = "application/json";
    body = JSON.stringify(body);
  }
  const answer = await fetch(BASE + path, { method, headers, body, signal }).catch(error => {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, "The server does not answer. Is resight serve still running?");
  });
  if (!answer.ok) throw new Refused(answer.status, await reason(answer));
  return answer;
}

async function reason(answer) {
  const told = await answer.json().catch(() => ({}));
  return typeof told.detail === "string" ? told.detail : `The server answered ${answer.status}.`;
}

const json = async (...asked) => (await ask(...asked)).json();

export const about = () => json("GET", "/gallery");
export const facets = (where, signal) => json("POST", "/facets", { where }, signal);
export const name = (ids, name) => json("PATCH", "/items", { ids, name });
export const csv = async ids => (await ask("POST", "/export", { ids })).blob();
export const picture = (id, size) => `${BASE}/images/${encodeURIComponent(id)}?size=${size}`;

/** Search by files and options; `signal` ends it. */
export function search(files, options, signal) {
  const form = new FormData();
  for (const file of files) form.append("images", file, file.name || "pasted.png");
  form.append("options", JSON.stringify(options));
  return json("POST", "/search", form, signal);
}

/** The stays of {name}, {identity} or {ids}. */
export function timeline(of) {
  return of.ids ? json("POST", "/timeline", of) : json("GET", `/timeline?${new URLSearchParams(of)}`);
}
