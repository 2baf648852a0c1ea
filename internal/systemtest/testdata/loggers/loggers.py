# Copyright the weir authors.
# SPDX-License-Identifier: Apache-2.0

"""Logs so many rounds of messages for each line that it reads, as it is told there."""

import logging
import sys

import lttngust

one, two, root = logging.getLogger("app.one"), logging.getLogger("app.two"), logging.getLogger()


def work(rounds):
    for i in range(rounds):
        one.debug("debug %d", i)
        one.info("info %d", i)
        one.warning("warning %d", i)
        one.error("größer %d \"quoted\"", i)
        one.log(45, "between %d", i)
        two.debug("two %d", i)
        root.critical("root %d", i)


print("ready", flush=True)
for line in sys.stdin:
    work(int(line))
    print("done", flush=True)
