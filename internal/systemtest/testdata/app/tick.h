/*
 * Copyright the weir authors.
 * SPDX-License-Identifier: Apache-2.0
 */
#undef LTTNG_UST_TRACEPOINT_PROVIDER
#define LTTNG_UST_TRACEPOINT_PROVIDER weirtest

#undef LTTNG_UST_TRACEPOINT_INCLUDE
#define LTTNG_UST_TRACEPOINT_INCLUDE "./tick.h"

#if !defined(TICK_H) || defined(LTTNG_UST_TRACEPOINT_HEADER_MULTI_READ)
#define TICK_H

#include <lttng/tracepoint.h>

/* run tells applications apart, n counts the events of one from 0. */
LTTNG_UST_TRACEPOINT_EVENT(weirtest, tick,
	LTTNG_UST_TP_ARGS(int, run, int, n, const char *, text),
	LTTNG_UST_TP_FIELDS(
		lttng_ust_field_integer(int, run, run)
		lttng_ust_field_integer(int, n, n)
		lttng_ust_field_string(text, text)))

#endif

#include <lttng/tracepoint-event.h>
