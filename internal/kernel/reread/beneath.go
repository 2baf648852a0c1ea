// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package reread

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// OpenBeneath opens a path below a directory for reading, or as a directory to
// list. Nothing in the path, also no link on the way, leads out of the directory or
// through the links of /proc that are no paths (exe, cwd, fd/0). A kernel without
// the call gives ENOSYS: there is no safe way then.
func OpenBeneath(dir int, path string, directory bool) (int, error) {
	how := unix.OpenHow{Flags: flags, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS}
	if directory {
		how.Flags |= unix.O_DIRECTORY
	}
	for range 8 { // EAGAIN: someone renamed meanwhile
		fd, err := unix.Openat2(dir, path, &how)
		if err == unix.EINTR || err == unix.EAGAIN {
			continue
		}
		if err != nil || directory {
			return fd, err
		}
		if err := usual.regular(fd, nil); err != nil {
			unix.Close(fd)
			return -1, fmt.Errorf("%s: %w", path, err)
		}
		return fd, nil
	}
	return -1, unix.EAGAIN
}
