// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
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

// scripted plays a relay that answers from a list, one entry each time that it
// is asked.
type scripted struct {
	answers [][]live.Event
	ended   bool
}

func (r *scripted) answer() ([]live.Event, error) {
	if len(r.answers) == 0 {
		return nil, nil
	}
	next := r.answers[0]
	r.answers = r.answers[1:]
	for _, e := range next {
		if _, ok := e.(live.SessionEnded); ok {
			r.ended = true
		}
	}
	return next, nil
}

func (r *scripted) Update(context.Context) ([]live.Event, error)               { return r.answer() }
func (r *scripted) Poll(context.Context, lttng.StreamID) ([]live.Event, error) { return r.answer() }
func (r *scripted) Ended() bool                                                { return r.ended }
func (r *scripted) Close() error                                               { return nil }

func (r *scripted) Wait(ctx context.Context) error {
	select {
	case <-time.After(time.Millisecond):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// makeFeeds writes a trace of two streams and returns its metadata and the
// streams, which are a packet each.
func makeFeeds(t *testing.T, host string) (metadata []byte, packets [2][]byte) {
	t.Helper()
	dir := t.TempDir()
	makeTrace(t, dir, host, 2, 20)
	for path, b := range map[string]*[]byte{"metadata": &metadata, "ch_0": &packets[0], "ch_1": &packets[1]} {
		var err error
		if *b, err = os.ReadFile(filepath.Join(dir, path)); err != nil {
			t.Fatal(err)
		}
	}
	return metadata, packets
}

// A session whose relay is lost holds nobody up; when it is back, it is shown
// while the others go on. One that stays lost ends alone.
func TestLostRelayBesideAnother(t *testing.T) {
	metadata, packets := makeFeeds(t, "web")
	begin := func(stream lttng.StreamID) []live.Event {
		return []live.Event{
			live.StreamAdded{Stream: 1, Trace: 1, Metadata: true, Path: "p", Channel: "metadata"},
			live.StreamAdded{Stream: stream, Trace: 1, Path: "p", Channel: "ch"},
			live.Metadata{Trace: 1, Stream: 1, Data: metadata},
		}
	}
	end := func(stream lttng.StreamID) []live.Event {
		return []live.Event{live.StreamEnded{Stream: stream}, live.StreamEnded{Stream: 1}, live.SessionEnded{}}
	}
	silence := make([][]live.Event, 40)
	gone := errors.New("gone")
	for name, back := range map[string]bool{"comes back": true, "stays away": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var lost follower
				away := &scripted{answers: append([][]live.Event{
					begin(3), {live.Disconnected{Err: gone}},
				}, silence...)}
				lost = away
				if back {
					away.answers = append(away.answers, []live.Event{live.Reconnected{}}, begin(4),
						[]live.Event{live.Packet{Stream: 4, Data: packets[1]}}, end(4))
				} else {
					lost = &failingAfter{scripted: away, err: gone}
				}
				there := &scripted{answers: [][]live.Event{begin(2), {live.Packet{Stream: 2, Data: packets[0]}}}}
				for n := range 100 {
					idle := live.Inactive{Stream: 2, Until: origin + 1000 + uint64(n)}
					there.answers = append(append(there.answers, silence...), []live.Event{idle})
				}
				there.answers = append(there.answers, end(2))
				var out, messages strings.Builder
				sink := &whileLeft{Sink: NewJSONLines(NewOutput(&out)), of: there}
				set := &liveSet{ctx: t.Context(), out: sink, messages: &messages}
				for _, r := range []follower{lost, there} {
					set.sessions = append(set.sessions, newLiveSession(t.Context(), r, set, ctf.Options{}))
				}
				err := set.run(t.Context(), sink, Selection{Window: All})
				if e := sink.Flush(); e != nil {
					t.Fatal(e)
				}
				want := [2]int{20, 20}
				if !back {
					want[1] = 0
				}
				if got := [2]int{strings.Count(out.String(), `"cpu":0`), strings.Count(out.String(), `"cpu":1`)}; got != want {
					t.Errorf("events of the two: %v, want %v", got, want)
				}
				if back && sink.left < 1000 {
					t.Errorf("what came back was shown when the other session had %d answers left", sink.left)
				}
				if back != (err == nil) || err != nil && !errors.Is(err, gone) {
					t.Errorf("error %v", err)
				}
				if back && !strings.Contains(messages.String(), "connected again") || !back && !strings.Contains(messages.String(), "going on without") {
					t.Errorf("messages:\n%s", messages.String())
				}
				if len(away.answers) > 0 {
					t.Errorf("the lost session has %d answers that nobody asked for", len(away.answers))
				}
			})
		})
	}
}

// whileLeft is a sink that notes how much a session had left to tell when the
// last event of the second CPU came.
type whileLeft struct {
	Sink
	of   *scripted
	left int
}

func (s *whileLeft) Event(st *ctf.Stream, e *ctf.Event) error {
	if st.ID == 1 {
		s.left = len(s.of.answers)
	}
	return s.Sink.Event(st, e)
}

// failingAfter gives up when its script is at its end.
type failingAfter struct {
	*scripted
	err error
}

func (r *failingAfter) Update(ctx context.Context) ([]live.Event, error) {
	if len(r.answers) == 0 {
		return nil, r.err
	}
	return r.scripted.Update(ctx)
}
