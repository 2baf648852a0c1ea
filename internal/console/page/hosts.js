// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// The list of hosts: which is sick, and what all of them do.

import { list } from "./api.js";
import { el, hide, set, write } from "./dom.js";
import { duration, fixed, percent, plural, rate } from "./format.js";
import { forget, remember } from "./history.js";
import { base } from "./hub.js";
import { empty, Place } from "./notice.js";
import { link, note } from "./route.js";
import { matcher, searchField } from "./search.js";
import { Table } from "./table.js";
import { listed, looks, rank, rankOf, stateOf } from "./vitals.js";
import { watch } from "./watch.js";

const value = (name) => (row) => row.values[name];
const number = (key, label, name, write, more = {}) => ({
  key, label, class: "number", down: true, sort: value(name), text: (row) => write(row.values[name]), ...more,
});

const columns = [
  { key: "host", label: "Host", text: (row) => row.id, sort: (row) => row.id, title: (row) => row.id },
  { key: "group", label: "Group", class: "wide", text: (row) => row.group ?? "", sort: (row) => row.group },
  {
    key: "health", label: "State", hint: "Sick hosts first", text: stateOf, class: "state", look: (row) => looks[row.rank],
    sort: (row) => row.rank * 1000 - Math.min(row.alarms.length, 999), title: (row) => row.statistics?.reason ?? row.problem ?? "",
  },
  {
    key: "alarms", label: "Alarms", text: (row) => row.alarms.join(", "), class: "alarms", look: (row) => (row.statistics?.level === "crit" ? "crit" : ""), down: true,
    sort: (row) => row.alarms.length, title: (row) => row.alarms.join("\n"),
  },
  number("load1", "Load", "load1", (v) => fixed(v, 2), {
    hint: "Of the last minute; the bar is of the processors", bar: (row) => (100 * row.values.load1) / (row.values.ncpu || 1), class: "number bar",
  }),
  number("cpu", "CPU", "cpu_busy", percent, { bar: value("cpu_busy"), class: "number bar" }),
  number("mem", "Memory", "mem_pct", percent, { bar: value("mem_pct"), class: "number bar" }),
  number("rx", "Net in", "net_rx", rate),
  number("tx", "Net out", "net_tx", rate),
  number("read", "Disk read", "disk_r", rate, { class: "number wide" }),
  number("written", "Written", "disk_w", rate, { class: "number wide" }),
  number("disk", "Disk", "disk_util", percent, { hint: "How busy the busiest disk is", bar: value("disk_util"), class: "number bar" }),
  number("age", "Age", "lag", duration, { hint: "How old these numbers are" }),
];

/** groups are what the buttons above the list choose. */
const groups = [
  { key: "", label: (n) => plural(n, "host"), wants: () => true, always: true },
  { key: "down", label: (n) => `${n} down`, wants: (row) => row.rank === rank.down, look: "crit" },
  { key: "alarm", label: (n) => `${n} with alarms`, wants: (row) => row.alarms.length > 0, look: "warn" },
  { key: "late", label: (n) => `${n} late`, wants: (row) => row.rank === rank.late, look: "late" },
];

/** open shows the list. */
export function open(main, route, signal) {
  const view = new Hosts(route.query);
  main.append(view.node);
  watch(signal, {
    read: () => list("api/v1/hosts", { signal, query: { values: listed.join(",") } }),
    show: ({ items }) => view.update(items),
    fail: (problem) => view.place.fail(problem),
  });
}

class Hosts {
  constructor(query) {
    this.only = query.get("only") ?? "";
    this.table = new Table({
      columns, caption: "Hosts", key: (row) => row.id, href: (row) => link(["hosts", row.id]),
      sort: query.get("sort") ?? "health", sorted: () => this.noted(),
    });
    this.typed = query.get("q") ?? "";
    const search = searchField({
      label: "Filter hosts", hint: "Filter: name, group, state, alarm", value: this.typed, changed: (typed) => {
        this.typed = typed;
        this.chosen();
      },
    });
    this.buttons = groups.map((g) => el("button", { type: "button", class: `chip ${g.look ?? ""}`, onclick: () => this.choose(g.key) }));
    this.none = el("p", { class: "dim", text: "No host is like that.", hidden: true });
    this.place = new Place(el("div", {}, el("div", { class: "tools" }, this.buttons, search), this.table.node, this.none));
    this.node = el("div", {}, el("h1", { class: "unseen", text: "Hosts" }), this.place.node);
    this.rows = [];
  }

  update(hosts) {
    if (hosts.length === 0) {
      this.place.tell(empty("No host is known yet", "On each host that is to be seen here:", [
        `weir agent --xmlsysd --hub ${base()}`,
      ]));
      return;
    }
    this.rows = hosts.map((host) => ({
      ...host, values: host.statistics?.values ?? {}, alarms: host.statistics?.alarms ?? [], rank: rankOf(host),
    }));
    hosts.forEach(remember);
    forget(new Set(hosts.map((host) => host.id)));
    this.table.update(this.rows);
    this.place.show();
    this.filter();
  }

  choose(key) {
    this.only = this.only === key ? "" : key;
    this.chosen();
  }

  chosen() {
    this.noted();
    this.filter();
  }

  noted() {
    note(["hosts"], { q: this.typed, only: this.only, sort: this.table.sort === "health" ? "" : this.table.sort });
  }

  filter() {
    const has = matcher(this.typed);
    const matches = (row) => has(row.id, row.group, stateOf(row), row.version, ...row.alarms);
    groups.forEach((group, i) => {
      const n = this.rows.filter(group.wants).length;
      write(this.buttons[i], group.label(n));
      set(this.buttons[i], { "aria-pressed": String(group.key === this.only) });
      hide(this.buttons[i], !group.always && n === 0 && group.key !== this.only);
    });
    const group = groups.find((g) => g.key === this.only) ?? groups[0];
    hide(this.none, this.table.filter((row) => group.wants(row) && matches(row)) > 0);
  }
}

