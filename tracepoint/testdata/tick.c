/* Copyright the weir authors.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The program that the benchmark compares with. It obeys lines of its input:
 * "bench ROUNDS N" are so many rounds of N events, of which it tells the least
 * CPU time for an event, in hundredths of a nanosecond.
 */

#define LTTNG_UST_TRACEPOINT_CREATE_PROBES
#define LTTNG_UST_TRACEPOINT_DEFINE
#include "tick.h"

#include <stdio.h>
#include <time.h>

static long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

int main(void)
{
	long rounds, n;

	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("ready");
	while (scanf(" bench %ld %ld", &rounds, &n) == 2) {
		long best = 0;

		for (long r = 0; r < rounds; r++) {
			long start = now(), took;

			for (long i = 0; i < n; i++)
				lttng_ust_tracepoint(weirtest, tick, i, "tock");
			took = (now() - start) * 100 / n;
			if (r == 0 || took < best)
				best = took;
		}
		printf("best %ld\n", best);
	}
	return 0;
}
