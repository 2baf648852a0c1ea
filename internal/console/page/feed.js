// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// One feed: what it is of, who reads it, and how far that is.

import { below, get } from "./api.js";
import { command, quoted } from "./command.js";
import { el, fill, set, write } from "./dom.js";
import { bytes, count, date, duration, fixed, when } from "./format.js";
import { nameOf, placeOf, readerOf, stateOf } from "./feeds.js";
import { hub } from "./hub.js";
import { Place } from "./notice.js";
import { link } from "./route.js";
import { agentTokens } from "./token.js";
import { watch } from "./watch.js";

/** open shows the feed of a host that a route names. */
export function open(main, route, signal) {
  const [, host, id] = route.path;
  const view = new Feed(host, id ?? "");
  main.append(view.node);
  watch(signal, {
    read: async () => {
      const own = (await hub(signal)).host === host;
      const path = own ? `api/v1/feeds/${below(id)}` : `api/v1/hosts/${below(host, "feeds", id)}`;
      return get(path, { signal, headers: own ? {} : agentTokens.headers() });
    },
    show: (feed) => view.update(feed),
    fail: (problem) => view.place.fail(problem),
  });
}

class Feed {
  constructor(host, id) {
    this.heading = el("h1", { text: id });
    this.badge = el("span", { class: "badge" });
    this.reason = el("p", { class: "reason" });
    this.facts = el("dl", { class: "numbers" });
    this.lines = el("div");
    this.place = new Place(el("div", {}, this.reason, this.facts, el("h2", { text: `From a shell on ${host}` }), this.lines));
    this.node = el("div", {}, el("div", { class: "title" }, el("a", { href: link(["feeds"]), text: "Feeds" }), this.heading, this.badge,
      el("a", { class: "button", href: link(["hosts", host]), text: "Its host" })), this.place.node);
  }

  update(feed) {
    const name = nameOf(feed);
    write(this.heading, name);
    write(this.badge, stateOf(feed));
    set(this.badge, { class: `badge ${feed.state !== "active" ? "crit" : feed.source_state === "active" ? "good" : "warn"}` });
    write(this.reason, feed.aborted ? `Given up ${when(date(feed.aborted.since))}: ${feed.aborted.reason}. Records ${count(feed.aborted.first)} to ${count(feed.aborted.last)} are lost to it.` : feed.problem ?? "");
    this.fill(factsOf(feed));
    this.place.show();
    if (this.named === name) return;
    this.named = name;
    const word = quoted(name);
    fill(this.lines, command(`weir feed read ${word} --follow`, "Read it"), command(`weir feed info ${word}`, "All of its state"),
      command(`weir feed reset ${word}`, "Begin anew, if it was given up"));
  }

  fill(facts) {
    this.shown ??= new Map();
    for (const [label, text] of facts) {
      if (!this.shown.has(label)) {
        const value = el("dd");
        this.shown.set(label, value);
        this.facts.append(el("div", {}, el("dt", { text: label }), value));
      }
      write(this.shown.get(label), text);
    }
  }
}

function factsOf(feed) {
  return [
    ["directory", placeOf(feed)],
    ["source", feed.source],
    ["reader", readerOf(feed)],
    ["held by it", feed.consumer ? count(feed.consumer.held) : ""],
    ["waiting", `${feed.available_exact ? "" : "≤ "}${count(feed.available)} records, ${bytes(feed.bytes)}`],
    ["first", count(feed.first)],
    ["last", count(feed.last)],
    ["delivered through", count(feed.delivered)],
    ["cancelled through", count(feed.cancelled)],
    ["records a second", fixed(feed.rate_1m)],
    ["last read", when(date(feed.last_read))],
    ["last cancel", when(date(feed.last_cancel))],
    ["gaps", feed.gaps ? `${count(feed.gaps)}, the last at ${count(feed.last_gap)}` : "none"],
    ["given up after", feed.abort_timeout ? `${duration(feed.abort_timeout)} without a cancel` : "never for silence"],
    ["which is in", feed.abort_in ?? "–"],
    ["types", feed.mask],
    ["kind, mode", `${feed.kind}, ${feed.mode}`],
    ["made", when(date(feed.created))],
  ];
}
