// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// The list of sessions: what is recorded, from where, how fast, and what was lost.

import { list } from "./api.js";
import { command } from "./command.js";
import { el, hide, write } from "./dom.js";
import { bytes, count, date, duration, plural, rate, when } from "./format.js";
import { hub, hubFlag, producer } from "./hub.js";
import { empty, Place } from "./notice.js";
import { link, note } from "./route.js";
import { matcher, searchField } from "./search.js";
import { Table } from "./table.js";
import { watch } from "./watch.js";

const mostClosed = 500; // closed sessions that are shown: there may be any number of them

/** lostOf tells how much of a session was lost, as words. */
export function lostOf(received) {
  if (!received) return "";
  const lost = [];
  if (received.dropped_packets) lost.push(plural(received.dropped_packets, "packet"));
  if (received.discarded_events) lost.push(plural(received.discarded_events, "event"));
  return lost.join(", ");
}

/** agoOf tells how long ago something came. */
export function agoOf(text) {
  const at = date(text);
  return at ? `${duration(Math.max(0, Math.round((Date.now() - at) / 1000)))} ago` : "";
}

const sum = (received) => (received?.dropped_packets ?? 0) + (received?.discarded_events ?? 0);

const columns = [
  { key: "name", label: "Session", text: (s) => s.name || s.id, sort: (s) => s.name, title: (s) => s.directory },
  { key: "host", label: "Host", text: (s) => s.host, sort: (s) => s.host },
  {
    key: "state", label: "State", class: "state", text: (s) => (s.live ? "live" : s.state), look: (s) => (s.state === "active" ? "good" : "dim"),
    sort: (s) => (s.live ? 0 : s.state === "active" ? 1 : 2),
  },
  { key: "created", label: "Begun", down: true, text: (s) => when(date(s.created)), sort: (s) => Date.parse(s.created) },
  { key: "rate", label: "Rate", class: "number", down: true, text: (s) => (s.received?.rate ? rate(s.received.rate.bytes_per_second) : ""), sort: (s) => s.received?.rate?.bytes_per_second },
  { key: "streams", label: "Streams", class: "number", down: true, text: (s) => (s.received ? count(s.received.streams) : ""), sort: (s) => s.received?.streams },
  { key: "packets", label: "Packets", class: "number wide", down: true, text: (s) => (s.received ? count(s.received.packets) : ""), sort: (s) => s.received?.packets },
  { key: "stored", label: "Stored", class: "number", down: true, text: (s) => bytes(s.stored.bytes), sort: (s) => s.stored.bytes },
  { key: "viewers", label: "Viewers", class: "number", down: true, text: (s) => (s.viewers ? count(s.viewers) : ""), sort: (s) => s.viewers },
  { key: "lost", label: "Lost", class: "", down: true, hint: "Packets that were not stored, events that the tracer discarded", text: (s) => lostOf(s.received), look: (s) => (sum(s.received) ? "crit" : ""), sort: (s) => sum(s.received) },
  { key: "metadata", label: "Metadata", down: true, text: (s) => faults(s), look: (s) => (s.metadata_errors?.length ? "crit" : ""), title: (s) => s.metadata_errors?.map((e) => e.message).join("\n") ?? "", sort: (s) => s.metadata_errors?.length ?? 0 },
  { key: "last", label: "Last packet", class: "wide", down: true, text: (s) => agoOf(s.received?.last_arrival), sort: (s) => Date.parse(s.received?.last_arrival ?? "") },
];

function faults(session) {
  const n = session.metadata_errors?.length ?? 0;
  return n ? plural(n, "fault") : "";
}

/** open shows the list. */
export function open(main, route, signal) {
  const view = new Sessions(route.query);
  main.append(view.node);
  watch(signal, {
    read: async () => {
      const [active, closed, info] = await Promise.all([
        list("api/v1/sessions", { signal, query: { state: "active" } }),
        list("api/v1/sessions", { signal, query: { state: "closed" }, most: mostClosed }),
        hub(signal),
      ]);
      return { sessions: [...active.items, ...closed.items], more: closed.more, info };
    },
    show: (told) => view.update(told),
    fail: (problem) => view.place.fail(problem),
  });
}

class Sessions {
  constructor(query) {
    this.typed = query.get("q") ?? "";
    this.table = new Table({
      columns, caption: "Sessions", key: (s) => s.id, href: (s) => link(["sessions", s.id]), sort: query.get("sort") ?? "state", sorted: () => this.noted(),
    });
    const search = searchField({
      label: "Filter sessions", hint: "Filter: name, host, state", value: this.typed, changed: (typed) => {
        this.typed = typed;
        this.noted();
        this.filter();
      },
    });
    this.summary = el("span", { class: "dim" });
    this.more = el("div", { hidden: true }, el("p", { class: "dim", text: `Of closed sessions the newest ${mostClosed} are shown. All of them:` }), command(`weir sessions${hubFlag("api")}`));
    this.none = el("p", { class: "dim", text: "No session is like that.", hidden: true });
    this.place = new Place(el("div", {}, el("div", { class: "tools" }, this.summary, search), this.table.node, this.none, this.more));
    this.node = el("div", {}, el("h1", { class: "unseen", text: "Sessions" }), this.place.node);
  }

  update({ sessions, more, info }) {
    if (sessions.length === 0) {
      this.place.tell(empty("Nothing is recorded yet", "Record the applications of a machine with LTTng's tools, or its kernel with weir's agent:", first(info)));
      return;
    }
    this.table.update(sessions);
    hide(this.more, !more);
    const active = sessions.filter((s) => s.state === "active");
    const speed = active.reduce((all, s) => all + (s.received?.rate?.bytes_per_second ?? 0), 0);
    write(this.summary, `${plural(active.length, "session")} being recorded at ${rate(speed)}, ${count(sessions.length - active.length)}${more ? " and more" : ""} stored`);
    this.place.show();
    this.filter();
  }

  noted() {
    note(["sessions"], { q: this.typed, sort: this.table.sort === "state" ? "" : this.table.sort });
  }

  filter() {
    const matches = matcher(this.typed);
    hide(this.none, this.table.filter((s) => matches(s.name, s.host, s.state, s.live ? "live" : "")) > 0);
  }
}

/** first are the lines of a first recording. */
function first(info) {
  const url = producer(info);
  if (!url) return [];
  return [
    `lttng create demo --live --set-url=${url} && lttng enable-event -u -a && lttng start`,
    `weir create demo && weir enable-consumer ${url} && weir enable-event -k --preset sched && weir start`,
  ];
}
