// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Numbers, sizes and times as people read them. What is not known is a dash.

/** dash stands for what is not known. */
export const dash = "–";

const known = (value) => typeof value === "number" && Number.isFinite(value);

/** count writes a whole number with its thousands apart. */
export function count(value) {
  return known(value) ? Math.round(value).toLocaleString("en") : dash;
}

/** fixed writes a number with some decimals, fewer where it is large. */
export function fixed(value, decimals = 1) {
  if (!known(value)) return dash;
  const left = Math.abs(value) >= 100 ? 0 : decimals;
  return value.toFixed(left);
}

/** percent writes a share that is in percent. */
export function percent(value) {
  return known(value) ? `${value.toFixed(value >= 99.95 ? 0 : 1)}%` : dash;
}

const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** bytes writes a size in powers of 1024. */
export function bytes(value) {
  if (!known(value)) return dash;
  let rest = Math.abs(value);
  let unit = 0;
  while (rest >= 1023.5 && unit < units.length - 1) {
    rest /= 1024;
    unit++;
  }
  const digits = unit === 0 || rest >= 99.95 ? 0 : 1;
  return `${value < 0 ? "-" : ""}${rest.toFixed(digits)} ${units[unit]}`;
}

/** rate writes bytes a second. */
export function rate(value) {
  return known(value) ? `${bytes(value)}/s` : dash;
}

/** duration writes seconds in the one or two largest units. */
export function duration(seconds) {
  if (!known(seconds)) return dash;
  if (seconds < 0) seconds = 0;
  if (seconds === 0) return "0 s";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${Number.isInteger(seconds) ? seconds : seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}

/** date reads a time of the interface; null where there is none. */
export function date(text) {
  if (!text) return null;
  const at = new Date(text);
  return Number.isNaN(at.getTime()) || at.getTime() <= 0 ? null : at;
}

/** clock writes the time of a day. */
export function clock(at) {
  return at ? at.toLocaleTimeString("en-GB") : dash;
}

/** when writes a time of today, or a day with it. */
export function when(at, now = new Date()) {
  if (!at) return dash;
  if (at.toDateString() === now.toDateString()) return clock(at);
  const two = (n) => String(n).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${clock(at).slice(0, 5)}`;
}

/** plural writes a number of things. */
export function plural(n, one, many = `${one}s`) {
  return `${count(n)} ${n === 1 ? one : many}`;
}
