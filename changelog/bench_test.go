// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package changelog_test

import (
	"testing"

	"github.com/weir-io/weir/changelog"
)

// BenchmarkEncode and BenchmarkDecode handle a CREAT with all that the agent knows of
// one, and no reint block, which the journal does not keep.
func BenchmarkEncode(b *testing.B) {
	r := benchRecord()
	for _, f := range forms {
		b.Run(f.name, func(b *testing.B) {
			buf := f.encode(nil, &r)
			b.SetBytes(int64(len(buf)))
			b.ReportAllocs()
			for b.Loop() {
				buf = f.encode(buf[:0], &r)
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	r := benchRecord()
	for _, f := range forms {
		b.Run(f.name, func(b *testing.B) {
			buf := f.encode(nil, &r)
			b.SetBytes(int64(len(buf)))
			b.ReportAllocs()
			var got changelog.Record
			for b.Loop() {
				if err := f.decode(buf, &got); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func benchRecord() changelog.Record {
	r := sampleRecords()[0]
	r.Has &^= changelog.HasReint
	return r
}

func TestNativeAllocatesNothing(t *testing.T) {
	records := sampleRecords()
	var buf []byte
	var got changelog.Record
	for i := range records {
		r := &records[i]
		if r.Type == changelog.Mark {
			continue // its marker is kept apart from the buffer
		}
		buf = changelog.AppendNative(buf[:0], r)
		for _, tt := range []struct {
			name string
			do   func()
		}{
			{"AppendNative", func() { buf = changelog.AppendNative(buf[:0], r) }},
			{"DecodeNative", func() {
				if err := changelog.DecodeNative(buf, &got); err != nil {
					t.Fatal(err)
				}
			}},
			{"MakeReint", func() { got.MakeReint() }},
		} {
			if n := testing.AllocsPerRun(20, tt.do); n != 0 {
				t.Errorf("%s of %v: %v allocations, want 0", tt.name, r.Type, n)
			}
		}
	}
}
