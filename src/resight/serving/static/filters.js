// Chips with counts: what the gallery holds, and which of it is searched.

import { facets } from "./api.js";
import { at, make } from "./dom.js";
import { camera, clock, isClock, label, number, teller } from "./format.js";

// Columns that name a row or its place in a file: too many values to choose among.
const APART = new Set(["id", "path", "file", "frame", "tracklet", "time"]);
const SHOWN = 8; // chips of a column before "more"
const MOST = 60;
const STEPS = 1000; // of a time slider

export class Filters {
  /** `changed` is called after each change; `fail` with an error. */
  constructor(changed, fail) {
    this.chosen = new Map(); // column -> Set of values
    this.span = null; // [first, last] of the times, in milliseconds, where narrowed
    this.range = null; // of all times
    this.whole = new Set(); // columns of which all values are shown
    this.folded = new Map(); // column -> whether its list is open, as the user left it
    this.changed = changed;
    this.fail = fail;
    this.names = [];
    this.cameras = []; // all that the gallery knows
  }

  get count() {
    return [...this.chosen.values()].filter(values => values.size).length + (this.span ? 1 : 0);
  }

  /** How the gallery's times are told. */
  get told() {
    return this.range ? teller(...this.range) : clock;
  }

  /** The filter as the server reads it; null where nothing is filtered. */
  where(without = null) {
    const parts = {};
    for (const [column, values] of this.chosen) if (values.size && column !== without) parts[column] = [...values];
    if (this.span && without !== "time") parts.time = { from: this.span[0], to: this.span[1] };
    return Object.keys(parts).length ? parts : null;
  }

  clear() {
    this.chosen.clear();
    this.span = null;
    this._change();
  }

  /** Count again. A column's own filter does not empty its other chips. */
  async load() {
    this.loading?.abort();
    this.loading = new AbortController();
    const { signal } = this.loading;
    at("filters").setAttribute("aria-busy", "true");
    try {
      const filtered = [...this.chosen.keys()].filter(column => this.chosen.get(column).size);
      const [all, ...own] = await Promise.all(
        [null, ...filtered].map(column => facets(this.where(column), signal)),
      );
      filtered.forEach((column, place) => (all.columns[column] = own[place].columns[column] ?? []));
      this.range ??= all.time;
      if (!filtered.length && !this.span) this.cameras = (all.columns.camera ?? []).map(one => one.value).filter(value => value !== null && value >= 0).sort((a, b) => a - b);
      this._show(all.columns);
    } catch (error) {
      if (error.name !== "AbortError") this.fail(error);
    } finally {
      if (this.loading.signal === signal) at("filters").setAttribute("aria-busy", "false");
    }
  }

  _change() {
    at("unfilter").hidden = !this.count;
    at("narrowed").hidden = !this.count;
    at("narrowed").textContent = this.count;
    this.load();
    this.changed();
  }

  _show(columns) {
    const focus = document.activeElement?.dataset.chip;
    const shown = Object.entries(columns).filter(([column, values]) => !APART.has(column) && values.length > 0);
    this.names = (columns.name ?? []).map(one => one.value).filter(value => value !== null);
    const groups = shown.map(([column, values]) => this._group(column, values));
    const first = shown.findIndex(([column]) => column !== "camera");
    if (this.range && this.range[0] < this.range[1]) groups.splice(first < 0 ? groups.length : first, 0, this._times());
    at("filters").replaceChildren(
      ...(groups.length ? groups : [make("p", { class: "note", text: "The gallery says nothing of its images to narrow by." })]),
    );
    if (focus) [...at("filters").querySelectorAll("[data-chip]")].find(chip => chip.dataset.chip === focus)?.focus();
  }

  _group(column, values) {
    const known = values.filter(one => one.value !== null && one.value !== "").slice(0, MOST);
    if (column === "camera") known.sort((a, b) => a.value - b.value);
    const all = this.whole.has(column) || known.length <= SHOWN + 1;
    const chips = known.filter((one, place) => all || place < SHOWN || this._has(column, one.value));
    const rest = known.length - chips.length;
    const open = this.folded.get(column) ?? (column === "camera" || column === "name" || this.chosen.get(column)?.size > 0);
    const list = make("div", { class: "chips", role: "group", "aria-label": label(column) }, ...chips.map(one => this._chip(column, one)));
    if (rest) list.append(make("button", { type: "button", class: "plain", text: `${rest} more`, onclick: () => this._all(column) }));
    const details = make("details", { class: "facet", open }, make("summary", { text: label(column) }), list);
    details.addEventListener("toggle", () => this.folded.set(column, details.open));
    return details;
  }

  _all(column) {
    this.whole.add(column);
    this.load();
  }

  _has(column, value) {
    return this.chosen.get(column)?.has(value) ?? false;
  }

  _chip(column, { value, count }) {
    const text = column === "camera" ? String(value) : label(String(value));
    const said = column === "camera" ? camera(value) : `${label(column)} ${text}`;
    return make(
      "button",
      {
        type: "button",
        class: "chip",
        "data-chip": `${column}=${value}`,
        "aria-pressed": String(this._has(column, value)),
        "aria-label": `${said}, ${number(count)}`,
        onclick: event => this._toggle(column, value, event.currentTarget),
      },
      make("span", { text }),
      make("span", { class: "count", text: number(count) }),
    );
  }

  _toggle(column, value, chip) {
    const values = this.chosen.get(column) ?? new Set();
    if (!values.delete(value)) values.add(value);
    this.chosen.set(column, values);
    chip.setAttribute("aria-pressed", String(values.has(value))); // before the server has counted again
    this._change();
  }

  _times() {
    const [first, last] = this.range;
    const place = time => Math.round(((time - first) / (last - first)) * STEPS);
    const time = step => Math.round(first + ((last - first) * step) / STEPS);
    const said = this.told;
    const sides = ["From", "Until"].map((side, end) => {
      const at = this.span?.[end] ?? this.range[end];
      const output = make("output", { text: said(at) });
      const slider = make("input", { type: "range", min: 0, max: STEPS, "aria-label": `Time: ${side.toLowerCase()}`, "data-chip": `time ${side}`, "aria-valuetext": said(at) });
      slider.value = place(at);
      slider.addEventListener("input", () => {
        output.textContent = said(time(Number(slider.value)));
        slider.setAttribute("aria-valuetext", output.textContent);
      });
      slider.addEventListener("change", () => this._narrow(end, time(Number(slider.value))));
      return make("div", { class: "side-of-time" }, make("span", { text: side }), slider, output);
    });
    const title = isClock(first) ? "Time (UTC)" : "Time in the recording";
    const details = make("details", { class: "facet", open: this.folded.get("time") ?? true }, make("summary", { text: title }), ...sides);
    details.addEventListener("toggle", () => this.folded.set("time", details.open));
    return details;
  }

  _narrow(end, time) {
    const span = [...(this.span ?? this.range)];
    span[end] = time;
    if (span[0] > span[1]) span[1 - end] = time;
    this.span = span[0] <= this.range[0] && span[1] >= this.range[1] ? null : span;
    this._change();
  }
}
