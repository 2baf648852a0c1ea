// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// What the objects of virtual networks are called: records name them by their ids.

import { networks } from "./api.js";
import { networkToken } from "./token.js";

const kinds = ["bridges", "routers", "ports", "chains", "hosts"];

/** Names knows the objects that the person of the token may see. */
export class Names {
  constructor() {
    this.known = new Map();
  }

  /** learn reads them anew; of kinds that the person may not see there are none. */
  async learn(signal) {
    await Promise.all(kinds.map(async (kind) => {
      try {
        for (const object of await networks(kind, networkToken.value, { signal })) this.known.set(object.id, object.name || object.id);
      } catch (problem) {
        if (problem.status !== 403) throw problem;
      }
    }));
  }

  /** note keeps a name that came along with something else. */
  note(id, name) {
    if (id && name) this.known.set(id, name);
  }

  /** of returns what an object is called: its id if it has no name, or is not to be seen. */
  of(id) {
    return this.known.get(id) ?? id ?? "";
  }
}
