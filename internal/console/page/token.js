// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Tokens that a person types in. They are kept while the tab is open, and sent to the hub
// that the page is from, alone.

import { el, write } from "./dom.js";

/** Token is what one interface wants in a header. */
class Token {
  constructor(key, header) {
    Object.assign(this, { key, header });
  }

  get value() {
    return sessionStorage.getItem(this.key) ?? "";
  }

  set value(text) {
    if (text) sessionStorage.setItem(this.key, text);
    else sessionStorage.removeItem(this.key);
  }

  /** headers are those that a request has with it; none without a token. */
  headers() {
    return this.value ? Object.fromEntries([this.header(this.value)]) : {};
  }
}

/** networkToken is that of virtual networks, agentTokens of feeds of other hosts. */
export const networkToken = new Token("weir.networks", (value) => ["X-Auth-Token", value]);
export const agentTokens = new Token("weir.feeds", (value) => ["Authorization", `Bearer ${value}`]);

/** TokenForm takes a token in, and forgets it. */
export class TokenForm {
  constructor(token, words, changed = () => {}) {
    this.token = token;
    const field = el("input", { type: "password", autocomplete: "off", "aria-label": "Token", placeholder: "Token", spellcheck: "false" });
    this.forget = el("button", { type: "button", text: "Forget it" });
    const take = (event) => {
      event.preventDefault();
      token.value = field.value.trim();
      field.value = "";
      this.update();
      changed();
    };
    this.forget.addEventListener("click", () => {
      token.value = "";
      this.update();
      changed();
    });
    this.entry = el("form", { class: "tools", onsubmit: take }, field, el("button", { text: "Use it" }));
    this.words = el("p", { class: "dim" });
    this.text = words;
    this.node = el("section", { class: "token" }, this.words, this.entry, this.forget);
    this.update();
  }

  update() {
    const given = Boolean(this.token.value);
    write(this.words, given ? "A token is used until this tab is closed." : `${this.text} It is kept until this tab is closed, and nowhere else.`);
    this.entry.hidden = given;
    this.forget.hidden = !given;
  }
}
