// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package procstat

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// Host returns the /proc of this host, which the functions of this package
// read.
func Host() fs.FS { return os.DirFS("/proc") }

// Gone reports whether reading failed because the process or thread had ended.
func Gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH)
}
