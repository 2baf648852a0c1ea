// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// What happened to a traced packet, as steps that people read: below each port the
// filters, below each filter its rules.

const protocols = { 1: "ICMP", 6: "TCP", 17: "UDP", 58: "ICMPv6", 132: "SCTP" };
const hidden = new Set(["seq", "time", "host", "role", "run", "kind", "bytes"]);

/** protocol names a number of IP. */
export function protocol(number) {
  return protocols[number] ?? (number === undefined ? "" : `protocol ${number}`);
}

/** ends writes where a packet comes from and goes to. */
export function ends(match) {
  const side = (address, port, mac) => (address ? (port ? `${address.includes(":") ? `[${address}]` : address}:${port}` : address) : mac ?? "?");
  return `${side(match.networkSrc, match.srcPort, match.ethSrc)} → ${side(match.networkDst, match.dstPort, match.ethDst)}`;
}

/** header writes the headers of a packet. */
export function header(match = {}) {
  const parts = [protocol(match.networkProto)];
  if (match.networkProto === undefined && match.etherType !== undefined) parts.push(`type 0x${match.etherType.toString(16).padStart(4, "0")}`);
  return [...parts, ends(match)].filter(Boolean).join(" ");
}

/**
 * stepsOf makes steps { depth, text, look, time } of events, in their order. look is
 * place, filter, rule, drop, result or dim.
 */
export function stepsOf(events, names) {
  let placed = 0, chained = 0;
  return events.map((e) => {
    if (e.chain && e.name) names.note(e.chain, e.name);
    let depth = 1 + placed + chained, look = "dim", text;
    switch (e.kind) {
      case "start":
        placed = chained = depth = 0;
        look = "place";
        text = `Run ${e.run ?? 1}: ${e.match ? header(e.match) : e.inputPort ? `in by port ${names.of(e.inputPort)}` : "begins"}`;
        break;
      case "restart":
        placed = chained = 0;
        depth = 1;
        text = `starts again: ${[e.reason, e.request].filter(Boolean).join(" ")}`;
        break;
      case "port-in":
      case "port-out":
        placed = depth = 1;
        chained = 0;
        look = "place";
        text = `${e.kind.slice(5)} by port ${names.of(e.port)} of ${names.of(e.device)}`;
        break;
      case "chain":
        depth = 1 + placed;
        chained = 1;
        look = "filter";
        text = `${e.direction}bound filter of ${names.of(e.device)}: chain ${names.of(e.chain)}`;
        break;
      case "rule":
        [text, look] = [rule(e, names), e.applied && /DROP|REJECT/i.test(e.result) ? "drop" : e.matched ? "rule" : "dim"];
        break;
      case "redacted":
        placed = chained = 0;
        depth = 1;
        text = "on a device of another tenant";
        break;
      case "result":
        placed = chained = depth = 0;
        look = /Drop/.test(e.outcome) ? "drop" : "result";
        text = outcome(e, names);
        break;
      default:
        depth = 1 + placed;
        text = `${e.kind} ${members(e, names)}`;
    }
    return { depth, text, look, time: e.time };
  });
}

function rule(e, names) {
  const what = `rule ${e.position} of chain ${names.of(e.chain)} (${e.type})`;
  if (!e.matched) return `${what}: no match`;
  if (!e.applied) return `${what}: matches, does not apply: ${e.result}`;
  return `${what}: ${e.change ? `${e.change.from} becomes ${e.change.to}: ` : ""}${e.result}`;
}

/** outcome tells how a packet ended, where it left, and what decided. */
function outcome(e, names) {
  const out = (e.outputs ?? []).map((o) => `out by port ${names.of(o.port)}${o.host ? ` on ${names.of(o.host)}` : ""}`);
  const why = e.dropReason;
  const by = !why ? "" : why.position ? `: rule ${why.position} of chain ${names.of(why.chain)} at ${names.of(why.device)}` : `: ${[why.reason, why.device && `at ${names.of(why.device)}`].filter(Boolean).join(" ")}`;
  return [e.outcome, ...out].join(", ") + by;
}

function members(e, names) {
  return Object.entries(e).filter(([name]) => !hidden.has(name)).map(([name, value]) => `${name} ${typeof value === "object" ? JSON.stringify(value) : names.of(String(value))}`).join(", ");
}
