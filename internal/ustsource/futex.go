// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ustsource

import (
	"fmt"
	"math"
	"unsafe"

	"golang.org/x/sys/unix"
)

const futexWake = 1

// wake wakes all who wait at the first word of a page.
func wake(page []byte) error {
	_, _, e := unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&page[0])), futexWake, math.MaxInt32, 0, 0, 0)
	if e != 0 {
		return fmt.Errorf("futex: %w", e)
	}
	return nil
}
