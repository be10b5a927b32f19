// The page: what is searched for, narrowed and marked on the left, the answers on the right.

import * as api from "./api.js";
import { at, make } from "./dom.js";
import { Filters } from "./filters.js";
import { camera, counted, identity, isSomebody, number, percent } from "./format.js";
import { Inspector } from "./inspector.js";
import { Query, takePictures } from "./query.js";
import { Results } from "./results.js";
import { Timeline } from "./timeline.js";

const EXPANSION = 5; // neighbours that a query is expanded by
const PATIENCE = 150; // milliseconds before a search is said to go on

let gallery = null; // what the server says of it
let running = null; // the search under way
let slow = 0; // the timer after which it is said to go on
let searchedWith = ""; // marks of the last search
const results = new Results(act);
const query = new Query(() => { results.marks.clear(); results.refresh(); search(); }, fail);
const filters = new Filters(search, fail);
const timeline = new Timeline();
const inspector = new Inspector(results, query, act);

// Searching.

const limit = () => (gallery.calibrated && Number(at("accept").value) > 0 ? Number(at("accept").value) / 100 : null);
const marks = () => JSON.stringify([results.right, results.wrong]);

function options() {
  return {
    k: Number(at("count").value),
    where: filters.where(),
    combine: document.querySelector("input[name=combine]:checked").value,
    rerank: at("rerank").checked,
    expand: at("expand").checked ? EXPANSION : 0,
    accept: limit(),
    camera: at("camera").value === "" ? null : Number(at("camera").value),
    right: [...new Set([...query.ids, ...results.right])],
    wrong: results.wrong,
  };
}

async function search() {
  running?.abort();
  say("");
  if (!query.parts.length && !results.right.length) return rest();
  const mine = (running = new AbortController());
  busy(true);
  try {
    const asked = options(), with_ = marks();
    const found = await api.search(query.files, asked, mine.signal);
    if (running !== mine) return;
    searchedWith = with_;
    showFound(found, asked);
  } catch (error) {
    if (error.name !== "AbortError") fail(error);
  } finally {
    if (running === mine) busy(false);
  }
}

function busy(is) {
  at("results").setAttribute("aria-busy", String(is));
  clearTimeout(slow);
  if (is) slow = setTimeout(sayBusy, PATIENCE);
  else document.body.classList.remove("busy");
}

function sayBusy() {
  document.body.classList.add("busy");
  at("status").textContent = "Searching …";
}

function showFound(found, asked) {
  const focused = document.activeElement?.closest?.(".card")?.dataset.id;
  results.show(found.hits, asked.accept, filters.told);
  at("welcome").hidden = found.hits.length > 0;
  if (!found.hits.length) welcome("Nothing matches", filters.count ? "No image of the gallery passes these filters." : "The gallery has no image to compare with.");
  at("view").hidden = !found.hits.length;
  at("further").hidden = found.hits.length < asked.k || asked.k >= 200 || found.matching <= asked.k;
  at("status").textContent = `${counted(found.hits.length, "answer")} of ${counted(found.matching, "image")}, ${asked.rerank ? "re-ranked" : "the nearest first"}, in ${Math.round(found.took_ms)} ms`;
  at("verdict").hidden = !(found.nobody && asked.accept !== null && found.hits.length);
  at("verdict").replaceChildren(make("b", { text: "Nobody." }), ` No answer is the one searched for with ${percent(asked.accept ?? 0)} or more. The nearest are shown all the same.`);
  at("scale").hidden = gallery.calibrated || !found.hits.length;
  showMarks();
  showSelection();
  if (focused) results.focus(results.cards.has(focused) ? focused : undefined);
}

function rest() {
  results.show([], null);
  for (const id of ["view", "further", "verdict", "scale"]) at(id).hidden = true;
  at("status").textContent = "";
  if (gallery?.count) welcome("Who, or what, is it?", "Drop, paste or choose a picture of a person or a vehicle: the gallery's nearest images are listed, camera by camera.");
  else if (gallery) welcome("This gallery is empty", "resight index RUN crops/ --out GALLERY puts images into it.");
  at("welcome").hidden = false;
  showMarks();
  showSelection();
  busy(false);
}

function welcome(title, line) {
  at("welcome-title").textContent = title;
  at("welcome-say").textContent = line;
}

// Acting on an answer.

function act(name, hit) {
  ({
    open: () => inspector.open(hit),
    right: () => mark(hit, "right"),
    wrong: () => mark(hit, "wrong"),
    select: () => select(hit),
    more: () => moreLike(hit),
    follow: () => follow(hit),
  })[name]();
}

function mark(hit, as) {
  if (results.marks.get(hit.id) === as) results.marks.delete(hit.id);
  else results.marks.set(hit.id, as);
  results.refresh();
  showMarks();
}

function showMarks() {
  const right = results.right.length, wrong = results.wrong.length;
  at("feedback").hidden = !(right || wrong);
  at("feedback-say").textContent = [right ? `${number(right)} marked right` : "", wrong ? `${number(wrong)} marked wrong` : ""].filter(Boolean).join(", ");
  at("again").disabled = marks() === searchedWith;
  at("again").textContent = at("again").disabled ? "Searched with them" : "Search again with them";
}

function select(hit) {
  if (!results.selected.delete(hit.id)) results.selected.add(hit.id);
  results.refresh();
  showSelection();
}

function showSelection() {
  const count = results.selected.size;
  at("selection").hidden = !count;
  document.body.classList.toggle("selecting", count > 0);
  at("selected-say").textContent = `${number(count)} selected`;
  at("names").replaceChildren(...filters.names.map(value => make("option", { value })));
}

