// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Where in the console a page is: the part of its address behind #, as in
// #/hosts/node01 or #/hosts?q=rack1&sort=-load1.

/** parse reads such a part. */
export function parse(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  return { path: path.split("/").filter(Boolean).map(decode), query: new URLSearchParams(query) };
}

function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // typed by hand
  }
}

/** link makes the address of a place in the console. */
export function link(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value);
  const text = new URLSearchParams(given).toString();
  return `#/${path.map(encodeURIComponent).join("/")}${text ? `?${text}` : ""}`;
}

/** note keeps a view's settings in the address, without a step for the back button. */
export function note(path, query) {
  history.replaceState(null, "", link(path, query));
}
