// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// What hosts have told while the page was open: the hub keeps only the last numbers.

import { charts, listed } from "./vitals.js";

const points = 300; // of each host; at the hub's usual 5 s they are 25 minutes
const kept = new Set([...listed, ...charts.flatMap((c) => [c.guide, ...c.lines.map(([name]) => name)])]);

/** Past is the last numbers of one host, the oldest first: some 13 KB of the list's. */
class Past {
  constructor() {
    this.length = 0;
    this.first = 0; // where the oldest is
    this.at = new Float64Array(points); // ms
    this.columns = new Map(); // by name; NaN where it was not told
  }

  /** add takes what was told at a time, if that is newer than the last. */
  add(time, values) {
    if (this.length > 0 && time <= this.time(this.length - 1)) return;
    const slot = (this.first + this.length) % points;
    if (this.length < points) this.length++;
    else this.first = (this.first + 1) % points;
    this.at[slot] = time;
    for (const column of this.columns.values()) column[slot] = NaN;
    for (const [name, value] of Object.entries(values)) {
      if (!kept.has(name)) continue;
      if (!this.columns.has(name)) this.columns.set(name, new Float32Array(points).fill(NaN));
      this.columns.get(name)[slot] = value;
    }
  }

  /** time returns when the numbers of a point were told. */
  time(i) {
    return this.at[(this.first + i) % points];
  }

  /** value returns a number of a point; undefined where it was not told. */
  value(i, name) {
    const value = this.columns.get(name)?.[(this.first + i) % points];
    return Number.isNaN(value) ? undefined : value;
  }

  /** has tells whether a number was ever told. */
  has(name) {
    return this.columns.has(name);
  }
}

const hosts = new Map();

/** past returns what a host has told. */
export function past(name) {
  let one = hosts.get(name);
  if (!one) hosts.set(name, (one = new Past()));
  return one;
}

/** remember takes what a host tells. */
export function remember(host) {
  const told = host.statistics;
  if (told?.values && told.read) past(host.id).add(Date.parse(told.read), told.values);
}

/** forget lets go of hosts that are not known any more. */
export function forget(known) {
  for (const name of hosts.keys()) if (!known.has(name)) hosts.delete(name);
}
