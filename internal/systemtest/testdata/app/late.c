/*
 * Copyright the weir authors.
 * SPDX-License-Identifier: Apache-2.0
 *
 * late LIBRARY RUN COUNT: a program that is traced before it has an event: a library
 * that it loads later has it, and is unloaded again.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	void (*emit)(int run, int count);
	void *library;

	if (argc != 4)
		return 2;
	library = dlopen(argv[1], RTLD_NOW);
	if (!library) {
		fprintf(stderr, "%s\n", dlerror());
		return 1;
	}
	emit = (void (*)(int, int)) dlsym(library, "weir_emit");
	if (!emit)
		return 1;
	emit(atoi(argv[2]), atoi(argv[3]));
	return dlclose(library) ? 1 : 0;
}
