// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metadata

import (
	"fmt"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/ctf/tsdl"
)

// Translator makes text of CTF 1.8 out of metadata of CTF 2, batch by batch.
// The packets of data are the same in both. What CTF 1.8 cannot express is left
// out by stream classes and event classes. It is not safe for concurrent use.
type Translator struct {
	parser  ctf.MetadataParser
	begun   bool // the trace is written
	clocks  int  // written
	streams []translated
	left    []Omission // not handed out
}

// translated is how far a stream class has been translated.
type translated struct {
	omitted bool
	events  int // looked at
	without map[uint64]bool
}

// Omission is a class that was left out.
type Omission struct {
	Stream  uint64 // id of the stream class
	IsEvent bool   // an event class of it; else all of it
	Event   uint64 // id of the event class
	Name    string // of the event class
	Err     error  // what CTF 1.8 lacks
}

// String names the class.
func (o *Omission) String() string {
	if o.IsEvent {
		return fmt.Sprintf("event class %d (%q) of stream class %d", o.Event, o.Name, o.Stream)
	}
	return fmt.Sprintf("stream class %d", o.Stream)
}

// Translate appends the text for a batch of whole fragments, plain or in
// packets. There is none before the first stream class. After an error nothing
// of the batch counts, and the trace cannot be translated any further.
func (t *Translator) Translate(dst, batch []byte) ([]byte, error) {
	if err := t.parser.Parse(batch); err != nil {
		return dst, err
	}
	tr := t.parser.Trace()
	if tr == nil || len(tr.Streams) == 0 {
		return dst, nil
	}
	if tr.Version != schema.CTF2 {
		return dst, fmt.Errorf("metadata of CTF %d, want CTF 2", tr.Version)
	}
	out, err := t.begin(dst, tr)
	if err != nil {
		return dst, err
	}
	for i, s := range tr.Streams {
		if i == len(t.streams) {
			t.streams = append(t.streams, translated{})
			if out, err = tsdl.AppendStream(out, s); err != nil {
				t.streams[i].omitted = true
				t.left = append(t.left, Omission{Stream: s.ID, Err: err})
			}
		}
		if !t.streams[i].omitted {
			out = t.events(out, s, &t.streams[i])
		}
	}
	return out, nil
}

// begin writes the trace, or the clocks that came since.
func (t *Translator) begin(dst []byte, tr *schema.Trace) (out []byte, err error) {
	out = dst
	if !t.begun {
		if out, err = tsdl.AppendTrace(dst, tr); err != nil {
			return dst, err
		}
		t.begun, t.clocks = true, len(tr.Clocks)
	}
	for ; t.clocks < len(tr.Clocks); t.clocks++ {
		if out, err = tsdl.AppendClock(out, tr, tr.Clocks[t.clocks]); err != nil {
			return dst, err
		}
	}
	return out, nil
}

func (t *Translator) events(out []byte, s *schema.Stream, st *translated) []byte {
	for ; st.events < len(s.Events); st.events++ {
		e := s.Events[st.events]
		var err error
		if out, err = tsdl.AppendEvent(out, e); err == nil {
			continue
		}
		if st.without == nil {
			st.without = make(map[uint64]bool)
		}
		st.without[e.ID] = true
		t.left = append(t.left, Omission{Stream: s.ID, IsEvent: true, Event: e.ID, Name: e.Name, Err: err})
	}
	return out
}

// Trace returns what was declared, nil before anything was.
func (t *Translator) Trace() *schema.Trace { return t.parser.Trace() }

// UUID returns the trace's identifier, zeros without one.
func (t *Translator) UUID() [16]byte {
	if tr := t.parser.Trace(); tr != nil && tr.UUID != nil {
		return *tr.UUID
	}
	return [16]byte{}
}

// Omissions returns what was left out since the last call.
func (t *Translator) Omissions() []Omission {
	left := t.left
	t.left = nil
	return left
}

// Complete reports whether everything of a stream class was translated, so that
// any packet of it can be read.
func (t *Translator) Complete(stream uint64) bool {
	st := t.stream(stream)
	return st == nil || !st.omitted && len(st.without) == 0
}

// Readable returns nil when a reader of the translation can read a packet: all
// of its events are of classes that were translated.
func (t *Translator) Readable(stream uint64, packet []byte) error {
	st := t.stream(stream)
	switch {
	case st == nil:
		return nil // it will fail as it would have without a translation
	case st.omitted:
		return fmt.Errorf("stream class %d is not translated", stream)
	case len(st.without) == 0:
		return nil
	}
	feed := ctf.NewTrace(t.parser.Trace(), ctf.Options{}).NewFeed("packet")
	feed.Packet(packet)
	feed.End()
	for {
		kind, err := feed.Next()
		if err != nil {
			return nil // the end, or broken in both
		}
		if kind != ctf.EventRecord {
			continue
		}
		if e := feed.Class(); e != nil && st.without[e.ID] {
			return fmt.Errorf("event class %d (%q) of stream class %d is not translated", e.ID, e.Name, stream)
		}
	}
}

func (t *Translator) stream(id uint64) *translated {
	tr := t.parser.Trace()
	for i := range t.streams {
		if tr.Streams[i].ID == id {
			return &t.streams[i]
		}
	}
	return nil
}
