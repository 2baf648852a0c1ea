// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracefs

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// WaitFor is Wait that ends also when another descriptor, such as an eventfd, is
// readable; with ring false it waits for that alone.
func (r *Ring) WaitFor(other int, ring bool, timeout time.Duration) (bool, error) {
	var deadline time.Time
	ms := -1
	if timeout >= 0 {
		deadline = time.Now().Add(timeout)
		ms = milliseconds(timeout)
	}
	fds := [2]unix.PollFd{{Fd: int32(other), Events: unix.POLLIN}, {Fd: int32(r.pipe), Events: unix.POLLIN}}
	watched := fds[:2]
	if !ring {
		watched = fds[:1]
	}
	for {
		_, err := unix.Poll(watched, ms)
		switch {
		case err == unix.EINTR:
			if timeout >= 0 {
				ms = milliseconds(max(time.Until(deadline), 0))
			}
		case err != nil:
			return false, fmt.Errorf("wait for a ring: %w", err)
		case ring && fds[1].Revents&(unix.POLLERR|unix.POLLNVAL) != 0:
			return false, fmt.Errorf("wait for a ring: events %#x", fds[1].Revents)
		default:
			return ring && fds[1].Revents&unix.POLLIN != 0, nil
		}
	}
}
