// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"errors"
	"slices"
	"testing"

	"github.com/weir-io/weir/internal/handover"
)

// partOutput notes which parts have ended.
type partOutput struct {
	nowhere

	ended []string
}

func (o *partOutput) endPart(p part) error {
	o.ended = append(o.ended, p.place)
	return nil
}

// fullSource has packets for which there is no room, for a time.
type fullSource struct {
	fakeSource

	full bool
}

func (f *fullSource) stop() error {
	if f.full {
		return errSpoolFull
	}
	return f.fakeSource.stop()
}

func (f *fullSource) tellAll() error { return f.note("tell all") }
func (f *fullSource) close() error   { return f.note("close") }
func (f *fullSource) account(to *handover.StreamStatus) {
	to.Events, to.Discarded = 5, max(to.Discarded, 7)
}

// A part ends once its streams are read to their end; their counts stay, others go on.
func TestPartEnds(t *testing.T) {
	out := new(partOutput)
	c := &channel{Channel: handover.Channel{ID: 3, Name: "c"}}
	e := &engine{running: true, out: out, channels: map[uint32]*channel{3: c}}
	source := &fullSource{full: true}
	for i, place := range []string{"one", "one", "two"} {
		s := &stream{channel: c, cpu: uint32(i % 2), in: part{place: place}, source: source}
		if place == "two" {
			s.source = new(fakeSource)
		}
		s.packets.Store(10)
		s.bytes.Store(100)
		s.lost.Store(2)
		c.streams, e.streams = append(c.streams, s), append(e.streams, s)
		e.texts.of(s.in)
	}
	one := handover.Part{Place: "one"}
	if err := e.endPart(one, nil); !errors.Is(err, errSpoolFull) {
		t.Errorf("with packets that find no room: %v, want %v", err, errSpoolFull)
	}
	e.next = new(candidate)
	if err := e.endPart(one, nil); !errors.Is(err, errPrepared) {
		t.Errorf("with an output that was prepared: %v, want %v", err, errPrepared)
	}
	if e.next = nil; len(e.streams) != 3 || len(out.ended) > 0 {
		t.Errorf("%d streams, ended %q; want that nothing has ended", len(e.streams), out.ended)
	}
	source.full, source.told = false, nil
	for range 2 { // the daemon may not have got the answer
		if err := e.endPart(one, nil); err != nil {
			t.Error(err)
		}
	}
	if want := []string{"stop", "tell all", "stop", "tell all", "close", "close"}; !slices.Equal(source.told, want) {
		t.Errorf("the sources were told %q, want %q", source.told, want)
	}
	if len(e.streams) != 1 || len(c.streams) != 1 || len(e.texts) != 1 || e.texts[0].place != "two" || out.ended[0] != "one" {
		t.Errorf("streams %d, %d, texts %d, ended %q; want those of the other part", len(e.streams), len(c.streams), len(e.texts), out.ended)
	}
	if n := e.lost(); n != 6 {
		t.Errorf("%d packets lost, want those of all times, 6", n)
	}
	sums := make(map[uint32]handover.StreamStatus)
	for _, st := range e.account().Streams {
		s := sums[st.CPU]
		s.Packets, s.Bytes, s.Events, s.Discarded = s.Packets+st.Packets, s.Bytes+st.Bytes, s.Events+st.Events, s.Discarded+st.Discarded
		sums[st.CPU] = s
	}
	if a, b := sums[0], sums[1]; a.Packets != 20 || a.Bytes != 200 || a.Events != 5 || a.Discarded != 7 || b.Packets != 10 {
		t.Errorf("counts %+v", sums)
	}
}

// A part that is told twice to end, as the daemon has not got the answer, counts once until
// the relay knows.
func TestPartEndsTwiceOnRelay(t *testing.T) {
	c := &channel{Channel: handover.Channel{ID: 3, Name: "c"}}
	s := &stream{channel: c, in: part{place: "one"}}
	o := &relayOutput{begun: true, spool: newSpool(1<<20, 0, nil), writers: []*stream{s}, numbered: map[*stream]uint64{s: 5}}
	for range 2 {
		if err := o.endPart(s.in); err != nil {
			t.Fatal(err)
		}
	}
	if n := o.confirmedPast(3, 0); n != 5 {
		t.Errorf("%d packets of parts that end are confirmed, want 5", n)
	}
}
