//go:build !linux

// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"net"
	"syscall"
	"time"
)

// tune makes the kernel notice a peer that is gone.
func tune(c net.Conn, _ time.Duration) {
	if t, ok := c.(*net.TCPConn); ok {
		// Without it a dead relay is noticed later, by our own deadlines.
		_ = t.SetKeepAliveConfig(net.KeepAliveConfig{
			Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3,
		})
	}
}

func quickAck(syscall.RawConn) {}