function moreLike(hit) {
  at("camera").value = filters.cameras.includes(hit.camera) ? hit.camera : "";
  query.become(hit);
  at("results").focus();
  scrollTo({ top: 0 });
}

async function follow(hit) {
  if (hit.name) await follows(hit.name, { name: hit.name });
  else if (isSomebody(hit.identity)) await follows(identity(hit.identity), { identity: hit.identity });
  else await follows(...answersLike(hit));
}

/** Of one whom nobody has named yet: the answers marked right, or else this one alone. */
function answersLike(hit) {
  const ids = [...new Set([hit.id, ...results.right])];
  return [ids.length > 1 ? "The answers marked right" : "This answer", { ids }];
}

async function follows(title, of) {
  await attempt(async () => timeline.open(title, await api.timeline(of)));
}

async function giveName(event) {
  event.preventDefault();
  const name = at("name").value.trim(), ids = [...results.selected];
  if (!name) return;
  await attempt(async () => {
    const { updated } = await api.name(ids, name);
    for (const id of ids) if (results.hit(id)) results.hit(id).name = name;
    results.refresh();
    at("name").value = "";
    at("status").textContent = `${counted(updated, "image")} named ${name}.`;
    filters.load();
  });
}

async function exportSelected() {
  await attempt(async () => {
    const url = URL.createObjectURL(await api.csv([...results.selected]));
    make("a", { href: url, download: "resight.csv" }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
    at("status").textContent = `${counted(results.selected.size, "row")} exported as resight.csv.`;
  });
}

// Saying what went wrong.

async function attempt(what) {
  try {
    await what();
    say("");
  } catch (error) {
    fail(error);
  }
}

function fail(error) {
  if (error.status === 401) return gate();
  say(typeof error === "string" ? error : error.message);
  if (document.body.classList.contains("busy") || at("status").textContent === "Searching …") at("status").textContent = "";
}

function say(line) {
  at("error").textContent = line;
  at("error").hidden = !line;
}

/** Ask for the token; the server exchanges it for a cookie. */
function gate() {
  at("frame").hidden = true;
  at("selection").hidden = true;
  at("token-page").hidden = false;
  if (new URLSearchParams(location.search).has("token")) say("That is not the token of this gallery.");
  at("token").focus();
}

// Listening.

function keys(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || document.querySelector("dialog[open]")) return;
  if (event.target.matches("input:not([type=checkbox], [type=radio], [type=range], [type=file]), textarea, select")) return;
  const to = { "/": () => at("pick").focus(), "?": () => at("help").showModal(), s: () => at("feedback").hidden || at("again").disabled || search() }[event.key];
  if (!to) return;
  event.preventDefault();
  to();
}

function listen() {
  takePictures(files => query.addFiles(files));
  for (const id of ["rerank", "expand", "camera", "count"]) at(id).addEventListener("change", search);
  for (const radio of document.querySelectorAll("input[name=combine]")) radio.addEventListener("change", search);
  for (const radio of document.querySelectorAll("input[name=view]")) radio.addEventListener("change", order);
  at("accept").addEventListener("input", sayAccept);
  at("accept").addEventListener("change", search);
  at("again").addEventListener("click", search);
  at("unmark").addEventListener("click", unmark);
  at("unfilter").addEventListener("click", () => filters.clear());
  at("further").addEventListener("click", further);
  at("name-form").addEventListener("submit", giveName);
  at("export").addEventListener("click", exportSelected);
  at("follow-selected").addEventListener("click", () => follows("The selected answers", { ids: [...results.selected] }));
  at("unselect").addEventListener("click", () => { results.selected.clear(); results.refresh(); showSelection(); results.focus(); });
  at("help-open").addEventListener("click", () => at("help").showModal());
  for (const button of document.querySelectorAll("[data-close]")) button.addEventListener("click", () => button.closest("dialog").close());
  at("token-form").addEventListener("submit", event => { event.preventDefault(); location.assign(`/?${new URLSearchParams({ token: at("token").value })}`); });
  addEventListener("keydown", keys);
}

function order(event) {
  results.byCamera = event.target.value === "camera";
  results.draw();
}

function unmark() {
  results.marks.clear();
  results.refresh();
  if (marks() === searchedWith) showMarks();
  else search();
}

function further() {
  const counts = [...at("count").options].map(option => Number(option.value));
  at("count").value = counts.find(count => count > Number(at("count").value)) ?? counts.at(-1);
  search();
}

function sayAccept() {
  at("accept-say").textContent = Number(at("accept").value) ? `${at("accept").value} %` : "any";
}

function introduce() {
  at("about").textContent = [counted(gallery.count, "image"), gallery.model].join(" · ");
  at("accept").disabled = !gallery.calibrated;
  at("accept-note").textContent = gallery.calibrated
    ? "Below this probability the answer is: nobody."
    : "Needs probabilities: resight calibrate RUN fits them; then start the server again.";
  at("scale").textContent = "The figures are similarities, not probabilities: this model has not been calibrated.";
}

async function start() {
  listen();
  // On a phone the answers come first: what narrows them is folded away.
  if (matchMedia("(max-width: 60rem)").matches) for (const id of ["refine", "how"]) at(id).open = false;
  await attempt(async () => {
    gallery = await api.about();
    at("frame").hidden = false;
    introduce();
    sayAccept();
    rest();
    await filters.load();
    at("camera-field").hidden = !gallery.calibrated || !filters.cameras.length;
    at("camera").append(...filters.cameras.map(value => make("option", { value, text: camera(value) })));
  });
}

start();
