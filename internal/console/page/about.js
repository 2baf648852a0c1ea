// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// The hub itself: which it is, whether it is well, where it listens, and what it had to
// refuse or has lost.

import { ask, get } from "./api.js";
import { el, fill, hide, set, write } from "./dom.js";
import { bytes, count, date, duration, fixed } from "./format.js";
import { hub } from "./hub.js";
import { parse } from "./metrics.js";
import { Place } from "./notice.js";
import { Table } from "./table.js";
import { watch } from "./watch.js";

const every = 5000; // ms: the metrics are some hundred KB where hosts are many

/** troubles are the figures that ought to be 0, those of the host's disks and network apart. */
const troubles = /^weir_(?!disk_|net_|softnet_).*(refused|displaced|dropped|lost|errors?|failures|failed|timed_out|discarded|abandoned|rejected|short_of_space|gaps|aborts|skipped|unchecked|memory_waits|evictions)/;

const listeners = [
  ["control", "producers: control"], ["data", "producers: data"], ["live", "viewers"], ["http", "HTTP: this page, REST, metrics"], ["hop", "connections that are passed on"], ["hosts", "agents of other hosts"],
];

/** open shows it. */
export function open(main, route, signal) {
  const view = new About();
  main.append(view.node);
  watch(signal, {
    every,
    read: async () => {
      const [info, ready, metrics] = await Promise.all([
        hub(signal), get("readyz", { signal, good: [503] }), ask("metrics", { signal, headers: { Accept: "text/plain" } }).then((answer) => answer.text()),
      ]);
      return { info, ready, metrics: parse(metrics) };
    },
    show: (told) => view.update(told),
    fail: (problem) => view.place.fail(problem),
  });
}

class About {
  constructor() {
    this.badge = el("span", { class: "badge" });
    this.facts = el("p", { class: "facts" });
    this.warnings = el("ul", { class: "warnings" });
    this.limits = new Table({
      caption: "What was refused or lost", key: (row) => row.key, sort: "-value", columns: [
        { key: "name", label: "Figure", text: (row) => row.key, sort: (row) => row.key },
        { key: "value", label: "Value", class: "number", down: true, text: (row) => count(row.value), sort: (row) => row.value },
        { key: "help", label: "Meaning", class: "text", text: (row) => row.help },
      ],
    });
    this.none = el("p", { text: "Nothing was refused, dropped or lost since the hub was started." });
    this.listens = new Table({
      caption: "Listeners", key: (row) => row.key, columns: [
        { key: "key", label: "Listener", text: (row) => row.key },
        { key: "at", label: "Address", class: "mono", text: (row) => row.at },
        { key: "what", label: "For", text: (row) => row.what },
      ],
    });
    this.usage = el("dl", { class: "numbers" });
    this.place = new Place(el("div", {}, this.facts, this.warnings, el("h2", { text: "Limits reached, and losses" }), this.none, this.limits.node,
      el("h2", { text: "Listeners" }), this.listens.node, el("h2", { text: "What it takes" }), this.usage,
      el("p", { class: "dim" }, "All of this and more: ", el("a", { href: "metrics", text: "/metrics" }), ", ", el("a", { href: "openapi.json", text: "/openapi.json" }), ".")));
    this.node = el("div", {}, el("div", { class: "title" }, el("h1", { text: "This hub" }), this.badge), this.place.node);
  }

  update({ info, ready, metrics }) {
    write(this.badge, ready.ready ? (ready.warnings.length ? "works, with warnings" : "well") : "not ready");
    set(this.badge, { class: `badge ${ready.ready ? (ready.warnings.length ? "warn" : "good") : "crit"}` });
    write(this.facts, factsOf(info).join(" · "));
    fill(this.warnings, [...ready.reasons, ...ready.warnings].map((text) => el("li", { class: "crit", text })));
    const rows = reached(metrics);
    this.limits.update(rows);
    hide(this.limits.node, rows.length === 0);
    hide(this.none, rows.length > 0);
    this.listens.update(listeners.map(([key, what]) => ({ key, what, at: info.listens[key].join(", ") || "not served" })));
    this.use(metrics, ready);
    this.place.show();
  }

  use(metrics, ready) {
    const value = (name) => metrics.get(name)?.values[0]?.value;
    const rows = [
      ["memory", bytes(value("process_resident_memory_bytes"))],
      ["CPU time", duration(value("process_cpu_seconds_total"))],
      ["open files", `${count(value("process_open_fds"))} of ${count(value("process_max_fds"))}`],
      ["goroutines", count(value("go_goroutines"))],
      ["free on the disk", bytes(ready.free_bytes)],
      ["producers", count(value("weir_relay_producers"))],
      ["viewers", count(value("weir_live_viewers"))],
      ["streams", count(value("weir_relay_streams"))],
      ["longest silence", value("weir_relay_lag_seconds") === undefined ? "–" : `${fixed(value("weir_relay_lag_seconds"))} s`],
    ];
    if (!this.usage.firstChild) fill(this.usage, rows.map(([label]) => el("div", {}, el("dt", { text: label }), el("dd"))));
    rows.forEach(([, text], i) => write(this.usage.children[i].lastChild, text));
  }
}

function factsOf(info) {
  const up = (Date.now() - date(info.started)) / 1000;
  return [
    `weir ${info.version}`, info.revision && `commit ${info.revision.slice(0, 12)}`, info.go, info.platform,
    `on ${info.host}`, `up for ${duration(up)}`, `traces in ${info.output_dir}`, info.poll ? `asks each host every ${info.poll}` : "asks no hosts",
  ].filter(Boolean);
}

/** reached are the figures of refusals and losses that are not 0, of the hub itself. */
function reached(metrics) {
  const rows = [];
  for (const [name, { help, values }] of metrics) {
    if (!troubles.test(name)) continue;
    for (const { labels, value } of values) {
      if (!(value > 0) || labels.host) continue;
      const of = Object.entries(labels).map(([label, text]) => `${label} ${text}`).join(", ");
      rows.push({ key: of ? `${name} (${of})` : name, value, help });
    }
  }
  return rows;
}
