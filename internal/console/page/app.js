// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// The console: its views, and which of them is shown.

import * as about from "./about.js";
import { onChange } from "./connection.js";
import { el, fill, hide, set, write } from "./dom.js";
import * as feed from "./feed.js";
import * as feeds from "./feeds.js";
import * as flows from "./flows.js";
import { clock } from "./format.js";
import * as host from "./host.js";
import * as hosts from "./hosts.js";
import { anew } from "./hub.js";
import { link, parse } from "./route.js";
import * as session from "./session.js";
import * as sessions from "./sessions.js";
import * as trace from "./trace.js";

/** views by the first word of their addresses: the list, and what opens one of it. */
const views = [
  { name: "hosts", title: "Hosts", open: hosts.open, one: host.open },
  { name: "sessions", title: "Sessions", open: sessions.open, one: session.open },
  { name: "feeds", title: "Feeds", open: feeds.open, one: feed.open },
  { name: "flows", title: "Flows", open: flows.open, one: trace.open },
  { name: "about", title: "About", open: about.open },
];

const main = document.getElementById("main");
const tabs = views.map((view) => el("a", { href: link([view.name]), text: view.title }));
let leaving = new AbortController(); // ends what the view that is shown does

/** show shows what the address says. */
function show() {
  const route = parse(location.hash);
  const view = views.find((v) => v.name === route.path[0]);
  if (!view) {
    location.replace(link([views[0].name]));
    return;
  }
  leaving.abort();
  leaving = new AbortController();
  views.forEach((v, i) => set(tabs[i], { "aria-current": v === view ? "page" : null }));
  document.title = [route.path.slice(1).at(-1), view.title, "weir"].filter(Boolean).join(" – ");
  fill(main);
  scrollTo(0, 0);
  (route.path.length > 1 && view.one ? view.one : view.open)(main, route, leaving.signal);
}

/** silence shows in a bar since when the hub does not answer. */
function silence() {
  const bar = document.getElementById("silence");
  const words = bar.querySelector("span");
  let since = null;
  onChange(async (now) => {
    const back = since !== null && now === null;
    since = now;
    write(words, now ? `The hub does not answer since ${clock(now)}. What is shown is from before; it is asked again.` : "");
    hide(bar, now === null);
    if (back && (await anew(leaving.signal).catch(() => false))) {
      write(words, "The hub is of another version than this page: load the page again.");
      hide(bar, false);
    }
  });
}

/** keys lets / go to the filter of a list. */
function keys() {
  addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea")) return;
    const search = main.querySelector("input[type=search]");
    if (!search) return;
    search.focus();
    event.preventDefault();
  });
  document.getElementById("skip").addEventListener("click", () => main.focus());
}

fill(document.getElementById("tabs"), tabs);
silence();
keys();
addEventListener("hashchange", () => show());
show();
