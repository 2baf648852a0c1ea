// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package fanotify

import (
	"encoding/binary"
	"errors"
	"testing"
)

// renameEvent is an event of a rename with all its records, made by the layout of
// fanotify(7).
func renameEvent() []byte {
	handle := func(kind byte, name string) []byte {
		b := binary.LittleEndian.AppendUint64(nil, 0x1122334455667788)
		b = binary.LittleEndian.AppendUint32(b, 8)
		b = binary.LittleEndian.AppendUint32(b, 1)
		b = append(b, 1, 2, 3, 4, 5, 6, 7, kind)
		if name != "" {
			b = append(b, name...)
			b = append(b, 0)
		}
		for len(b)%4 != 0 {
			b = append(b, 0)
		}
		return append([]byte{kind, 0, byte(len(b) + infoHeader), 0}, b...)
	}
	b := make([]byte, metadataSize)
	b = append(b, handle(infoFID, "")...)
	b = append(b, handle(infoOldDir, "from")...)
	b = append(b, handle(infoNewDir, "to")...)
	b = append(b, infoPIDFD, 0, 8, 0, 7, 0, 0, 0)
	b = append(b, 77, 0, 8, 0, 9, 9, 9, 9) // of a newer kernel
	binary.LittleEndian.PutUint32(b, uint32(len(b)))
	b[4] = metadataVersion
	binary.LittleEndian.PutUint16(b[6:], metadataSize)
	binary.LittleEndian.PutUint64(b[8:], Rename)
	binary.LittleEndian.PutUint32(b[20:], 4711)
	return b
}

func TestDecodeRename(t *testing.T) {
	var e Event
	rest, err := Decode(append(renameEvent(), 1), &e)
	if err != nil || len(rest) != 1 {
		t.Fatalf("got %d bytes left, error %v", len(rest), err)
	}
	if got, want := text(&e), "rename from>to"; got != want {
		t.Errorf("event: got %q, want %q", got, want)
	}
	if e.PID != 4711 || e.PIDFD != 7 || e.Object.String() != "0x1:0102030405060701" || e.Object.FSID != 0x1122334455667788 {
		t.Errorf("got pid %d, descriptor %d, object %v of %#x", e.PID, e.PIDFD, e.Object, e.Object.FSID)
	}
}

func TestDecodeCutAtEveryByte(t *testing.T) {
	whole := renameEvent()
	for n := range whole {
		var e Event
		_, err := Decode(whole[:n], &e)
		var format *FormatError
		if !errors.As(err, &format) {
			t.Errorf("cut at %d: got error %v, want one of the format", n, err)
		}
	}
}

func TestDecodeDoesNotAllocate(t *testing.T) {
	whole := renameEvent()
	var e Event
	if n := testing.AllocsPerRun(100, func() { _, _ = Decode(whole, &e) }); n != 0 {
		t.Errorf("allocations: got %v, want 0", n)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(renameEvent())
	f.Fuzz(func(t *testing.T, b []byte) {
		for len(b) > 0 {
			var e Event
			rest, err := Decode(b, &e)
			if err != nil || rest == nil {
				return
			}
			if len(rest) >= len(b) {
				t.Fatalf("%d bytes left of %d", len(rest), len(b))
			}
			b = rest
		}
	})
}
