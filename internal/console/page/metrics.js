// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// The hub's metrics, in Prometheus' text.

/** parse reads a text: by name { help, type, values }, each value with its labels. */
export function parse(text) {
  const families = new Map();
  const family = (name) => {
    if (!families.has(name)) families.set(name, { help: "", type: "", values: [] });
    return families.get(name);
  };
  for (const line of text.split("\n")) {
    const about = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line);
    if (about) {
      family(about[2])[about[1].toLowerCase()] = about[3];
      continue;
    }
    const sample = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line);
    if (sample) family(sample[1]).values.push({ labels: labels(sample[2] ?? ""), value: Number(sample[3]) });
  }
  return families;
}

function labels(text) {
  const found = {};
  for (const [, name, value] of text.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) {
    found[name] = value.replace(/\\(.)/g, (_, c) => (c === "n" ? "\n" : c));
  }
  return found;
}
