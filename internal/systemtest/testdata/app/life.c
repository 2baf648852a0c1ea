/*
 * Copyright the weir authors.
 * SPDX-License-Identifier: Apache-2.0
 *
 * life MODE RUN COUNT: a traced program that does what programs do in their lives.
 * Each part emits COUNT events, with a run of its own.
 *
 *   emit    RUN
 *   fork    RUN, then a child RUN+1, which execs "emit" RUN+2
 *   order   RUN, a system call between two events each
 *   torn    RUN; then it dies between reserve and commit, in each of its rings
 *   vandal  RUN; then it writes garbage over all of its rings, again and again
 *   lie     RUN; then it says that its rings are at other places than they are
 *   stop    RUN; then it stops itself
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tick.h"

/* Offsets in a ring's memory. */
enum { WRITE_OFFSET = 128, CONSUMED_OFFSET = 152 };

static void emit(int run, int count)
{
	for (int i = 0; i < count; i++)
		lttng_ust_tracepoint(weirtest, tick, run, i, "alive");
}

static void order(int run, int count)
{
	for (int i = 0; i < count; i++) {
		lttng_ust_tracepoint(weirtest, tick, run, 2 * i, "before");
		syscall(SYS_getppid);
		lttng_ust_tracepoint(weirtest, tick, run, 2 * i + 1, "behind");
	}
}

/* Calls back for each ring that the process has mapped, and returns how many. */
static int rings(void (*each)(uint8_t *begin, uint8_t *end))
{
	char line[512];
	int n = 0;
	FILE *maps = fopen("/proc/self/maps", "r");

	while (maps && fgets(line, sizeof(line), maps)) {
		unsigned long begin, end;

		if (!strstr(line, "lttng-ust-ring") || sscanf(line, "%lx-%lx", &begin, &end) != 2)
			continue;
		each((uint8_t *) begin, (uint8_t *) end);
		n++;
	}
	if (maps)
		fclose(maps);
	return n;
}

static void reserve(uint8_t *begin, uint8_t *end)
{
	__atomic_fetch_add((uint64_t *) (begin + WRITE_OFFSET), 64, __ATOMIC_SEQ_CST);
	(void) end;
}

static void garbage(uint8_t *begin, uint8_t *end)
{
	for (; begin < end; begin++)
		*begin = (uint8_t) random();
}

static void lie(uint8_t *begin, uint8_t *end)
{
	uint64_t far = (uint64_t) random() << 20;

	__atomic_store_n((uint64_t *) (begin + WRITE_OFFSET), far, __ATOMIC_SEQ_CST);
	__atomic_store_n((uint64_t *) (begin + CONSUMED_OFFSET), far >> 1, __ATOMIC_SEQ_CST);
	(void) end;
}

int main(int argc, char **argv)
{
	char run[16];
	int number, count;

	if (argc != 4)
		return 2;
	number = atoi(argv[2]);
	count = atoi(argv[3]);
	if (!strcmp(argv[1], "order"))
		order(number, count);
	else
		emit(number, count);
	if (!strcmp(argv[1], "fork")) {
		pid_t child = fork();
		int status;

		if (child) {
			waitpid(child, &status, 0);
			return WEXITSTATUS(status);
		}
		emit(number + 1, count);
		snprintf(run, sizeof(run), "%d", number + 2);
		execl(argv[0], argv[0], "emit", run, argv[3], NULL);
		return 1;
	}
	if (!strcmp(argv[1], "torn")) {
		if (!rings(reserve))
			return 1;
		kill(getpid(), SIGKILL);
	}
	if (!strcmp(argv[1], "vandal"))
		for (int i = 0; i < 20; i++)
			if (!rings(garbage))
				return 1;
	if (!strcmp(argv[1], "lie"))
		for (int i = 0; i < 20; i++)
			if (!rings(lie))
				return 1;
	if (!strcmp(argv[1], "stop"))
		kill(getpid(), SIGSTOP);
	fflush(stdout);
	/* A vandal's own library may not live through its end. */
	_exit(0);
}
