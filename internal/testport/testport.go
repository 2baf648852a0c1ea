// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package testport finds, for tests, ports of this host for programs that are told one and
// listen there themselves. It is for tests only; whatever can be given a listener, or tells
// where it listens, needs none.
package testport

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
)

// The kernel gives ports of its own range to who asks for any, and to clients: one that was
// free a moment ago may be taken before the program has it. These are below it.
const (
	span    = 8192
	fewest  = 10_000 // ports below are services'
	ordinal = 32_768 // where the kernel's range begins where it does not say so
)

// Reserve returns an address at which nobody listens, and which no other caller on this host
// gets before it is released or the process ends.
func Reserve() (address string, release func(), err error) {
	end := firstOfKernel()
	for i := range span {
		port := end - 1 - (os.Getpid()+i)%span
		mine, err := net.Listen("unix", fmt.Sprintf("@weir-testport-%d", port))
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			return "", nil, err
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return l.Addr().String(), func() { mine.Close() }, l.Close()
		}
		mine.Close()
		if !errors.Is(err, syscall.EADDRINUSE) {
			return "", nil, err
		}
	}
	return "", nil, fmt.Errorf("no port from %d to %d is free", end-span, end-1)
}

// firstOfKernel is the first port that the kernel gives to who asks for any.
func firstOfKernel() int {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return ordinal
	}
	var first int
	if _, err := fmt.Sscan(string(text), &first); err != nil || first < fewest+span {
		return ordinal // it gives those, too: what remains is to hope
	}
	return first
}
