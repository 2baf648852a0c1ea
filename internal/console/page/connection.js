// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Whether the hub answers. Views say what they hear; the bar at the top shows it.

const bell = new EventTarget();
let since = null; // since when it does not answer; null: it does

/** heard tells that the hub has answered. */
export function heard() {
  if (since === null) return;
  since = null;
  bell.dispatchEvent(new Event("change"));
}

/** lost tells that it has not. */
export function lost() {
  since ??= new Date();
  bell.dispatchEvent(new Event("change"));
}

/** onChange calls back with the time since which the hub does not answer, or null. */
export function onChange(call) {
  bell.addEventListener("change", () => call(since));
}
