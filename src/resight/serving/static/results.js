// The answers: cards, by camera or in one list, and the keys that walk over them.

import { picture } from "./api.js";
import { at, draw, icon, make } from "./dom.js";
import { camera, clock, counted, identity, percent } from "./format.js";

const BAR = 100; // units of a bar's width

export class Results {
  /** `act(name, hit)` is called for "open", "right", "wrong", "select", "more" and "follow". */
  constructor(act) {
    this.act = act;
    this.hits = [];
    this.marks = new Map(); // id -> "right" or "wrong"
    this.selected = new Set();
    this.cards = new Map(); // id -> its card
    this.byCamera = true;
    this.limit = null; // probability from which an answer is accepted
    this.told = clock; // how times are told
    at("groups").addEventListener("keydown", event => this._key(event));
    at("groups").addEventListener("focusin", event => this._reach(event.target.closest(".card")));
  }

  hit(id) {
    return this.hits.find(hit => hit.id === id);
  }

  get right() {
    return [...this.marks].filter(([, mark]) => mark === "right").map(([id]) => id);
  }

  get wrong() {
    return [...this.marks].filter(([, mark]) => mark === "wrong").map(([id]) => id);
  }

  show(hits, limit, told = clock) {
    this.hits = hits;
    this.limit = limit;
    this.told = told;
    this.draw();
  }

  draw() {
    this.cards = new Map(this.hits.map((hit, place) => [hit.id, this._card(hit, place)]));
    const groups = this.byCamera ? this._cameras() : [this.hits];
    at("groups").replaceChildren(...groups.map(hits => this._group(hits)));
    this._reach(this._list[0]);
  }

  /** Show marks, names and the selection as they are now. */
  refresh() {
    for (const hit of this.hits) this._dress(hit);
  }

  _cameras() {
    const groups = new Map();
    for (const hit of this.hits) groups.set(hit.camera, [...(groups.get(hit.camera) ?? []), hit]);
    return [...groups.values()]; // the camera of the best answer first
  }

  _group(hits) {
    const list = make("ol", { class: "cards", role: "list" }, ...hits.map(hit => this.cards.get(hit.id)));
    if (!this.byCamera) return make("section", { "aria-label": "All answers" }, list);
    const title = camera(hits[0].camera);
    const head = make("div", { class: "group-head" }, make("h2", { text: title }), make("span", { class: "quiet", text: counted(hits.length, "answer") }));
    return make("section", { "aria-label": title }, head, list);
  }

  _card(hit, place) {
    const image = make("img", { src: picture(hit.id, "small"), alt: "", loading: place < 24 ? "eager" : "lazy", decoding: "async" });
    image.addEventListener("load", () => card.classList.toggle("wide", image.naturalWidth > image.naturalHeight), { once: true });
    image.addEventListener("error", () => card.classList.add("unseeable"), { once: true });
    const face = make("button", { type: "button", class: "face", onclick: () => this.act("open", hit) }, image, make("span", { class: "rank", text: place + 1 }));
    const select = make("input", { type: "checkbox", tabindex: -1, "aria-label": `Select answer ${place + 1}`, onchange: () => this.act("select", hit) });
    const sure = hit.probability === null ? hit.score.toFixed(3) : percent(hit.probability);
    const told = make("p", { class: "told" }, make("b", { text: sure }));
    if (hit.probability !== null) told.append(make("span", { class: "score", title: "Similarity", text: hit.score.toFixed(3) }));
    const card = make(
      "li",
      { class: "card", "data-id": hit.id },
      make("div", { class: "frame-of" }, face, make("label", { class: "select" }, select)),
      told,
      bar(hit.probability ?? hit.score),
      make("p", { class: "meta" }),
      make("p", { class: "name" }),
      make(
        "div",
        { class: "acts" },
        this._button("right", "Right", hit, place),
        this._button("wrong", "Wrong", hit, place),
        this._button("more", "More like this", hit, place),
        this._button("follow", "Timeline", hit, place),
      ),
    );
    card.place = place;
    this._dress(hit, card);
    return card;
  }

  _button(name, said, hit, place) {
    return make("button", { type: "button", class: `act ${name}`, tabindex: -1, title: said, "aria-label": `${said}: answer ${place + 1}`, onclick: () => this.act(name, hit) }, icon(name));
  }

