// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package tcpowner tells which user of this host has a TCP socket. It reads the
// kernel's tables of sockets (/proc/net/tcp and tcp6), and keeps nothing.
package tcpowner
