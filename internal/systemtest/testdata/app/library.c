/*
 * Copyright the weir authors.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A library with an event, see late.c.
 */
#include "tick.h"

void weir_emit(int run, int count);

void weir_emit(int run, int count)
{
	for (int i = 0; i < count; i++)
		lttng_ust_tracepoint(weirtest, tick, run, i, "late");
}
