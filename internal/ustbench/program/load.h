/*
 * Copyright the weir authors.
 * SPDX-License-Identifier: Apache-2.0
 */
#undef LTTNG_UST_TRACEPOINT_PROVIDER
#define LTTNG_UST_TRACEPOINT_PROVIDER weirbench

#undef LTTNG_UST_TRACEPOINT_INCLUDE
#define LTTNG_UST_TRACEPOINT_INCLUDE "./load.h"

#if !defined(LOAD_H) || defined(LTTNG_UST_TRACEPOINT_HEADER_MULTI_READ)
#define LOAD_H

#include <lttng/tracepoint.h>

/* An event as services have them: a number and a short text. */
LTTNG_UST_TRACEPOINT_EVENT(weirbench, event,
	LTTNG_UST_TP_ARGS(long, n, const char *, text),
	LTTNG_UST_TP_FIELDS(
		lttng_ust_field_integer(long, n, n)
		lttng_ust_field_string(text, text)))

#endif

#include <lttng/tracepoint-event.h>
