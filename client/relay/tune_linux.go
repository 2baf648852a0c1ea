// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// tune makes the kernel notice a peer that is gone: idle or not, within about
// the time that a write may take.
func tune(c net.Conn, stall time.Duration) {
	t, ok := c.(*net.TCPConn)
	if !ok {
		return
	}
	// Without these a dead relay is noticed later, by our own deadlines.
	_ = t.SetKeepAliveConfig(net.KeepAliveConfig{
		Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3,
	})
	if raw, err := t.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(stall.Milliseconds()))
		})
	}
}

// quickAck asks the kernel to acknowledge at once. A relay with Nagle's
// algorithm on sits on its next answer until the last one is acknowledged, which
// takes 40 ms where nothing is sent that would carry it.
func quickAck(raw syscall.RawConn) {
	if raw == nil {
		return
	}
	// A socket without it is slower, no more.
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1)
	})
}
