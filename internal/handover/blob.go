// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package handover

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// maxBlob bounds what a receiver reads of a blob, in bytes.
const maxBlob = 64 << 20

// Blob makes a memory file of bytes that are too large for a message, for Send.
// Nobody can change it afterwards.
func Blob(name string, b []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("handover: memory file %s: %w", name, err)
	}
	f := os.NewFile(uintptr(fd), name)
	if _, err := f.Write(b); err != nil {
		f.Close()
		return nil, fmt.Errorf("handover: memory file %s of %d bytes: %w", name, len(b), err)
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_WRITE|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL); err != nil {
		f.Close()
		return nil, fmt.Errorf("handover: seal memory file %s: %w", name, err)
	}
	return f, nil
}

// ReadBlob returns the bytes of a received memory file, from its start. Another
// kind of file, of which a read may take for ever, is refused.
func ReadBlob(f *os.File) ([]byte, error) {
	const want = unix.F_SEAL_WRITE | unix.F_SEAL_SHRINK
	if seals, err := unix.FcntlInt(f.Fd(), unix.F_GET_SEALS, 0); err != nil || seals&want != want {
		return nil, fmt.Errorf("handover: got a file that can change (seals %#x, %v), want a memory file", seals, err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("handover: memory file: %w", err)
	}
	if info.Size() > maxBlob {
		return nil, fmt.Errorf("handover: memory file of %d bytes, want at most %d", info.Size(), maxBlob)
	}
	b := make([]byte, info.Size())
	if _, err := io.ReadFull(io.NewSectionReader(f, 0, info.Size()), b); err != nil {
		return nil, fmt.Errorf("handover: memory file of %d bytes: %w", len(b), err)
	}
	return b, nil
}
