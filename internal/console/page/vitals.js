// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// The numbers of hosts that the console shows, by the names that alarms use, and what is
// sick.

import { bytes, count, duration, fixed, percent, rate } from "./format.js";

/** listed are the numbers that the list of hosts is read with. */
export const listed = ["ncpu", "load1", "cpu_busy", "mem_pct", "net_rx", "net_tx", "disk_r", "disk_w", "disk_util", "lag"];

/**
 * charts are those of which a host's page draws the last minutes. most is the top of the
 * scale; where it is missing, what was highest is.
 */
export const charts = [
  { title: "CPU", unit: percent, most: 100, lines: [["cpu_busy", "busy"], ["cpu_sy", "system"], ["cpu_wa", "waiting"]] },
  { title: "Load", unit: (v) => fixed(v, 2), lines: [["load1", "1 min"], ["load5", "5 min"]], guide: "ncpu" },
  { title: "Memory", unit: percent, most: 100, lines: [["mem_pct", "used"], ["swap_pct", "swap"]] },
  { title: "Network", unit: rate, lines: [["net_rx", "in"], ["net_tx", "out"]] },
  { title: "Disks", unit: rate, lines: [["disk_r", "read"], ["disk_w", "written"]] },
  { title: "Busiest disk", unit: percent, most: 100, lines: [["disk_util", "busy"]] },
  { title: "Pressure", unit: percent, most: 100, lines: [["psi_cpu", "CPU"], ["psi_mem", "memory"], ["psi_io", "I/O"]] },
  { title: "Switches", unit: (v) => `${count(v)}/s`, lines: [["cs", "contexts"], ["in", "interrupts"]] },
];

const sizes = new Set(["mem_total", "mem_used", "mem_avail", "mem_free", "mem_shared", "mem_buffers", "mem_cached", "swap_total", "swap_used"]);
const rates = new Set(["net_rx", "net_tx", "disk_r", "disk_w"]);
const blocks = new Set(["si", "so", "bi", "bo"]); // KiB a second
const shares = /^(cpu_|psi_|mem_pct|swap_pct|disk_util|fs_pct|duty)/;

/** vital writes a number of a host with its unit. */
export function vital(name, value) {
  if (sizes.has(name)) return bytes(value);
  if (rates.has(name)) return rate(value);
  if (blocks.has(name)) return rate(value * 1024);
  if (shares.test(name)) return percent(value);
  if (name === "uptime" || name === "lag") return duration(value);
  if (name === "clock_offset") return `${fixed(value * 1000)} ms`;
  if (name === "temp_max") return `${fixed(value)} °C`;
  return Number.isInteger(value) ? count(value) : fixed(value, 2);
}

/** Ranks of hosts, the sickest first. */
export const rank = { down: 0, crit: 1, warn: 2, late: 3, info: 4, unknown: 5, well: 6 };

const bad = { down: rank.down, denied: rank.down, badproto: rank.down, stale: rank.late, late: rank.late, connecting: rank.unknown };

/** rankOf tells how sick a host is. */
export function rankOf(host) {
  const told = host.statistics;
  if (host.state === "lost") return rank.down;
  if (!told) return rank.unknown;
  const way = bad[told.state] ?? rank.well;
  return told.alarms?.length ? Math.min(way, rank[told.level] ?? rank.warn) : way;
}

/** stateOf names the state of a host: that of the way to it, if the hub asks it. */
export function stateOf(host) {
  if (host.state === "lost") return "lost";
  return host.statistics?.state ?? "not asked";
}

/** looks are the classes of what has these ranks. */
export const looks = { [rank.down]: "crit", [rank.crit]: "crit", [rank.warn]: "warn", [rank.info]: "warn", [rank.late]: "late", [rank.unknown]: "dim", [rank.well]: "good" };
