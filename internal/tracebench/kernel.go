// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracebench

import "golang.org/x/sys/unix"

// awaitZombie returns when a child process has ended and is still there.
func awaitZombie(pid int) {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			return // without a child there is nothing to wait for
		}
	}
}
