// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// The hub's REST interface. Addresses are relative to the page, so that the console works
// behind a proxy that serves the hub below a path, too.

const patience = 20_000; // ms that an answer may take
const pageSize = 500; // what the interface gives at most
const token = { header: "X-Auth-Token" };

/** Problem is a refusal of the hub, or its silence (status 0). */
export class Problem extends Error {
  constructor(status, title, detail = "", code = "") {
    super(detail ? `${title}: ${detail}` : title);
    Object.assign(this, { status, title, detail, code });
  }
}

/**
 * ask makes a request and returns the answer. It throws a Problem when the hub refuses or
 * does not answer, and an AbortError when the signal says so.
 */
export async function ask(path, { signal, query = {}, headers = {}, good = [] } = {}) {
  const url = new URL(path.replace(/^\//, ""), document.baseURI);
  for (const [name, value] of Object.entries(query)) {
    if (value !== "" && value !== undefined) url.searchParams.set(name, value);
  }
  let answer;
  try {
    answer = await fetch(url, {
      headers: { Accept: "application/json", ...headers }, credentials: "omit", cache: "no-store",
      signal: AbortSignal.any([signal, AbortSignal.timeout(patience)].filter(Boolean)),
    });
  } catch (cause) {
    signal?.throwIfAborted();
    throw new Problem(0, "The hub does not answer", cause.name === "TimeoutError" ? "no answer in 20 s" : "");
  }
  if (answer.ok || good.includes(answer.status)) return answer;
  throw await refusal(answer);
}

/** refusal reads what a hub says of a request that it does not answer. */
async function refusal(answer) {
  let body = {};
  try {
    body = await answer.json();
  } catch {
    // a proxy's page, perhaps: the status says enough
  }
  const title = body.title || body.message || answer.statusText || `Status ${answer.status}`;
  return new Problem(answer.status, title, body.detail || "", typeof body.code === "string" ? body.code : "");
}

/** get reads an object. */
export async function get(path, options = {}) {
  return (await ask(path, options)).json();
}

/** list reads a list of the interface, through all its parts, up to a number of items. */
export async function list(path, { most = 20_000, query = {}, ...options } = {}) {
  const items = [];
  for (let cursor = ""; ; ) {
    const part = await get(path, { ...options, query: { ...query, limit: Math.min(pageSize, most), cursor } });
    items.push(...part.items);
    cursor = part.next_cursor;
    if (!cursor || items.length >= most) return { items, more: Boolean(cursor) };
  }
}

/** networks reads something of virtual networks, for who has the token. */
export function networks(path, user, options = {}) {
  return get(`/midonet-api/${path}`, { ...options, headers: { [token.header]: user } });
}

/** below writes a path of names that may hold anything. */
export function below(...names) {
  return names.map(encodeURIComponent).join("/");
}
