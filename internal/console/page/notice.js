// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// What stands where there is nothing to show: why, and what to do.

import { el, fill } from "./dom.js";
import { command } from "./command.js";

/** empty tells that there is nothing yet, and how that changes. */
export function empty(title, text, commands = []) {
  return el("section", { class: "notice" }, el("h2", { text: title }), text ? el("p", { text }) : null, commands.map((line) => command(line)));
}

/** refused tells why the hub does not show something. */
export function refused(problem) {
  return el("section", { class: "notice bad", role: "alert" },
    el("h2", { text: problem.title ?? "The console has made a mistake" }),
    el("p", { text: problem.title ? problem.detail : String(problem) }),
    el("p", { text: advice(problem) }));
}

function advice(problem) {
  switch (problem.status) {
    case 0: return "It is asked again until it does. Is it running? Does the way to it work?";
    case 401: return "A token is wanted, or the one that was given is not known, or has ended.";
    case 403: return "Whom the hub takes you for may not see this. It tells users of its own machine apart by their connections: open the console there, or through ssh -L.";
    case 404: return "It is gone, or was never there. Links to what is there are in the lists.";
    case 503: return "It is not ready. It is asked again.";
    default: return problem.title ? "It is asked again." : "Please tell the makers of weir, with the console of the browser's developer tools.";
  }
}

/** Place is where a view shows either its content or a notice. */
export class Place {
  constructor(content) {
    this.content = content;
    this.notice = el("div");
    this.node = el("div", {}, this.notice, content);
    this.content.hidden = true;
  }

  /** show shows the content. */
  show() {
    if (this.notice.firstChild) fill(this.notice);
    this.content.hidden = false;
  }

  /** tell shows a notice in its place. */
  tell(notice) {
    fill(this.notice, notice);
    this.content.hidden = true;
  }

  /** fail shows a problem; where the hub is silent, what it has told before stays. */
  fail(problem) {
    if (problem.status === 0 && !this.content.hidden) return;
    this.tell(refused(problem));
  }
}
