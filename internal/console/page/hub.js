// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// The hub that the console is of: what it says of itself, and how it is called from a
// shell.

import { get } from "./api.js";
import { quoted } from "./command.js";

let told = null; // the promise of its answer

/** hub returns what the hub says of itself; it is asked once. */
export function hub(signal) {
  told ??= get("api/v1/hub", { signal }).catch((problem) => {
    told = null;
    throw problem;
  });
  return told;
}

/** anew asks it again, and tells whether it is another weir than before. */
export async function anew(signal) {
  const before = await told?.catch(() => null);
  told = null;
  const now = await hub(signal);
  return Boolean(before) && (before.version !== now.version || before.revision !== now.revision);
}

/** base is the URL of the hub, as commands take it. */
export function base() {
  return document.baseURI.replace(/[?#].*$/, "").replace(/\/$/, "");
}

const usual = "http://127.0.0.1:9347";

/** hubFlag is what commands need that ask the hub; nothing where it is where they look. */
export function hubFlag(name = "hub") {
  return base() === usual ? "" : ` --${name} ${quoted(base())}`;
}

/** viewer is the URL of a session for viewers; null if the hub has none of these. */
export function viewer(info, session) {
  const at = dialable(info.listens.live[0]);
  if (!at) return null;
  const port = at.port === "5344" ? "" : `:${at.port}`;
  return `net://${at.host}${port}/host/${session.host}/${session.name}`;
}

/** producer is the URL that producers record to; null if there is none. */
export function producer(info) {
  const control = dialable(info.listens.control[0]);
  const data = dialable(info.listens.data[0]);
  if (!control || !data) return null;
  const ports = control.port === "5342" && data.port === "5343" ? "" : `:${control.port}:${data.port}`;
  return `net${control.host.startsWith("[") ? "6" : ""}://${control.host}${ports}`;
}

/** dialable makes of where something listens where it is reached: as the page was. */
export function dialable(address) {
  const [, host, port] = /^(.*):(\d+)$/.exec(address ?? "") ?? [];
  if (!port) return null;
  const anywhere = ["", "0.0.0.0", "[::]"].includes(host);
  return { host: anywhere ? location.hostname : host, port };
}
