// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"testing"
)

// FuzzHostileMemory lets somebody else write to the memory while events are written.
// They may be lost; the writer goes on, and stays within the memory.
func FuzzHostileMemory(f *testing.F) {
	word := func(at, v uint64) []byte { return le.AppendUint64(le.AppendUint64(nil, at), v) }
	f.Add(word(WriteOffset, 1<<63), false)
	f.Add(word(WriteOffset, 3), true)
	f.Add(word(ConsumedOffset, 1<<40), false)
	f.Add(word(LastTime, ^uint64(0)), true)
	l := Geometry{SubbufBytes: MinSubbufBytes, Subbufs: 2, Overwrite: true}.Layout()
	f.Add(append(word(l.WriteTable, ^uint64(0)), word(l.WriteTable+8, 1<<32-1)...), true)
	f.Add(append(word(l.Cold, 1<<20), word(l.Hot, 1<<13)...), false)
	f.Add(word(MemoryRef+8, 1<<62), true)
	f.Fuzz(func(t *testing.T, patches []byte, overwrite bool) {
		var clock uint64
		g := Geometry{SubbufBytes: MinSubbufBytes, Subbufs: 2, Overwrite: overwrite}
		w, r := writerOf(t, g, func() uint64 { clock += 1 << 20; return clock })
		for range 300 {
			emit(w, 1)
		}
		for ; len(patches) >= 16; patches = patches[16:] {
			at := le.Uint64(patches) % (g.Layout().Size - 8)
			le.PutUint64(r.b[at:], le.Uint64(patches[8:]))
			for range 300 {
				emit(w, 1)
			}
		}
		w.Quiet()
	})
}
