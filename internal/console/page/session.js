// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// One session: where it comes from, its streams, what is stored of it, and how to read it.

import { below, get, list } from "./api.js";
import { command, quoted } from "./command.js";
import { el, fill, hide, set, write } from "./dom.js";
import { bytes, count, date, plural, rate, when } from "./format.js";
import { hub, hubFlag, viewer } from "./hub.js";
import { Place } from "./notice.js";
import { link } from "./route.js";
import { agoOf, lostOf } from "./sessions.js";
import { Table } from "./table.js";
import { watch } from "./watch.js";

const mostStreams = 2000;
const mostChunks = 500;

const streams = [
  { key: "channel", label: "Stream", text: (s) => s.channel, sort: (s) => s.channel },
  { key: "trace", label: "Trace", text: (s) => s.trace, sort: (s) => s.trace },
  { key: "packets", label: "Packets", class: "number", down: true, text: (s) => (s.metadata ? "" : count(s.packets)), sort: (s) => s.packets },
  { key: "bytes", label: "Bytes", class: "number", down: true, text: (s) => bytes(s.bytes), sort: (s) => s.bytes },
  { key: "rate", label: "Rate", class: "number", down: true, text: (s) => (s.rate ? rate(s.rate.bytes_per_second) : ""), sort: (s) => s.rate?.bytes_per_second },
  { key: "lost", label: "Lost", down: true, text: lostOf, look: (s) => (s.dropped_packets || s.discarded_events ? "crit" : ""), sort: (s) => s.dropped_packets + s.discarded_events },
  { key: "last", label: "Last packet", down: true, text: (s) => agoOf(s.last_arrival), sort: (s) => Date.parse(s.last_arrival ?? "") },
  { key: "state", label: "State", text: (s) => (s.closed ? "closed" : "open"), sort: (s) => (s.closed ? 1 : 0) },
];

const chunks = [
  { key: "id", label: "Chunk", text: (c) => (c.id === ".session" ? "the session's own directory" : c.id), sort: (c) => c.id },
  { key: "state", label: "State", text: (c) => c.state, sort: (c) => c.state },
  { key: "created", label: "Begun", down: true, text: (c) => when(date(c.created)), sort: (c) => Date.parse(c.created ?? "") },
  { key: "closed", label: "Ended", down: true, text: (c) => when(date(c.closed)), sort: (c) => Date.parse(c.closed ?? "") },
  { key: "bytes", label: "Bytes", class: "number", down: true, text: (c) => bytes(c.bytes), sort: (c) => c.bytes },
  { key: "files", label: "Files", class: "number", down: true, text: (c) => count(c.files), sort: (c) => c.files },
];

const producers = [
  { key: "address", label: "Producer", text: (p) => p.address, sort: (p) => p.address },
  { key: "protocol", label: "Protocol", text: (p) => p.protocol },
  { key: "timer", label: "Live timer", class: "number", text: (p) => (p.live_timer_us ? `${count(p.live_timer_us / 1000)} ms` : "not live") },
  { key: "connected", label: "Connected", text: (p) => when(date(p.connected)) },
];

const faults = [
  { key: "trace", label: "Trace", text: (f) => f.trace },
  { key: "message", label: "What is wrong", class: "text", text: (f) => f.message },
];

/** open shows the session that a route names. */
export function open(main, route, signal) {
  const id = route.path[1];
  const view = new Session();
  main.append(view.node);
  const at = `api/v1/sessions/${below(id)}`;
  watch(signal, {
    read: async () => {
      const [info, session, streams, chunks] = await Promise.all([
        hub(signal), get(at, { signal }), list(`${at}/streams`, { signal, most: mostStreams }), list(`${at}/chunks`, { signal, most: mostChunks }),
      ]);
      return { info, session, streams, chunks };
    },
    show: (told) => view.update(told),
    fail: (problem) => view.place.fail(problem),
  });
}

class Session {
  constructor() {
    this.heading = el("h1");
    this.badge = el("span", { class: "badge" });
    this.facts = el("p", { class: "facts" });
    this.host = el("a", { class: "button", text: "Its host" });
    this.lines = el("div");
    this.parts = [
      new Part("What is wrong with the metadata", faults, (f) => `${f.producer} ${f.trace}`),
      new Part("Streams", streams, (s) => s.id, "channel"),
      new Part("Producers", producers, (p) => p.id),
      new Part("Chunks", chunks, (c) => c.id, "id"),
    ];
    this.place = new Place(el("div", {}, this.facts, el("h2", { text: "From a shell" }), this.lines, this.parts.map((part) => part.node)));
    this.node = el("div", {}, el("div", { class: "title" }, el("a", { href: link(["sessions"]), text: "Sessions" }), this.heading, this.badge, this.host), this.place.node);
  }

  update({ info, session, streams, chunks }) {
    write(this.heading, session.name || session.id);
    write(this.badge, session.live ? "live" : session.state);
    set(this.badge, { class: `badge ${session.state === "active" ? "good" : "dim"}` });
    set(this.host, { href: link(["hosts", session.host]) });
    write(this.facts, factsOf(session).join(" · "));
    this.commands(info, session);
    const lists = [{ items: session.metadata_errors ?? [] }, streams, { items: session.producers }, chunks];
    lists.forEach((told, i) => this.parts[i].update(told));
    this.place.show();
  }

  /** commands shows how the session is read; what is shown stays while that is the same. */
  commands(info, session) {
    const url = session.live ? viewer(info, session) : null;
    const lines = [];
    if (url) {
      lines.push([`weir view ${quoted(url)}`, "Live, from now on"]);
      lines.push([`weir view --from-beginning ${quoted(url)}`, "Live, all of it"]);
      lines.push([`babeltrace2 -i lttng-live ${quoted(url)}`, "With babeltrace2"]);
    }
    if (session.directory) lines.push([`weir view ${quoted(`${info.output_dir}/${session.directory}`)}`, "As it is stored"]);
    lines.push([`weir sessions show ${quoted(session.id)}${hubFlag("api")}`, "Its figures"]);
    const key = JSON.stringify(lines);
    if (this.shown === key) return;
    this.shown = key;
    fill(this.lines, lines.map(([line, what]) => command(line, what)));
  }
}

/** Part is a table with its heading, which is there when it has rows. */
class Part {
  constructor(title, columns, key, sort) {
    this.table = new Table({ columns, caption: title, key, sort });
    this.more = el("p", { class: "dim", text: "There are more.", hidden: true });
    this.node = el("section", { hidden: true }, el("h2", { text: title }), this.table.node, this.more);
  }

  update({ items, more = false }) {
    this.table.update(items);
    hide(this.node, items.length === 0);
    hide(this.more, !more);
  }
}

function factsOf(session) {
  const received = session.received;
  return [
    `on ${session.host}`,
    `since ${when(date(session.created))}`,
    received && `${plural(received.packets, "packet")}, ${bytes(received.bytes)} received`,
    received?.rate && `${rate(received.rate.bytes_per_second)}`,
    lostOf(received) && `${lostOf(received)} lost`,
    `${bytes(session.stored.bytes)} in ${plural(session.stored.files, "file")} stored`,
    plural(session.viewers, "viewer"),
    session.directory,
  ].filter(Boolean);
}
