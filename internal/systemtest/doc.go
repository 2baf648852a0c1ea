// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package systemtest runs the weir program against the originals of its peers:
// lttng-sessiond, its consumers and a traced program as producers, babeltrace2
// and babeltrace 1 as viewers and as readers of what is stored, and
// lttng-relayd, which gets the same scenarios for comparison. Weir's own producer,
// package client/relay, records on both relays. It holds tests only.
//
// # Isolation
//
// Each test runs in network, mount, process, IPC and host name namespaces of
// its own. The test binary starts itself as process 1 of new namespaces, which
// mounts private directories over those that LTTng's programs share, brings up
// loopback, and starts the binary a second time for the body of the test. When
// that ends, or is killed, process 1 ends and the kernel ends all that is left:
// daemons, applications, viewers.
//
// A test may have further hosts: network namespaces that are joined by wires
// ([site], [wire]). A wire is two TUN devices, and between them the test, which
// loses, delays, repeats and holds back packets.
//
// # Requirements
//
// Root, and the Debian packages lttng-tools, liblttng-ust-dev, babeltrace2,
// babeltrace, gcc, libc6-dev, systemd, iproute2, nftables and zookeeper. What is
// missing skips the tests and is named, or fails them (package peer). With -short only the shortest
// test runs; -kills=100 makes more rounds of those that kill at random moments.
//
// # Waiting
//
// Nothing here hopes for enough time to have passed: programs tell when they
// are ready (notification socket, return of the starting process, a line of
// output), and what nobody tells, such as the growth of a file, is looked at
// until a deadline.
package systemtest
