// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Tables of rows that change: a row keeps its element while it is there, and a cell is
// touched when its text is another one. So nothing flickers, and selections stay.

import { el, set, write, hide } from "./dom.js";

/**
 * A column is
 *   { key, label, text(row), sort?(row), down?, class?, title?(row), href?(row), look?(row), bar?(row), hint? }
 * sort gives what rows are ordered by; without it the column orders nothing. down: the
 * largest first. look is a class of the cell, bar a percentage that is drawn below it.
 */
export class Table {
  /** columns; key gives a row's identity, href where it leads; sort is "load1" or "-load1". */
  constructor({ columns, key, href, sort = "", caption, sorted }) {
    Object.assign(this, { columns, key, href, sorted });
    this.rows = new Map(); // by key: { tr, cells, shown }
    this.order = [];
    this.heads = columns.map((c) => this.head(c));
    this.body = el("tbody");
    this.table = el("table", { class: "grid" }, el("caption", { class: "unseen", text: caption }),
      el("thead", {}, el("tr", {}, this.heads)), this.body);
    this.node = el("div", { class: "scroll", role: "region", "aria-label": caption, tabindex: "0" }, this.table);
    this.body.addEventListener("click", (event) => this.clicked(event));
    this.body.addEventListener("keydown", (event) => this.moved(event));
    this.sortBy(sort);
  }

  head(column) {
    if (!column.sort) return el("th", { scope: "col", class: column.class, text: column.label, title: column.hint });
    const button = el("button", { type: "button", text: column.label, title: column.hint, onclick: () => this.turn(column) });
    return el("th", { scope: "col", class: column.class }, button);
  }

  /** turn orders by a column, the other way round if it is in order by that already. */
  turn(column) {
    const first = column.down ? `-${column.key}` : column.key;
    const other = column.down ? column.key : `-${column.key}`;
    this.sortBy(this.sort === first ? other : first);
    this.sorted?.(this.sort);
    this.arrange();
  }

  sortBy(sort) {
    const key = sort.replace(/^-/, "");
    const by = this.columns.find((c) => c.key === key && c.sort) ?? this.columns.find((c) => c.sort);
    this.by = by;
    this.down = by?.key === key ? sort.startsWith("-") : Boolean(by?.down);
    this.sort = by ? (this.down ? "-" : "") + by.key : "";
    this.columns.forEach((c, i) => {
      if (c.sort) set(this.heads[i], { "aria-sort": c !== by ? "none" : this.down ? "descending" : "ascending" });
    });
  }

  /** update shows rows; those that are not among them go. */
  update(rows) {
    const seen = new Set();
    this.order = rows;
    for (const row of rows) {
      const key = this.key(row);
      seen.add(key);
      let shown = this.rows.get(key);
      if (!shown) this.rows.set(key, (shown = this.make(row)));
      this.refresh(shown, row);
    }
    for (const [key, shown] of this.rows) {
      if (seen.has(key)) continue;
      shown.tr.remove();
      this.rows.delete(key);
    }
    this.arrange();
  }

  make(row) {
    const href = this.href?.(row);
    const cells = this.columns.map((c, i) => {
      const target = i === 0 ? href : c.href?.(row);
      const inner = target ? el("a", { href: target }) : null;
      return { td: el(i === 0 ? "th" : "td", { class: c.class, scope: i === 0 ? "row" : null }, inner), inner };
    });
    return { tr: el("tr", { class: href ? "leads" : null }, cells.map((c) => c.td)), cells, shown: [] };
  }

  refresh(shown, row) {
    this.columns.forEach((c, i) => {
      const { td, inner } = shown.cells[i];
      const text = c.text(row);
      const last = (shown.shown[i] ??= {});
      if (last.text !== text) write(inner ?? td, (last.text = text));
      const look = c.look?.(row) ?? "";
      if (c.look && last.look !== look) td.className = [c.class, (last.look = look)].filter(Boolean).join(" ");
      if (c.title) {
        const title = c.title(row);
        if (last.title !== title) set(td, { title: (last.title = title) || null });
      }
      if (c.bar) {
        const part = Math.round(Math.min(Math.max(c.bar(row) || 0, 0), 100)) / 100;
        if (last.part !== part) td.style.setProperty("--part", String((last.part = part)));
      }
    });
  }

  /** arrange puts the rows in order, and moves no more of them than it must. */
  arrange() {
    const { by, down } = this;
    if (by) {
      const keyed = this.order.map((row) => [by.sort(row), row]);
      keyed.sort(([a, x], [b, y]) => compare(a, b, down) || compare(this.key(x), this.key(y), false));
      this.order = keyed.map(([, row]) => row);
    }
    let next = this.body.firstChild;
    for (const row of this.order) {
      const { tr } = this.rows.get(this.key(row));
      if (tr === next) next = next.nextSibling;
      else this.body.insertBefore(tr, next);
    }
  }

  /** filter shows the rows that a function wants, and returns how many these are. */
  filter(wanted) {
    let n = 0;
    for (const row of this.order) {
      const wants = wanted(row);
      hide(this.rows.get(this.key(row)).tr, !wants);
      if (wants) n++;
    }
    return n;
  }

  /** clicked follows a row's link from anywhere in it, but not where text was selected. */
  clicked(event) {
    if (event.target.closest("a, button") || String(getSelection())) return;
    event.target.closest("tr.leads")?.querySelector("a")?.click();
  }

  /** moved goes to the next or last row's link with the arrow keys. */
  moved(event) {
    const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
    let tr = event.target.closest("tr");
    if (!step || !tr) return;
    do tr = tr[step];
    while (tr?.hidden);
    tr?.querySelector("a")?.focus();
    event.preventDefault();
  }
}

/** compare orders numbers and texts; what is not known is last, whichever way round. */
function compare(a, b, down) {
  const none = (v) => v === undefined || v === null || v === "" || Number.isNaN(v);
  if (none(a) || none(b)) return none(a) - none(b);
  const order = typeof a === "string" ? collator.compare(a, b) : a - b;
  return down ? -order : order;
}

const collator = new Intl.Collator("en", { numeric: true }); // node2 before node10
