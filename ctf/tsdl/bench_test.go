// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tsdl

import (
	"bytes"
	"fmt"
	"testing"
)

// kernelLike is metadata of the size and kind that LTTng's kernel tracer
// writes: one stream, thousands of events with classes written out in full.
func kernelLike(tb testing.TB, events int) []byte {
	tb.Helper()
	var b bytes.Buffer
	b.Write(goldenText(tb, "lttng-ust"))
	for i := range events {
		fmt.Fprintf(&b, `event {
	name = "syscall_entry_number%d";
	id = %d;
	stream_id = 1;
	fields := struct {
		integer { size = 32; align = 8; signed = 0; encoding = none; base = 10; } _fd;
		integer { size = 64; align = 8; signed = 0; encoding = none; base = 16; } _buf;
		integer { size = 64; align = 8; signed = 0; encoding = none; base = 10; } _count;
		integer { size = 8; align = 8; signed = 1; encoding = UTF8; base = 10; } _comm[16];
		integer { size = 32; align = 8; signed = 0; encoding = none; base = 10; } __args_length;
		integer { size = 64; align = 8; signed = 0; encoding = none; base = 16; } _args[ __args_length ];
		enum : integer { size = 8; align = 8; signed = 0; encoding = none; base = 10; } {
			"AF_UNSPEC" = 0,
			"AF_UNIX" = 1,
			"AF_INET" = 2 ... 3,
		} _family;
		string _path;
	};
};

`, i, i+2)
	}
	return b.Bytes()
}

func BenchmarkParse(b *testing.B) {
	text := kernelLike(b, 2000)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	trace, err := Parse(kernelLike(b, 2000))
	if err != nil {
		b.Fatal(err)
	}
	text, err := Append(nil, trace)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if text, err = Append(text[:0], trace); err != nil {
			b.Fatal(err)
		}
	}
}
