/*
 * Copyright the weir authors.
 * SPDX-License-Identifier: Apache-2.0
 *
 * app RUN BYTES: a traced program that does what it is told. Each line
 * "COUNT MICROSECONDS" on standard input makes it emit so many events with
 * that pause after each, and answer with the number emitted so far. It ends
 * with its input.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tick.h"

int main(int argc, char **argv)
{
	int run = argc > 1 ? atoi(argv[1]) : 0;
	size_t bytes = argc > 2 ? strtoul(argv[2], NULL, 10) : 16;
	int count, pause, n = 0;
	char *text = malloc(bytes + 1);

	if (!text)
		return 1;
	memset(text, 'x', bytes);
	text[bytes] = '\0';
	while (scanf("%d %d", &count, &pause) == 2) {
		for (int i = 0; i < count; i++) {
			/* Arguments are not evaluated where nobody records. */
			lttng_ust_tracepoint(weirtest, tick, run, n, text);
			n++;
			if (pause)
				usleep(pause);
		}
		printf("%d\n", n);
		fflush(stdout);
	}
	free(text);
	return 0;
}
