// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import "syscall"

// quickAck asks the kernel to acknowledge at once. lttng-relayd writes some
// replies in parts and waits with the second until the first is acknowledged,
// which takes 40 ms otherwise. The kernel forgets it again, so it is asked
// before each wait.
func (c *conn) quickAck() {
	if c.raw == nil || c.in.Buffered() > 0 {
		return
	}
	// A socket without it is slower, no more.
	_ = c.raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1)
	})
}
