// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Lines over the last minutes, drawn by hand.

import { el, set, write } from "./dom.js";
import { clock } from "./format.js";

const colours = ["--line-1", "--line-2", "--line-3"];
const gap = 2.5; // times the usual distance of points; where it is longer nothing was told
const shortest = 120_000; // ms that a chart is wide at least

/** Chart shows some numbers of a host: its definition is one of vitals.js' charts. */
export class Chart {
  constructor(definition) {
    this.definition = definition;
    this.at = null; // where the pointer is, in pixels
    this.canvas = el("canvas", { role: "img" });
    this.values = definition.lines.map(([, label], i) => ({
      node: el("span", { class: "value" }), label: el("span", { class: `key key-${i + 1}`, text: label }),
    }));
    this.time = el("span", { class: "time" });
    const legend = this.values.map((v) => el("span", { class: "reading" }, v.label, v.node));
    this.node = el("figure", { class: "chart" },
      el("figcaption", {}, el("h3", { text: definition.title }), this.time), el("div", { class: "legend" }, legend), this.canvas);
    this.canvas.addEventListener("pointermove", (event) => this.point(event.offsetX));
    this.canvas.addEventListener("pointerleave", () => this.point(null));
    this.resized = new ResizeObserver(() => this.draw());
    this.resized.observe(this.canvas);
  }

  /** update shows a past. */
  update(past) {
    this.past = past;
    this.draw();
  }

  /** close ends it. */
  close() {
    this.resized.disconnect();
  }

  point(x) {
    this.at = x;
    this.draw();
  }

  /** draw draws all anew: it is some hundred points. */
  draw() {
    const { canvas, past } = this;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    if (!past?.length || !width) return;
    const dots = devicePixelRatio || 1;
    canvas.width = Math.round(width * dots);
    canvas.height = Math.round(height * dots);
    const c = canvas.getContext("2d");
    c.scale(dots, dots);
    const style = getComputedStyle(canvas);
    const plot = this.scale(width, height);
    this.frame(c, plot, style);
    this.definition.lines.forEach(([name], i) => this.line(c, plot, name, style.getPropertyValue(colours[i]), i === 0));
    this.tell(c, plot, style);
  }

  /** scale says where times and values are. */
  scale(width, height) {
    const { past } = this;
    const end = past.time(past.length - 1), begin = Math.min(past.time(0), end - shortest);
    const top = this.definition.most ?? round(Math.max(this.guide() ?? 0, ...this.definition.lines.map(([name]) => highest(past, name))));
    return {
      width, height, top, begin, end,
      x: (time) => ((time - begin) / (end - begin)) * (width - 2) + 1,
      y: (value) => height - 1.5 - (Math.min(value / top, 1) * (height - 5)),
    };
  }

  /** guide is the value that a line is drawn at for comparison. */
  guide() {
    return this.definition.guide && this.past.value(this.past.length - 1, this.definition.guide);
  }

  frame(c, plot, style) {
    c.strokeStyle = style.getPropertyValue("--rule");
    c.lineWidth = 1;
    for (const share of [0, 0.5, 1]) {
      const y = Math.round(plot.y(share * plot.top)) + 0.5;
      stroke(c, [[0, y], [plot.width, y]]);
    }
    const guide = this.guide();
    if (guide === undefined) return;
    c.setLineDash([3, 3]);
    c.strokeStyle = style.getPropertyValue("--soft");
    stroke(c, [[0, plot.y(guide)], [plot.width, plot.y(guide)]]);
    c.setLineDash([]);
  }

  line(c, plot, name, colour, tinted) {
    c.strokeStyle = c.fillStyle = colour;
    c.lineWidth = 1.5;
    c.lineJoin = "round";
    for (const run of this.runs(name)) {
      const path = run.map(([time, value]) => [plot.x(time), plot.y(value)]);
      if (path.length === 1) path.push([path[0][0] + 1, path[0][1]]);
      stroke(c, path);
      if (!tinted) continue;
      c.globalAlpha = 0.12;
      c.lineTo(path.at(-1)[0], plot.height);
      c.lineTo(path[0][0], plot.height);
      c.fill();
      c.globalAlpha = 1;
    }
  }

  /** runs are the stretches of a line without a gap. */
  runs(name) {
    const { past } = this;
    const usual = past.length > 2 ? (past.time(past.length - 1) - past.time(0)) / (past.length - 1) : Infinity;
    const runs = [];
    let last = -Infinity;
    for (let i = 0; i < past.length; i++) {
      const time = past.time(i), value = past.value(i, name);
      if (value === undefined) continue;
      if (time - last > gap * Math.max(usual, 1000) || !runs.length) runs.push([]);
      runs.at(-1).push([time, value]);
      last = time;
    }
    return runs;
  }

  /** tell writes the numbers at the pointer, or the last ones. */
  tell(c, plot, style) {
    const { past, at } = this;
    let i = past.length - 1;
    if (at !== null) {
      i = nearest(past, plot.begin + (at / plot.width) * (plot.end - plot.begin));
      c.strokeStyle = style.getPropertyValue("--soft");
      c.lineWidth = 1;
      stroke(c, [[plot.x(past.time(i)), 0], [plot.x(past.time(i)), plot.height]]);
    }
    write(this.time, at === null ? "" : clock(new Date(past.time(i))));
    const { title, unit, lines } = this.definition;
    lines.forEach(([name], n) => write(this.values[n].node, unit(past.value(i, name))));
    set(this.canvas, { "aria-label": `${title}: ${lines.map(([name, label]) => `${label} ${unit(past.value(past.length - 1, name))}`).join(", ")}` });
  }
}

function stroke(c, path) {
  c.beginPath();
  path.forEach(([x, y], i) => (i ? c.lineTo(x, y) : c.moveTo(x, y)));
  c.stroke();
}

/** round gives the next 1, 2 or 5 with zeros, so that scales do not tremble. */
function round(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((n) => n * power).find((n) => n >= value);
}

function nearest(past, time) {
  let best = 0;
  for (let i = 1; i < past.length; i++) {
    if (Math.abs(past.time(i) - time) < Math.abs(past.time(best) - time)) best = i;
  }
  return best;
}

function highest(past, name) {
  let most = 0;
  for (let i = 0; i < past.length; i++) most = Math.max(most, past.value(i, name) ?? 0);
  return most;
}
