// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package relay

import (
	"errors"
	"syscall"
)

// segmentControl has nothing to say to other kernels.
func segmentControl(syscall.RawConn, int) []byte { return nil }

func (j *segmenter) send([]byte) error { return errors.ErrUnsupported }
