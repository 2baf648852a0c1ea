// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"encoding/binary"
	"syscall"

	"golang.org/x/sys/unix"
)

// segmentControl returns the control message that has the kernel cut what it is
// sent every step bytes, nil when the kernel does not know how.
func segmentControl(raw syscall.RawConn, step int) []byte {
	known := false
	_ = raw.Control(func(fd uintptr) { // if it fails, it is not known
		_, err := unix.GetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT)
		known = err == nil
	})
	if !known {
		return nil
	}
	b := make([]byte, unix.CmsgSpace(2))
	// A control message: length, level and type as the kernel's struct has them.
	h := b
	if n := unix.SizeofCmsghdr - 8; n == 8 {
		binary.NativeEndian.PutUint64(h, uint64(unix.CmsgLen(2)))
		h = h[8:]
	} else {
		binary.NativeEndian.PutUint32(h, uint32(unix.CmsgLen(2)))
		h = h[4:]
	}
	binary.NativeEndian.PutUint32(h, unix.SOL_UDP)
	binary.NativeEndian.PutUint32(h[4:], unix.UDP_SEGMENT)
	binary.NativeEndian.PutUint16(b[unix.CmsgLen(0):], uint16(step))
	return b
}

// send sends all of b with one call.
func (j *segmenter) send(b []byte) error {
	var err error
	e := j.raw.Write(func(fd uintptr) bool {
		// The socket is connected.
		_, err = unix.SendmsgN(int(fd), b, j.oob, nil, 0)
		return err != unix.EAGAIN
	})
	if e != nil {
		return e
	}
	return err
}
