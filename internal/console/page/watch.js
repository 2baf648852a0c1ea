// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Reading again and again: while the page is seen, and no faster than a hub bears.

import { heard, lost } from "./connection.js";

const share = 10; // times as long as an answer took a page waits: it takes little of the hub's time
const longest = 10_000; // ms
const retry = [1000, 2000, 4000, 8000]; // ms after that many failures

/**
 * watch reads at once, and every so many ms again while the page is seen, until signal
 * ends it. What was read goes to show, and what went wrong to fail; then it is tried again.
 */
export async function watch(signal, { read, show, fail, every = 2000 }) {
  for (let failures = 0; !signal.aborted; ) {
    await seen(signal);
    const began = performance.now();
    let rest;
    try {
      const what = await read(signal);
      if (signal.aborted) return;
      rest = Math.min(Math.max(every, share * (performance.now() - began)), longest);
      heard();
      failures = 0;
      show(what);
    } catch (problem) {
      if (signal.aborted) return;
      if (problem.status === 0) lost();
      else if (problem.status) heard();
      else console.error(problem); // a mistake of the console's own
      rest = retry[Math.min(failures++, retry.length - 1)];
      fail?.(problem);
    }
    await wait(rest, signal);
  }
}

/** seen waits until the page is to be seen, or signal ends that. */
function seen(signal) {
  return new Promise((done) => {
    if (!document.hidden || signal.aborted) return done();
    const ended = new AbortController();
    const look = () => {
      if (document.hidden && !signal.aborted) return;
      ended.abort();
      done();
    };
    document.addEventListener("visibilitychange", look, { signal: ended.signal });
    signal.addEventListener("abort", look, { signal: ended.signal });
  });
}

/** wait waits some ms, or until signal ends that. */
function wait(ms, signal) {
  return new Promise((done) => {
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end, { once: true });
    function end() {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      done();
    }
  });
}
