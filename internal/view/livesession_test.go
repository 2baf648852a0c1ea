// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"weak"

	"github.com/weir-io/weir/client/live"
	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/lttng"
)

// shortTraces plays a relay with one short trace after the other: the next one
// comes when the one before has been read.
type shortTraces struct {
	metadata, packet []byte
	left             int
	next             lttng.StreamID
	read             bool // the packet of the trace
}

func (r *shortTraces) Update(context.Context) ([]live.Event, error) { return nil, nil }
func (r *shortTraces) Wait(context.Context) error                   { return nil }
func (r *shortTraces) Ended() bool                                  { return r.left == 0 }
func (r *shortTraces) Close() error                                 { return nil }

// begin announces a trace.
func (r *shortTraces) begin() []live.Event {
	r.next += 2
	r.read = false
	id, trace := r.next, live.TraceID(r.next)
	return []live.Event{
		live.StreamAdded{Stream: id + 1, Trace: trace, Metadata: true, Path: "p", Channel: "metadata"},
		live.StreamAdded{Stream: id, Trace: trace, Path: "p", Channel: "ch_0"},
		live.Metadata{Trace: trace, Stream: id + 1, Data: r.metadata},
	}
}

func (r *shortTraces) Poll(_ context.Context, id lttng.StreamID) ([]live.Event, error) {
	if id != r.next {
		return nil, live.ErrUnknownStream
	}
	if !r.read {
		r.read = true
		return []live.Event{live.Packet{Stream: id, Data: bytes.Clone(r.packet)}}, nil
	}
	all := []live.Event{live.StreamEnded{Stream: id}, live.StreamEnded{Stream: id + 1}}
	if r.left--; r.left > 0 {
		all = append(all, r.begin()...)
	}
	return all, nil
}

// schemas is a sink that notes which traces it has seen.
type schemas struct {
	Sink
	last *schema.Trace
	all  []weak.Pointer[schema.Trace]
}

func (s *schemas) Event(st *ctf.Stream, e *ctf.Event) error {
	if t := st.Trace.Schema; t != s.last {
		s.last = t
		s.all = append(s.all, weak.Make(t))
	}
	return s.Sink.Event(st, e)
}

// However many traces come and go, a view keeps what those need that are there.
func TestEndedTracesAreForgotten(t *testing.T) {
	dir := t.TempDir()
	makeTrace(t, dir, "web", 1, 20)
	relay := &shortTraces{left: 2000}
	for path, b := range map[string]*[]byte{"metadata": &relay.metadata, "ch_0": &relay.packet} {
		var err error
		if *b, err = os.ReadFile(filepath.Join(dir, path)); err != nil {
			t.Fatal(err)
		}
	}
	csv, err := NewCSV(NewOutput(io.Discard), []string{"time", "name", "n"})
	if err != nil {
		t.Fatal(err)
	}
	text := NewText(DefaultTextOptions())
	for name, to := range map[string]Sink{
		"text": NewTextSink(text, NewOutput(io.Discard), io.Discard, Palette{}),
		"JSON": NewWarner(NewJSONLines(NewOutput(io.Discard)), text, io.Discard, Palette{}),
		"CSV":  csv, "timeline": NewTimeline(NewOutput(io.Discard)), "summary": NewSummary(NewOutput(io.Discard), CountLines),
	} {
		t.Run(name, func(t *testing.T) {
			r := *relay
			where, err := NewWhere("n >= 0")
			if err != nil {
				t.Fatal(err)
			}
			sink := &schemas{Sink: to}
			set := &liveSet{ctx: t.Context(), out: sink, messages: io.Discard, caches: []cache{to.(cache), where}}
			l := newLiveSession(t.Context(), &r, set, ctf.Options{})
			set.sessions = append(set.sessions, l)
			if err := l.applyAll(r.begin(), nil); err != nil {
				t.Fatal(err)
			}
			sel := Selection{Window: All, Keep: func() func(*ctf.Event) bool { return where.Keep }}
			if err := set.run(t.Context(), sink, sel); err != nil {
				t.Fatal(err)
			}
			if len(sink.all) != relay.left {
				t.Errorf("%d traces shown, want %d", len(sink.all), relay.left)
			}
			if len(l.traces)+len(l.streams)+len(l.open)+len(l.last) > 0 {
				t.Errorf("of ended streams there are %d traces, %d and %d streams, %d to resume", len(l.traces), len(l.streams), len(l.open), len(l.last))
			}
			sink.last = nil
			runtime.GC()
			kept := 0
			for _, w := range sink.all {
				if w.Value() != nil {
					kept++
				}
			}
			const few = 10 // that something of the last ones still points to
			if kept > few {
				t.Errorf("%d schemas of ended traces are kept, want at most %d", kept, few)
			}
			runtime.KeepAlive([]any{to, where, l, set})
		})
	}
}
