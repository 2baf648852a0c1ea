/*
 * Copyright the weir authors.
 * SPDX-License-Identifier: Apache-2.0
 *
 * load THREADS EVENTS PAUSE: says "ready", waits for a line, and emits events from
 * each thread, with a pause in microseconds after each 100. Says "done" and how many
 * nanoseconds that took, and ends with its input.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define LTTNG_UST_TRACEPOINT_CREATE_PROBES
#define LTTNG_UST_TRACEPOINT_DEFINE
#include "load.h"

static long events;
static int pause_us;

static void *emit(void *unused)
{
	for (long n = 0; n < events; n++) {
		lttng_ust_tracepoint(weirbench, event, n, "a short text");
		if (pause_us && n % 100 == 99)
			usleep(pause_us);
	}
	return unused;
}

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(int argc, char **argv)
{
	pthread_t threads[64];
	int count;
	long long begin;

	if (argc != 4 || (count = atoi(argv[1])) < 1 || count > 64)
		return 2;
	events = atol(argv[2]);
	pause_us = atoi(argv[3]);
	puts("ready");
	fflush(stdout);
	if (getchar() == EOF)
		return 1;
	begin = now();
	for (int i = 0; i < count; i++)
		if (pthread_create(&threads[i], NULL, emit, NULL))
			return 1;
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	printf("done %lld\n", now() - begin);
	fflush(stdout);
	while (getchar() != EOF)
		;
	return 0;
}
