// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package ustbench measures what recording applications costs and whether all events
// are accounted for: it is the engine of "weir bench ust".
//
// A session daemon of the executable under test records a program of the bench's own,
// which is linked with LTTng-UST, in turn with LTTng's session daemon: the same
// program, event, ring sizes and place. CPU time is what all threads of the consumer
// process ran (schedstat) from the first event to the end of "stop", when all is
// written. Figures are medians. What is recorded is counted by reading the trace.
//
// Each daemon has a mount namespace of its own, in which it finds an empty /run and
// /dev/shm: a daemon that traces the host's applications is not disturbed.
package ustbench
