// One answer, large, beside the pictures searched for.

import { picture } from "./api.js";
import { at, make } from "./dom.js";
import { camera, identity, isSomebody, label, moment, percent } from "./format.js";

export class Inspector {
  constructor(results, query, act) {
    Object.assign(this, { results, query, act });
    this.dialog = at("inspector");
    for (const name of ["right", "wrong", "more", "follow"]) at(`inspector-${name}`).addEventListener("click", () => this._act(name));
    at("inspector-before").addEventListener("click", () => this.step(-1));
    at("inspector-after").addEventListener("click", () => this.step(1));
    this.dialog.addEventListener("keydown", event => this._key(event));
    this.dialog.addEventListener("close", () => this.results.focus(this.hit.id));
  }

  open(hit) {
    this.show(hit);
    if (!this.dialog.open) this.dialog.showModal();
  }

  show(hit) {
    this.hit = hit;
    const place = this.results.hits.indexOf(hit);
    at("inspector-title").textContent = `Answer ${place + 1} of ${this.results.hits.length}`;
    at("inspector-query").replaceChildren(...this.query.pictures.slice(0, 4).map((src, n) => make("img", { src, alt: `Picture ${n + 1} searched for` })));
    at("inspector-picture").src = picture(hit.id, "large");
    at("inspector-picture").alt = `Answer ${place + 1}`;
    at("inspector-file").textContent = hit.file;
    at("inspector-facts").replaceChildren(...facts(hit).map(([name, value]) => make("div", {}, make("dt", { text: name }), make("dd", { text: value }))));
    at("inspector-before").disabled = place === 0;
    at("inspector-after").disabled = place === this.results.hits.length - 1;
    this.refresh();
  }

  refresh() {
    for (const name of ["right", "wrong"]) at(`inspector-${name}`).setAttribute("aria-pressed", String(this.results.marks.get(this.hit?.id) === name));
  }

  step(by) {
    const next = this.results.hits[this.results.hits.indexOf(this.hit) + by];
    if (next) this.show(next);
  }

  _act(name) {
    const hit = this.hit;
    if (name === "more" || name === "follow") this.dialog.close();
    this.act(name, hit);
    this.refresh();
  }

  _key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const act = {
      ArrowLeft: () => this.step(-1),
      ArrowRight: () => this.step(1),
      r: () => this._act("right"),
      w: () => this._act("wrong"),
      m: () => this._act("more"),
      t: () => this._act("follow"),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }
}

function facts(hit) {
  return [
    ["Probability", hit.probability === null ? "not calibrated" : percent(hit.probability)],
    ["Similarity", hit.score.toFixed(4)],
    ["Camera", hit.camera === null ? "unknown" : String(hit.camera)],
    ["Time", hit.time === null ? null : moment(hit.time)],
    ["Name", hit.name],
    ["Identity", hit.identity === null ? null : isSomebody(hit.identity) ? String(hit.identity) : identity(hit.identity)],
    ["Tracklet", hit.tracklet === null ? null : String(hit.tracklet)],
    ...Object.entries(hit.attributes).map(([name, value]) => [label(name), looks(label(String(value)), hit.sure[name])]),
  ].filter(([, value]) => value !== null && value !== undefined && value !== "");
}

/** A recognised attribute, and how sure the model is of it. */
function looks(value, sure) {
  return sure === undefined ? value : `${value} (${percent(sure)})`;
}
