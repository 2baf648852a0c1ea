// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracepoint

import (
	"context"
	"log/slog"
	"strings"
	"testing"
)

// An event that nobody records costs no memory.
func TestDisabledAllocatesNothing(t *testing.T) {
	tr := startTracer(nil)
	defer tr.close()
	p := newProvider(tr, "off")
	e := New2(p, "tick", Info, Int64("n"), String("text"))
	spans := NewSpans(p)
	log := slog.New(NewHandler(p, nil))
	if n := testing.AllocsPerRun(1000, func() {
		e.Write(1, "tock")
		ctx, span := spans.Start(context.Background(), "nothing")
		span.End()
		log.InfoContext(ctx, "nothing")
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
	if e.Enabled() {
		t.Error("an event that nobody records is enabled")
	}
}

// Names that no daemon could take are the programmer's mistake.
func TestNames(t *testing.T) {
	tr := startTracer(nil)
	defer tr.close()
	p := newProvider(tr, "app")
	New0(p, "there", Info)
	sizes := map[int]string{1: "SMALL", 2: "LARGE"}
	New2(p, "sized", Info, Enum("e", "sizes", sizes), Enum("f", "sizes", map[uint8]string{1: "SMALL", 2: "LARGE"}))
	for name, declare := range map[string]func(){
		"provider": func() { newProvider(tr, "a b") },
		"event":    func() { New0(p, "1st", Info) },
		"twice":    func() { New0(p, "there", Info) },
		"field":    func() { New1(p, "a", Info, Int("a-b")) },
		"fields":   func() { New2(p, "b", Info, Int("a"), Int("a")) },
		"length":   func() { New2(p, "c", Info, Bytes("a"), Int("_a_length")) },
		"before":   func() { New2(p, "d", Info, Int("_a_length"), Slice[int]("a")) },
		"level":    func() { New0(p, "e", Debug+1) },
		"severe":   func() { New0(p, "f", Emergency-1) },
		"enum":     func() { Enum[int]("e", "", map[int]string{1: "a"}) },
		"no label": func() { Enum[int]("e", "e", nil) },
		"label":    func() { Enum("e", "e", map[int]string{1: strings.Repeat("x", 256)}) },
		"zero":     func() { Enum("e", "e", map[int]string{1: "a\x00"}) },
		"labels":   func() { New1(p, "g", Info, Enum("e", "sizes", map[uint8]string{1: "OTHER", 2: "LARGE"})) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			declare()
		}()
	}
}
