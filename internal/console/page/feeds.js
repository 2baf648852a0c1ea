// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Feeds: what changes in file systems, who reads it, and how far behind that is.

import { below, list } from "./api.js";
import { el, fill, hide } from "./dom.js";
import { bytes, count, date, fixed, when } from "./format.js";
import { hub } from "./hub.js";
import { empty, Place, refused } from "./notice.js";
import { link } from "./route.js";
import { Table } from "./table.js";
import { agentTokens, TokenForm } from "./token.js";
import { watch } from "./watch.js";

const every = 3000; // ms

/** nameOf is how commands name a feed. */
export const nameOf = (feed) => feed.name || feed.id;

/** stateOf tells how a feed is. */
export const stateOf = (feed) => (feed.state !== "active" ? feed.state : feed.source_state === "active" ? "active" : `source ${feed.source_state}`);

const columns = [
  { key: "name", label: "Feed", text: nameOf, sort: nameOf, title: (f) => f.id },
  { key: "place", label: "Directory", text: placeOf, sort: placeOf, title: (f) => f.source },
  { key: "state", label: "State", class: "state", text: stateOf, look: (f) => (f.state !== "active" ? "crit" : f.source_state === "active" ? "good" : "warn"), title: (f) => f.aborted?.reason ?? f.problem ?? "", sort: stateOf },
  { key: "available", label: "Waiting", class: "number", down: true, hint: "Records that were not cancelled", text: (f) => `${f.available_exact ? "" : "≤ "}${count(f.available)}`, sort: (f) => f.available },
  { key: "bytes", label: "Size", class: "number", down: true, text: (f) => bytes(f.bytes), sort: (f) => f.bytes },
  { key: "rate", label: "Records/s", class: "number", down: true, text: (f) => fixed(f.rate_1m), sort: (f) => f.rate_1m },
  { key: "first", label: "First", class: "number wide", text: (f) => count(f.first), sort: (f) => f.first },
  { key: "last", label: "Last", class: "number wide", text: (f) => count(f.last), sort: (f) => f.last },
  { key: "consumer", label: "Reader", text: readerOf, sort: readerOf },
  { key: "gaps", label: "Gaps", class: "number", down: true, text: (f) => (f.gaps ? count(f.gaps) : ""), look: (f) => (f.gaps ? "warn number" : ""), sort: (f) => f.gaps },
  { key: "abort", label: "Given up in", class: "wide", text: (f) => (f.aborted ? f.aborted.reason : f.abort_in ?? "never"), title: (f) => f.abort_in ?? "" },
  { key: "cancelled", label: "Last cancel", class: "wide", text: (f) => when(date(f.last_cancel)), sort: (f) => Date.parse(f.last_cancel ?? "") },
];

/** placeOf is the directory that a feed is of. */
export function placeOf(feed) {
  if (!feed.dir) return "";
  return feed.part ? `${feed.dir.replace(/\/$/, "")}/${feed.part}` : feed.dir;
}

/** readerOf tells who reads a feed. */
export function readerOf(feed) {
  const who = feed.consumer;
  if (!who) return "nobody";
  return who.pid ? `process ${who.pid} of user ${who.uid}` : `a client of user ${who.uid}`;
}

/** open shows all feeds. */
export function open(main, route, signal) {
  const view = new Feeds();
  main.append(view.node);
  watch(signal, { every, read: () => read(signal), show: (told) => view.update(told), fail: (problem) => view.place.fail(problem) });
}

/** read reads the feeds of all hosts that have some: a host's refusal is its own. */
async function read(signal) {
  const [info, hosts] = await Promise.all([hub(signal), list("api/v1/hosts", { signal })]);
  const others = hosts.items.filter((host) => host.feeds && host.id !== info.host);
  const places = [];
  if (info.serves.feeds) places.push({ host: info.host, own: true, path: "api/v1/feeds" });
  for (const host of others) places.push({ host: host.id, own: false, path: `api/v1/hosts/${below(host.id)}/feeds` });
  await Promise.all(places.map(async (place) => {
    const headers = place.own ? {} : agentTokens.headers();
    if (!place.own && !headers.Authorization) {
      place.locked = true;
      return;
    }
    try {
      place.feeds = (await list(place.path, { signal, headers })).items;
    } catch (problem) {
      if (problem.status === undefined || problem.status === 0) throw problem;
      place.problem = problem;
    }
  }));
  return places;
}

class Feeds {
  constructor() {
    this.hosts = new Map(); // by name: { node, table, notice }
    this.list = el("div");
    this.form = new TokenForm(agentTokens, "Agents of other hosts show their feeds to who has a token of theirs (weir agent --feeds-tokens).");
    this.place = new Place(el("div", {}, this.list, this.form.node));
    this.node = el("div", {}, el("h1", { class: "unseen", text: "Feeds" }), this.place.node);
  }

  update(places) {
    if (places.length === 0) {
      this.place.tell(empty("No feeds are served here", "An agent keeps what changes in its file systems for who reads it. As root:", [
        "weir up", "weir feed create --source /srv --name audit", "weir feed read audit --follow",
      ]));
      return;
    }
    hide(this.form.node, !places.some((place) => !place.own));
    for (const place of places) this.show(place);
    this.place.show();
  }

  show(place) {
    let part = this.hosts.get(place.host);
    if (!part) {
      part = { table: new Table({ columns, caption: `Feeds of ${place.host}`, key: (f) => f.id, href: (f) => link(["feeds", place.host, f.id]), sort: "name" }), notice: el("div") };
      part.node = el("section", {}, el("h2", { text: place.host }), part.notice, part.table.node);
      this.hosts.set(place.host, part);
      this.list.append(part.node);
    }
    hide(part.table.node, !place.feeds?.length);
    if (place.feeds?.length) {
      part.table.update(place.feeds);
      fill(part.notice);
    } else if (place.problem) fill(part.notice, refused(place.problem));
    else if (place.locked) fill(part.notice, el("p", { class: "dim", text: "Its agent wants a token: see below." }));
    else if (!part.notice.firstChild) fill(part.notice, none());
  }
}

function none() {
  return empty("It has no feeds yet", "What changes below a directory is kept from when a feed is made of it. As root:", [
    "weir feed create --source /srv --name audit", "weir feed read audit --follow",
  ]);
}

