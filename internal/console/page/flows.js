// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Virtual networks: the trace requests, and the devices of each tenant.

import { networks } from "./api.js";
import { el, fill, hide, write } from "./dom.js";
import { count, when } from "./format.js";
import { hub } from "./hub.js";
import { Names } from "./names.js";
import { empty, Place } from "./notice.js";
import { link } from "./route.js";
import { protocol } from "./steps.js";
import { Table } from "./table.js";
import { networkToken, TokenForm } from "./token.js";
import { watch } from "./watch.js";

const every = 5000; // ms
/** names are those of what these views show. */
export const names = new Names();

const traces = [
  { key: "name", label: "Trace request", text: (t) => t.name || t.id, sort: (t) => t.name, title: (t) => t.id },
  { key: "state", label: "State", class: "state", text: (t) => t.warning || (t.enabled ? "enabled" : "disabled"), look: (t) => (t.warning ? "crit" : t.enabled ? "good" : "dim"), sort: (t) => (t.enabled ? 0 : 1) },
  { key: "device", label: "At", text: (t) => `${(t.deviceType ?? "").toLowerCase()} ${names.of(t.deviceId)}`, sort: (t) => names.of(t.deviceId) },
  { key: "tenant", label: "Tenant", text: (t) => t.tenantId ?? "", sort: (t) => t.tenantId },
  { key: "condition", label: "Packets", class: "text", text: (t) => words(t.condition) },
  { key: "limit", label: "Limit", class: "number", hint: "Flows of each host", text: (t) => (Number(t.limit) > 0 ? count(Number(t.limit)) : "none") },
  { key: "made", label: "Made", down: true, text: (t) => when(new Date(Number(t.creationTimestampMs))), sort: (t) => Number(t.creationTimestampMs) },
];

const devices = [
  { key: "name", label: "Device", text: (d) => d.name || d.id, sort: (d) => d.name || d.id, title: (d) => d.id },
  { key: "kind", label: "Kind", text: (d) => d.kind, sort: (d) => d.kind },
  { key: "tenant", label: "Tenant", text: (d) => d.tenantId ?? "", sort: (d) => d.tenantId ?? "" },
  { key: "state", label: "State", text: (d) => (d.adminStateUp === false ? "down" : "up"), look: (d) => (d.adminStateUp === false ? "warn" : ""), sort: (d) => (d.adminStateUp === false ? 0 : 1) },
  { key: "ports", label: "Ports", class: "number", down: true, text: (d) => count(d.ports), sort: (d) => d.ports },
  { key: "filters", label: "Filters", text: (d) => [d.inboundFilterId && `in: ${names.of(d.inboundFilterId)}`, d.outboundFilterId && `out: ${names.of(d.outboundFilterId)}`].filter(Boolean).join(", ") },
];

/** words writes a condition. */
function words(condition) {
  if (!condition || typeof condition === "string") return condition || "all";
  const rest = Object.entries(condition);
  const named = { nwProto: (v) => protocol(v) };
  return rest.length ? rest.map(([name, value]) => (named[name] ? named[name](value) : `${name} ${typeof value === "object" ? JSON.stringify(value) : value}`)).join(", ") : "all";
}

/** ask asks virtual networks as the person of the token. */
export function ask(path, signal, query = {}) {
  return networks(path, networkToken.value, { signal, query });
}

/** Gate shows a view of virtual networks to who has a token, and asks for one before. */
export class Gate {
  /** begin is called with a signal when there is a token; it shows what it reads in place. */
  constructor(signal, content, begin) {
    this.place = new Place(content);
    this.form = new TokenForm(networkToken, "Virtual networks are shown to who has a token: that of the administrator, which weir up names, or a tenant's (weir flow account add).", () => this.start());
    this.node = el("div", {}, this.place.node, this.form.node);
    Object.assign(this, { signal, begin, running: new AbortController() });
    signal.addEventListener("abort", () => this.running.abort());
    this.start();
  }

  start() {
    this.running.abort();
    this.running = new AbortController();
    if (!networkToken.value) {
      this.place.tell(el("h2", { text: "Whose networks?" }));
      return;
    }
    this.begin(this.running.signal, this.place);
  }
}

/** open shows the lists. */
export function open(main, route, signal) {
  const heading = el("h1", { class: "unseen", text: "Flows" });
  const list = new Flows();
  hub(signal).then((info) => {
    if (!info.serves.networks) {
      main.append(empty("This hub serves no virtual networks", "weir up and weir hub do, if flow.enable of their configuration is true."));
      return;
    }
    main.append(heading, new Gate(signal, list.node, (running, place) => watch(running, {
      every, read: () => read(running), show: (told) => { list.update(told); place.show(); }, fail: (problem) => place.fail(problem),
    })).node);
  }, (problem) => main.append(el("p", { class: "reason", text: problem.message })));
}

async function read(signal) {
  const [requests, bridges, routers, ports] = await Promise.all([
    ask("traces", signal), ask("bridges", signal), ask("routers", signal), ask("ports", signal), names.learn(signal),
  ]);
  const of = new Map();
  for (const port of ports) of.set(port.deviceId, (of.get(port.deviceId) ?? 0) + 1);
  const kind = (name) => (d) => ({ ...d, kind: name, ports: of.get(d.id) ?? 0 });
  return { requests, devices: [...bridges.map(kind("bridge")), ...routers.map(kind("router"))] };
}

class Flows {
  constructor() {
    this.traces = new Table({ columns: traces, caption: "Trace requests", key: (t) => t.id, href: (t) => link(["flows", t.id]), sort: "-made" });
    this.devices = new Table({ columns: devices, caption: "Devices", key: (d) => d.id, sort: "tenant" });
    this.noTraces = el("div");
    this.tenants = el("p", { class: "dim" });
    this.devicesPart = el("section", {}, el("h2", { text: "Bridges and routers" }), this.tenants, this.devices.node);
    this.node = el("div", {}, el("h2", { text: "Trace requests" }), this.noTraces, this.traces.node, this.devicesPart);
  }

  update({ requests, devices }) {
    this.traces.update(requests);
    this.devices.update(devices);
    hide(this.traces.node, requests.length === 0);
    hide(this.devicesPart, devices.length === 0);
    const tenants = new Set(devices.map((d) => d.tenantId).filter(Boolean));
    write(this.tenants, tenants.size ? `Of ${[...tenants].sort().join(", ")}.` : "");
    if (requests.length) fill(this.noTraces);
    else if (!this.noTraces.firstChild) fill(this.noTraces, none(devices));
  }
}

function none(devices) {
  if (devices.length === 0) {
    return empty("There are no networks yet", "Make some of a document, or through /midonet-api:", ["weir flow topology import networks.json"]);
  }
  const at = devices[0];
  return empty("Nothing is traced", "Ask why packets go where they go, at a bridge, router or port:", [`weir flow trace create --name why --${at.kind} ${at.id} proto tcp --enable`]);
}
