// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracepoint

import (
	"context"
	"log/slog"
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
	for name, declare := range map[string]func(){
		"provider": func() { newProvider(tr, "a b") },
		"event":    func() { New0(p, "1st", Info) },
		"twice":    func() { New0(p, "there", Info) },
		"field":    func() { New1(p, "a", Info, Int("a-b")) },
		"fields":   func() { New2(p, "b", Info, Int("a"), Int("a")) },
		"enum":     func() { Enum[int]("e", "", map[int]string{1: "a"}) },
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
