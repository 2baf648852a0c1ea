// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package dryrun

import (
	"io"
	"testing"

	"github.com/weir-io/weir/internal/flow/packet"
)

// FuzzPlay plays any bytes on any topology. What is delivered must be frames that can
// be read.
func FuzzPlay(f *testing.F) {
	for seed := range uint64(20) {
		w := newWorld(seed)
		f.Add(seed, w.frame())
	}
	f.Fuzz(func(t *testing.T, seed uint64, frame []byte) {
		w := newWorld(seed % 1000)
		if len(w.ports) == 0 {
			return
		}
		lab, err := New(w.doc)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			s, err := lab.Play(w.ports[w.r.IntN(len(w.ports))], frame)
			if err != nil {
				if len(frame) >= 14 {
					t.Fatal(err)
				}
				return
			}
			for _, d := range s.Delivered {
				var m packet.Match
				if err := m.Parse(d.Frame); err != nil {
					t.Fatalf("%x delivered: %v", d.Frame, err)
				}
			}
			if err := s.WriteTree(io.Discard); err != nil {
				t.Fatal(err)
			}
		}
	})
}
