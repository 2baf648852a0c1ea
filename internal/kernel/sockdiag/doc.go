// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package sockdiag is the door to the kernel's socket monitoring (inet_diag over
// netlink, linux/inet_diag.h): it counts the sockets of TCP by their states, and what
// waits in those of UDP.
//
// The kernel goes through its tables of sockets for that and writes a message of
// some 100 bytes for each. They are counted as they come, so that memory does not
// grow with them; time does, by about 1 µs a socket.
package sockdiag
