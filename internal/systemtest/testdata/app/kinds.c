/*
 * Copyright the weir authors.
 * SPDX-License-Identifier: Apache-2.0
 *
 * kinds: a traced program as app is, whose events have fields of every kind, of
 * values that differ from one event to the next. Each sixth time there are two.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LTTNG_UST_TRACEPOINT_CREATE_PROBES
#define LTTNG_UST_TRACEPOINT_DEFINE
#include "kinds.h"

static const double floats[] = {
	0, -0.0, 1.5, -1e10, 123456789, 1e-5, 0.0001, 1e300, -1e-300, 3.14159265358979, INFINITY, -INFINITY, NAN,
};

static const char *const texts[] = {
	"plain text", "tab\tnewline\nquote\"back\\slash", "gr\xc3\xbc\xc3\x9f", "\x01\x7f control", "a longer one, well beyond seven",
};

static void emit(int i)
{
	const char *text = texts[i % 5];
	int32_t values[8];

	for (int k = 0; k < 8; k++)
		values[k] = (i * 37 + k) * (k % 2 ? -1 : 1000003);
	switch (i % 6) {
	case 0:
		lttng_ust_tracepoint(weirkinds, integers, (int64_t) i * 0x123456789abLL * (i % 4 < 2 ? 1 : -1));
		break;
	case 1:
		lttng_ust_tracepoint(weirkinds, floats, floats[i / 6 % 13]);
		break;
	case 2:
		lttng_ust_tracepoint(weirkinds, texts, text, strlen(text) - i % 3);
		break;
	case 3:
		lttng_ust_tracepoint(weirkinds, arrays, values, i % 8);
		break;
	case 4:
		lttng_ust_tracepoint(weirkinds, enums, i / 6 % 16 - 4);
		break;
	default:
		lttng_ust_tracepoint(weirkinds, nothing);
		lttng_ust_tracepoint(weirkinds, more, values, i / 6 % 8, text);
	}
}

int main(void)
{
	int count, pause, n = 0;

	while (scanf("%d %d", &count, &pause) == 2) {
		for (int i = 0; i < count; i++) {
			emit(n++);
			if (pause)
				usleep(pause);
		}
		printf("%d\n", n);
		fflush(stdout);
	}
	return 0;
}
