// Where an individual was seen, and when: a lane for each camera, and the way between them.

import { picture } from "./api.js";
import { at, draw, make } from "./dom.js";
import { camera, clock, counted, day, isClock, lasting, moment, teller } from "./format.js";

const DAY = 86_400_000;
const LANE = 64, HEAD = 30, EDGE = 92, FACE = 44, LEAST = 8;
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400].map(s => s * 1000);

export class Timeline {
  constructor() {
    this.dialog = at("timeline");
    addEventListener("resize", () => this.dialog.open && this._draw());
  }

  /** Show stays `[{camera, start, end, ids}]`, of whom `title` says. */
  open(title, stays) {
    this.stays = stays;
    at("timeline-title").textContent = title;
    at("timeline-say").textContent = summary(stays);
    const told = timesOf(stays);
    at("timeline-stays").replaceChildren(...stays.map((stay, place) => item(stay, stays[place - 1], told)));
    if (!this.dialog.open) this.dialog.showModal();
    this._draw();
  }

  _draw() {
    const timed = this.stays.filter(stay => stay.start !== null);
    at("timeline-chart").hidden = !timed.length;
    at("timeline-chart").replaceChildren(...(timed.length ? [chart(timed, at("timeline-chart").clientWidth)] : []));
  }
}

const pictures = stays => stays.reduce((sum, stay) => sum + stay.ids.length, 0);

function summary(stays) {
  const cameras = new Set(stays.map(stay => stay.camera)).size;
  const seen = `${counted(pictures(stays), "picture")} on ${counted(cameras, "camera")}`;
  const timed = stays.filter(stay => stay.start !== null);
  if (!timed.length) return `${seen}. The gallery knows no times of them, so this is no order.`;
  const first = Math.min(...timed.map(stay => stay.start)), last = Math.max(...timed.map(stay => stay.end));
  return `${seen}, ${moment(first)} to ${moment(last)}${timed.length < stays.length ? "; some without a time" : ""}.`;
}

/** How the times of stays are told: with their day where it is not the same. */
function timesOf(stays) {
  const timed = stays.filter(stay => stay.start !== null);
  return timed.length ? teller(Math.min(...timed.map(stay => stay.start)), Math.max(...timed.map(stay => stay.end))) : clock;
}

function when(stay, told) {
  if (stay.start === null) return "at an unknown time";
  return stay.start === stay.end ? told(stay.start) : `${told(stay.start)} to ${teller(stay.start, stay.end)(stay.end)}`;
}

function item(stay, before, told) {
  const gap = before && before.end !== null && stay.start !== null && stay.start > before.end ? `${lasting(stay.start - before.end)} later` : "";
  const faces = stay.ids.slice(0, 6).map(id => make("img", { src: picture(id, "small"), alt: "", loading: "lazy" }));
  const rest = stay.ids.length - faces.length;
  return make(
    "li",
    {},
    make("div", {}, make("b", { text: camera(stay.camera) }), make("span", { text: when(stay, told) }), make("span", { class: "quiet", text: [counted(stay.ids.length, "picture"), gap].filter(Boolean).join(", ") })),
    make("div", { class: "faces" }, ...faces, rest > 0 ? make("span", { class: "quiet", text: `and ${rest} more` }) : null),
  );
}

function chart(stays, width) {
  const lanes = [...new Set(stays.map(stay => stay.camera))].sort((a, b) => (a ?? Infinity) - (b ?? Infinity));
  const edge = width < 480 ? 64 : EDGE;
  const first = Math.min(...stays.map(stay => stay.start)), last = Math.max(...stays.map(stay => stay.end));
  const room = width - edge - FACE / 2 - 6;
  const x = time => edge + (last > first ? ((time - first) / (last - first)) * (room - FACE / 2) + FACE / 4 : room / 2);
  const y = stay => HEAD + lanes.indexOf(stay.camera) * LANE + LANE / 2;
  const height = HEAD + lanes.length * LANE, told = timesOf(stays);
  return draw(
    "svg",
    { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "Stays by camera over time; the list below says the same" },
    ...ticks(first, last, room / 90).map(time => tick(x(time), height, time)),
    ...lanes.map((value, place) => lane(value, HEAD + place * LANE, width, edge)),
    draw("path", { class: "way", d: way(stays, x, y) }),
    ...stays.map(stay => spot(stay, x(stay.start), x(stay.end), y(stay), told)),
  );
}

function ticks(first, last, most) {
  const step = STEPS.find(one => (last - first) / one <= most) ?? Math.ceil((last - first) / most / DAY) * DAY;
  const found = [];
  for (let time = Math.ceil(first / step) * step; time <= last; time += step) found.push(time);
  return found;
}

function tick(x, height, time) {
  return draw("g", { class: "tick" }, draw("line", { x1: x, x2: x, y1: HEAD - 6, y2: height }), draw("text", { x, y: HEAD - 12, "text-anchor": "middle", text: isClock(time) && time % DAY === 0 ? day(time) : clock(time) }));
}

function lane(value, top, width, edge) {
  const said = value === null ? "Unknown" : edge < EDGE ? `Cam ${value}` : camera(value);
  return draw("g", { class: "lane" }, draw("line", { x1: 0, x2: width, y1: top, y2: top }), draw("text", { x: 0, y: top + LANE / 2 + 5, text: said }));
}

/** From each stay to the next one. */
function way(stays, x, y) {
  return stays.map((stay, place) => `${place ? "L" : "M"}${x(stay.start)} ${y(stay)}H${x(stay.end)}`).join("");
}

function spot(stay, from, to, y, told) {
  const length = Math.max(LEAST, to - from), middle = (from + to) / 2;
  return draw(
    "g",
    { class: "stay" },
    draw("title", { text: `${camera(stay.camera)}, ${when(stay, told)}, ${counted(stay.ids.length, "picture")}` }),
    draw("rect", { x: middle - length / 2, y: y - 4, width: length, height: 8, rx: 4 }),
    draw("rect", { class: "backing", x: middle - FACE / 4 - 2, y: y - FACE / 2 - 2, width: FACE / 2 + 4, height: FACE + 4, rx: 3 }),
    draw("image", { href: picture(stay.ids[0], "small"), x: middle - FACE / 4, y: y - FACE / 2, width: FACE / 2, height: FACE, preserveAspectRatio: "xMidYMid slice" }),
  );
}
