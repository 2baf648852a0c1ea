// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Lines to type in a shell. The console changes nothing itself.

import { el, write } from "./dom.js";

/** command shows a line and a button that copies it. */
export function command(line, what = "") {
  const code = el("code", { text: line });
  const button = el("button", { type: "button", class: "copy", text: "Copy", "aria-label": `Copy: ${line}` });
  button.addEventListener("click", async () => {
    write(button, (await copy(line, code)) ? "Copied" : "Select it");
    setTimeout(() => write(button, "Copy"), 1500);
  });
  return el("div", { class: "command" }, what ? el("span", { class: "what", text: what }) : null, el("pre", {}, code), button);
}

/** copy puts a text on the clipboard. Over plain HTTP browsers have the old way only. */
async function copy(text, node) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    getSelection().selectAllChildren(node);
    return document.execCommand("copy");
  }
}

/** quoted writes a word as a POSIX shell reads it. */
export function quoted(word) {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
