// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// What hosts have told while the page was open: the hub keeps only the last numbers.

const points = 300; // of each host; at the hub's usual 5 s they are 25 minutes

/** Past is the last numbers of one host, oldest first. */
class Past {
  constructor() {
    this.times = []; // ms
    this.values = []; // objects, as they came
  }

  /** add takes what was told at a time, if that is newer than the last. */
  add(time, values) {
    if (time <= (this.times.at(-1) ?? 0)) return;
    this.times.push(time);
    this.values.push(values);
    if (this.times.length > points) {
      this.times.shift();
      this.values.shift();
    }
  }
}

const hosts = new Map();

/** past returns what a host has told. */
export function past(name) {
  let one = hosts.get(name);
  if (!one) hosts.set(name, (one = new Past()));
  return one;
}

/** remember takes what a host tells; its numbers are kept as they are. */
export function remember(host) {
  const told = host.statistics;
  if (told?.values && told.read) past(host.id).add(Date.parse(told.read), told.values);
}

/** forget lets go of hosts that are not known any more. */
export function forget(known) {
  for (const name of hosts.keys()) if (!known.has(name)) hosts.delete(name);
}
