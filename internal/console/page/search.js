// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// The field above a list that filters it.

import { el } from "./dom.js";

/** searchField makes it; changed is called with what was typed. */
export function searchField({ label, hint, value, changed }) {
  return el("input", { type: "search", placeholder: hint, "aria-label": label, value, oninput: (event) => changed(event.target.value) });
}

/** matcher makes of what was typed a function that tells whether texts have all its words. */
export function matcher(typed) {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  return (...texts) => {
    const all = texts.filter(Boolean).join(" ").toLowerCase();
    return words.every((word) => all.includes(word));
  };
}
