// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package daemon is what a Unix daemon does beside its work: go to the
// background, say when it is ready, keep its pid and port files, its run
// directory and its health socket, and take over sockets of a service manager.
// It knows nothing of traces.
//
// # Going to the background
//
// A Go program cannot fork: its threads would be lost. Spawn therefore starts
// the program a second time with the same arguments and an environment variable
// that names an inherited pipe, and returns when the child has written its
// readiness into that pipe or has ended without. The child calls Adopt, does all
// that a foreground start does, and calls Waiter.Ready at the end.
//
// The child keeps argv[0] and, where the path of the call still leads to the
// running program, the name in /proc/PID/comm. It inherits the standard
// descriptors, sockets of the service manager and the pipe, nothing else.
//
// # Concurrency
//
// Values are for one goroutine, except HealthServer, whose Serve and Close may
// run side by side.
package daemon
