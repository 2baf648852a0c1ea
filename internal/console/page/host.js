// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// One host: its vital signs, with what they were while the page was open.

import { below, get, list } from "./api.js";
import { Chart } from "./chart.js";
import { command, quoted } from "./command.js";
import { el, fill, hide, set, write } from "./dom.js";
import { clock, date, duration, when } from "./format.js";
import { past, remember } from "./history.js";
import { hubFlag } from "./hub.js";
import { Place } from "./notice.js";
import { link } from "./route.js";
import { Table } from "./table.js";
import { charts, looks, rankOf, stateOf, vital } from "./vitals.js";
import { watch } from "./watch.js";

/** open shows the host that a route names. */
export function open(main, route, signal) {
  const name = route.path[1];
  const view = new Host(name);
  main.append(view.node);
  signal.addEventListener("abort", () => view.close());
  watch(signal, {
    read: () => get(`api/v1/hosts/${below(name)}`, { signal }),
    show: (host) => view.update(host),
    fail: (problem) => view.place.fail(problem),
  });
  watch(signal, {
    every: 5000,
    read: () => list("api/v1/alarms", { signal, most: 500 }),
    show: ({ items }) => view.alarmed(items.filter((alarm) => alarm.host === name)),
  });
}

class Host {
  constructor(name) {
    this.name = name;
    this.past = past(name);
    this.badge = el("span", { class: "badge" });
    this.reason = el("p", { class: "reason", hidden: true });
    this.facts = el("p", { class: "facts" });
    this.charts = charts.map((definition) => new Chart(definition));
    this.drawn = el("div", { class: "charts" }, this.charts.map((chart) => chart.node));
    this.since = el("p", { class: "dim" });
    this.alarms = new Table({
      caption: "Alarms", key: (a) => `${a.time} ${a.alarm} ${a.state}`, columns: [
        { key: "alarm", label: "Alarm", text: (a) => a.alarm },
        { key: "state", label: "State", class: "state", text: (a) => a.state, look: (a) => (a.state === "firing" ? (a.level === "crit" ? "crit" : "warn") : "good") },
        { key: "level", label: "Level", text: (a) => a.level },
        { key: "value", label: "Value", class: "number", text: (a) => (a.value === undefined ? "" : String(Number(a.value.toPrecision(4)))) },
        { key: "time", label: "Since", text: (a) => when(date(a.time)) },
        { key: "note", label: "Note", text: (a) => a.note ?? "" },
      ],
    });
    this.alarmsPart = el("section", { hidden: true }, el("h2", { text: "Alarms" }), this.alarms.node);
    this.numbers = el("dl", { class: "numbers" });
    this.shown = new Map();
    this.feeds = el("a", { class: "button", href: link(["feeds"]), text: "Its feeds", hidden: true });
    this.place = new Place(el("div", {}, this.reason, this.facts, this.alarmsPart, this.drawn, this.since,
      el("section", {}, el("h2", { text: "From a shell" }),
        command(`weir top ${hubFlag() || "--hub http://127.0.0.1:9347"}`.replace("  ", " "), "All hosts of this hub"),
        command(`weir hosts show ${quoted(name)}${hubFlag("api")}`, "This host")),
      el("details", {}, el("summary", { text: "All numbers" }), this.numbers)));
    this.node = el("div", {},
      el("div", { class: "title" }, el("a", { href: link(["hosts"]), text: "Hosts" }), el("h1", { text: name }), this.badge,
        el("a", { class: "button", href: link(["sessions"], { q: name }), text: "Its sessions" }), this.feeds),
      this.place.node);
  }

  update(host) {
    remember(host);
    const told = host.statistics;
    write(this.badge, stateOf(host));
    set(this.badge, { class: `badge ${looks[rankOf(host)]}` });
    const reason = told?.reason || host.problem || (told ? "" : "The hub does not ask this host: it answers nowhere, or hosts.poll is 0.");
    hide(this.reason, !reason);
    write(this.reason, reason);
    write(this.facts, factsOf(host).join(" · "));
    hide(this.feeds, !host.feeds);
    hide(this.drawn, this.past.length === 0);
    for (const chart of this.charts) {
      hide(chart.node, !chart.definition.lines.some(([name]) => this.past.has(name)));
      chart.update(this.past);
    }
    write(this.since, this.past.length ? `Since ${clock(new Date(this.past.time(0)))}, when this page began to look.` : "");
    this.place.show();
    this.number(told?.values ?? {});
  }

  /** number shows all numbers. */
  number(values) {
    const names = Object.keys(values).sort();
    if (names.length !== this.shown.size || names.some((name) => !this.shown.has(name))) {
      this.shown = new Map(names.map((name) => [name, el("dd")]));
      fill(this.numbers, names.map((name) => el("div", {}, el("dt", { text: name }), this.shown.get(name))));
    }
    for (const name of names) write(this.shown.get(name), vital(name, values[name]));
  }

  alarmed(alarms) {
    hide(this.alarmsPart, alarms.length === 0);
    this.alarms.update(alarms.slice(0, 20));
  }

  close() {
    this.charts.forEach((chart) => chart.close());
  }
}

function factsOf(host) {
  const told = host.statistics;
  const values = told?.values ?? {};
  return [
    host.group && `group ${host.group}`,
    host.address && `${host.address}${host.tls ? " by TLS" : ""}`,
    values.ncpu && `${values.ncpu} processors`,
    values.uptime && `up for ${duration(values.uptime)}`,
    host.version && `weir ${host.version}`,
    `${host.state} since ${when(date(host.since))}`,
    told?.read && `last heard ${clock(date(told.read))}`,
  ].filter(Boolean);
}
