// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// A trace request and the flows that it has traced; one of them hop by hop.

import { below } from "./api.js";
import { command, quoted } from "./command.js";
import { el, fill, hide, set, write } from "./dom.js";
import { clock, date, plural, when } from "./format.js";
import { ask, Gate, names } from "./flows.js";
import { hubFlag } from "./hub.js";
import { link } from "./route.js";
import { ends, header, protocol, stepsOf } from "./steps.js";
import { Table } from "./table.js";
import { watch } from "./watch.js";

const most = 500; // flows, and a tenth of the events, that are asked for

const lookOf = (verdict) => (/Drop/.test(verdict) ? "crit" : verdict ? "good" : "dim");

const columns = [
  { key: "ends", label: "Flow", text: (f) => (f.redacted ? "another tenant's packet" : ends(f)), sort: (f) => ends(f), title: (f) => f.flowTraceId },
  { key: "protocol", label: "Protocol", text: (f) => protocol(f.networkProto), sort: (f) => f.networkProto },
  { key: "verdict", label: "Verdict", class: "state", text: (f) => f.verdict || "under way", look: (f) => lookOf(f.verdict), sort: (f) => f.verdict },
  { key: "host", label: "Came in on", text: (f) => names.of(f.host), sort: (f) => names.of(f.host) },
  { key: "hosts", label: "Hosts", class: "text", text: (f) => (f.hosts ?? []).map((id) => names.of(id)).join(", ") },
  { key: "time", label: "Time", down: true, text: (f) => when(date(f.time)), sort: (f) => Date.parse(f.time) },
];

/** open shows a trace request, or a flow of it, as a route says. */
export function open(main, route, signal) {
  const [, id, flow] = route.path;
  const view = flow ? new Flow(id, flow) : new Trace(id);
  main.append(view.title);
  main.append(new Gate(signal, view.node, (running, place) => watch(running, {
    every: 2000,
    read: () => view.read(running),
    show: (told) => {
      view.update(told);
      place.show();
    },
    fail: (problem) => place.fail(problem),
  })).node);
}

class Trace {
  constructor(id) {
    this.id = id;
    this.heading = el("h1", { text: id });
    this.badge = el("span", { class: "badge" });
    this.title = el("div", { class: "title" }, el("a", { href: link(["flows"]), text: "Flows" }), this.heading, this.badge);
    this.facts = el("p", { class: "facts" });
    this.table = new Table({ columns, caption: "Flows", key: (f) => f.flowTraceId, href: (f) => link(["flows", id, f.flowTraceId]), sort: "-time" });
    this.none = el("p", { text: "No packet has met it yet." });
    this.lines = el("div");
    this.node = el("div", {}, this.facts, this.none, this.table.node, el("h2", { text: "From a shell" }), this.lines);
  }

  async read(signal) {
    const [request, flows] = await Promise.all([ask(`traces/${below(this.id)}`, signal), ask(`traces/${below(this.id)}/flows`, signal, { limit: most }), names.learn(signal)]);
    return { request, flows };
  }

  update({ request, flows }) {
    write(this.heading, request.name || request.id);
    write(this.badge, request.warning || (request.enabled ? "enabled" : "disabled"));
    set(this.badge, { class: `badge ${request.warning ? "crit" : request.enabled ? "good" : "dim"}` });
    write(this.facts, factsOf(request, flows).join(" · "));
    this.table.update(flows);
    hide(this.table.node, flows.length === 0);
    hide(this.none, flows.length > 0);
    if (this.shown === request.enabled) return;
    this.shown = request.enabled;
    const end = `${quoted(this.id)}${hubFlag("api")}`;
    fill(this.lines, command(`weir flow trace follow ${end}`, "As they come"),
      command(`weir flow trace ${request.enabled ? "disable" : "enable"} ${end}`, request.enabled ? "Trace no more" : "Trace packets"));
  }
}

function factsOf(request, flows) {
  const full = (request.hostStatus ?? []).filter((host) => host.limitReached).map((host) => names.of(host.host));
  return [
    `at ${(request.deviceType ?? "").toLowerCase()} ${names.of(request.deviceId)}`,
    request.tenantId && `tenant ${request.tenantId}`,
    `${plural(flows.length, "flow")}${flows.length === most ? ", the newest" : ""}`,
    request.flowsDropped > 0 && `${plural(request.flowsDropped, "older flow")} made room`,
    full.length > 0 && `limit reached on ${full.join(", ")}`,
  ].filter(Boolean);
}

class Flow {
  constructor(id, flow) {
    Object.assign(this, { id, flow });
    this.heading = el("h1", { text: flow });
    this.badge = el("span", { class: "badge" });
    this.back = el("a", { href: link(["flows", id]), text: "Its request" });
    this.title = el("div", { class: "title" }, this.back, this.heading, this.badge);
    this.facts = el("p", { class: "facts" });
    this.hosts = el("div", { class: "hops" });
    this.node = el("div", {}, this.facts, this.hosts, el("h2", { text: "From a shell" }),
      command(`weir flow trace events ${quoted(id)} ${quoted(flow)}${hubFlag("api")}`));
  }

  async read(signal) {
    const at = `traces/${below(this.id)}/flows/${below(this.flow)}`;
    const [request, flow, events] = await Promise.all([
      ask(`traces/${below(this.id)}`, signal), ask(at, signal), ask(`${at}/events`, signal, { limit: 10 * most }), names.learn(signal),
    ]);
    return { request, flow, events };
  }

  update({ request, flow, events }) {
    write(this.back, request.name || "Its request");
    write(this.heading, flow.redacted ? "Another tenant's packet" : header(flow));
    write(this.badge, flow.verdict || "under way");
    set(this.badge, { class: `badge ${lookOf(flow.verdict)}` });
    write(this.facts, [when(date(flow.time)), flow.flowTraceId, flow.incomplete && "more happened to it than is kept", plural(events.length, "step")].filter(Boolean).join(" · "));
    if (this.events === events.length) return; // steps are added, and do not change
    this.events = events.length;
    fill(this.hosts, byHost(events).map(([host, steps], i) => this.host(host, steps, i)));
  }

  host(id, events, i) {
    const began = events[0].time ? new Date(events[0].time / 1e6) : null; // it is in nanoseconds
    const list = stepsOf(events, names).map((step) => el("li", { class: `step ${step.look}`, style: { "--depth": step.depth }, text: step.text }));
    const title = id ? `On host ${names.of(id)}` : "On a host of another tenant";
    return el("section", {}, el("h2", {}, title, el("span", { class: "dim", text: ` ${events[0].role ?? (i ? "egress" : "ingress")}, ${clock(began)}` })), el("ol", { class: "steps" }, list));
  }
}

/** byHost keeps the order in which hosts come first. */
function byHost(events) {
  const hosts = new Map();
  for (const event of events) {
    const host = event.host ?? "";
    if (!hosts.has(host)) hosts.set(host, []);
    hosts.get(host).push(event);
  }
  return [...hosts];
}
