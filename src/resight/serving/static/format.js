// Numbers and times as they are shown.

const DAY = 86_400_000;
// Milliseconds below this (1973) count from a video's start; above it they are a clock's.
const CLOCK = 1e11;
const LAST = 8.64e15; // that a Date can be

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

/** "2026-05-31" (UTC); "day 19675925925" of times in other units, which are beyond all calendars. */
export const day = time => (time <= LAST ? new Date(time).toISOString().slice(0, 10) : `day ${Math.floor(time / DAY)}`);

/** The clock with its day, where there is one. */
export function moment(time) {
  return isClock(time) ? `${day(time)} ${clock(time)}` : clock(time);
}

/** How times from the first to the last are told: with their day where it is not the same. */
export const teller = (first, last) => (day(first) === day(last) ? clock : moment);

/** "40 s", "5 min", "2 h 10 min", "3 days 4 h". */
export function lasting(milliseconds) {
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 90) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h${minutes % 60 ? ` ${minutes % 60} min` : ""}`;
  return `${Math.floor(hours / 24)} days${hours % 24 ? ` ${hours % 24} h` : ""}`;
}
