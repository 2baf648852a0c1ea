// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"errors"
	"os"
	"runtime/debug"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Memory that is gone is corrupt, whatever is asked of the ring first.
func TestMemoryGone(t *testing.T) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	g := Geometry{SubbufBytes: MinSubbufBytes, Subbufs: 4}
	packet := make([]byte, g.SubbufBytes)
	for name, do := range map[string]func(*Reader){
		"positions": func(r *Reader) { _, _, _ = r.Positions() },
		"lost":      func(r *Reader) { r.Lost() },
		"state":     func(r *Reader) { r.State(0, g.SubbufBytes) },
		"read":      func(r *Reader) { r.Read(0, packet) },
		"look":      func(r *Reader) { r.Look(0) },
		"copy":      func(r *Reader) { r.Copy(packet, r.b[r.l.Memory:]) },
		"mend":      func(r *Reader) { r.Mend(0) },
		"release":   func(r *Reader) { _ = r.Release(0) },
		"flush":     func(r *Reader) { r.Flush(1, true) },
		"forget":    func(r *Reader) { r.Forget() },
	} {
		_, r := writerOf(t, g, func() uint64 { return 1 })
		replace(t, r.b)
		do(r)
		if r.fault == nil {
			t.Errorf("%s: no fault", name)
		}
		if _, _, err := r.Positions(); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: then positions: %v, want %v", name, err, ErrCorrupt)
		}
		if err := r.Release(0); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: then release: %v, want %v", name, err, ErrCorrupt)
		}
	}
}

// replace maps an empty file in the place of memory, which cannot be used any more.
func replace(t *testing.T, b []byte) {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	at := unsafe.Pointer(&b[0])
	if _, err := unix.MmapPtr(int(f.Fd()), 0, at, uintptr(len(b)), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_FIXED); err != nil {
		t.Fatal(err)
	}
}

// Memory that is gone when a ring is opened is corrupt too, also where the goroutine takes no
// faults.
func TestOpenMemoryGone(t *testing.T) {
	for _, overwrite := range []bool{false, true} {
		g := Geometry{SubbufBytes: MinSubbufBytes, Subbufs: 4, Overwrite: overwrite}
		size := int64(g.Layout().Size)
		f, err := os.CreateTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := f.Truncate(size); err != nil {
			t.Fatal(err)
		}
		b, err := unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Truncate(0); err != nil {
			t.Fatal(err)
		}
		r := NewReader(b, g)
		if _, _, err := r.Positions(); !errors.Is(err, ErrCorrupt) {
			t.Errorf("positions: %v, want %v", err, ErrCorrupt)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}
