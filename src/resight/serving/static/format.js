// Numbers and times as they are shown.

const DAY = 86_400_000;
// Milliseconds below this (1973) count from a video's start; above it they are a clock's.
const CLOCK = 1e11;

export const isClock = time => time >= CLOCK;
export const number = value => value.toLocaleString("en-GB");
export const counted = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;
export const percent = share => (share > 0.995 && share < 1 ? "> 99 %" : `${Math.round(share * 100)} %`);
export const camera = value => (value === null || value === undefined ? "Camera unknown" : `Camera ${value}`);
export const identity = value => ({ "0": "Distractor", "-1": "Junk" })[value] ?? `Identity ${value}`;
/** Whether an identity is one individual: distractors and junk are many. */
export const isSomebody = value => value !== null && value > 0;
export const label = column => (column.charAt(0).toUpperCase() + column.slice(1)).replaceAll("_", " ");

const two = value => String(value).padStart(2, "0");

/** "10:05:09" of a clock (UTC, as it was recorded), or "0:05:09" since a video's start. */
export function clock(time) {
  const seconds = Math.floor((isClock(time) ? time % DAY : time) / 1000);
  const hours = Math.floor(seconds / 3600);
  return `${isClock(time) ? two(hours) : hours}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}

/** The clock with its day, where there is one. */
export function moment(time) {
  return isClock(time) ? `${new Date(time).toISOString().slice(0, 10)} ${clock(time)}` : clock(time);
}

/** "40 s", "5 min", "2 h 10 min". */
export function lasting(milliseconds) {
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 90) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h${minutes % 60 ? ` ${minutes % 60} min` : ""}`;
}
