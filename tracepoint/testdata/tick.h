/* Copyright the weir authors.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The event of the C program that the benchmark compares with.
 */

#undef LTTNG_UST_TRACEPOINT_PROVIDER
#define LTTNG_UST_TRACEPOINT_PROVIDER weirtest

#undef LTTNG_UST_TRACEPOINT_INCLUDE
#define LTTNG_UST_TRACEPOINT_INCLUDE "./tick.h"

#if !defined(TICK_H) || defined(LTTNG_UST_TRACEPOINT_HEADER_MULTI_READ)
#define TICK_H

#include <lttng/tracepoint.h>

LTTNG_UST_TRACEPOINT_EVENT(weirtest, tick,
	LTTNG_UST_TP_ARGS(long, n, const char *, text),
	LTTNG_UST_TP_FIELDS(
		lttng_ust_field_integer(long, n, n)
		lttng_ust_field_string(text, text)
	)
)

#endif

#include <lttng/tracepoint-event.h>