  _dress(hit, card = this.cards.get(hit.id)) {
    const mark = this.marks.get(hit.id), selected = this.selected.has(hit.id);
    const below = this.limit !== null && hit.probability !== null && hit.probability < this.limit;
    for (const [name, is] of Object.entries({ right: mark === "right", wrong: mark === "wrong", selected, below })) card.classList.toggle(`is-${name}`, is);
    for (const name of ["right", "wrong"]) card.querySelector(`.act.${name}`).setAttribute("aria-pressed", String(mark === name));
    card.querySelector(".select input").checked = selected;
    const where = [this.byCamera ? null : camera(hit.camera), hit.time === null ? null : this.told(hit.time)].filter(Boolean);
    const words = where.join(" · ").match(/\S+/g) ?? []; // none is broken in two: a date has hyphens
    card.querySelector(".meta").replaceChildren(...words.flatMap(word => [make("span", { text: word }), " "]));
    card.querySelector(".name").textContent = hit.name ?? (hit.identity === null ? "" : identity(hit.identity));
    card.querySelector(".face").setAttribute("aria-label", this._said(hit, card.place, mark, selected, below));
  }

  _said(hit, place, mark, selected, below) {
    const sure = hit.probability === null ? `similarity ${hit.score.toFixed(3)}` : `probability ${percent(hit.probability)}`;
    const parts = [`Answer ${place + 1}`, sure, camera(hit.camera), hit.time === null ? null : this.told(hit.time), hit.name];
    if (mark) parts.push(`marked ${mark}`);
    if (selected) parts.push("selected");
    if (below) parts.push("below what is accepted");
    return parts.filter(Boolean).join(", ");
  }

  // Keys: one card is in the order of Tab, the others are reached by the arrows.

  get _list() {
    return [...at("groups").querySelectorAll(".card")];
  }

  _reach(card) {
    if (!card || card === this.reached) return;
    for (const [one, tab] of [[this.reached, -1], [card, 0]]) {
      for (const part of one?.querySelectorAll("button, input") ?? []) part.tabIndex = tab;
    }
    this.reached = card;
    for (const other of this._list) if (other !== card) other.querySelector(".face").tabIndex = -1;
  }

  /** Put the focus on a card. */
  focus(id) {
    const card = id === undefined ? this.reached : this.cards.get(id);
    card?.querySelector(".face").focus();
  }

  _key(event) {
    const card = event.target.closest(".card");
    if (!card || event.ctrlKey || event.metaKey || event.altKey) return;
    const next = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const list = this._list, here = list.indexOf(card);
    const to = next ? list[here + next] : { Home: list[0], End: list.at(-1), ArrowUp: above(list, here, -1), ArrowDown: above(list, here, 1) }[event.key];
    const act = { r: "right", w: "wrong", x: "select", m: "more", t: "follow" }[event.key.toLowerCase()];
    if (to) to.querySelector(".face").focus();
    else if (act && !event.repeat && !event.shiftKey) this.act(act, this.hit(card.dataset.id));
    else return;
    event.preventDefault();
  }
}

/** The card in the next row, up (-1) or down (1), that stands nearest to this one's column. */
function above(list, here, way) {
  const box = list[here].getBoundingClientRect();
  const rows = list
    .map(card => ({ card, at: card.getBoundingClientRect() }))
    .filter(({ at }) => (way < 0 ? at.top < box.top - 2 : at.top > box.top + 2));
  const row = way < 0 ? Math.max(...rows.map(({ at }) => at.top)) : Math.min(...rows.map(({ at }) => at.top));
  const beside = rows.filter(({ at }) => Math.abs(at.top - row) < 3);
  return beside.sort((a, b) => Math.abs(a.at.left - box.left) - Math.abs(b.at.left - box.left))[0]?.card;
}

function bar(share) {
  const width = Math.max(0, Math.min(1, share)) * BAR;
  return draw(
    "svg",
    { class: "sure-bar", viewBox: `0 0 ${BAR} 4`, preserveAspectRatio: "none", "aria-hidden": "true" },
    draw("rect", { class: "all", width: BAR, height: 4, rx: 1 }),
    draw("rect", { class: "part", width, height: 4, rx: 1 }),
  );
}
