// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/lttng"
)

// A relay of LTTng is asked once more, one of weir not, and a plain producer
// asks only what LTTng's do.
func TestExtensionsAreAskedFor(t *testing.T) {
	for name, tt := range map[string]struct {
		extends   lttng.Extensions
		plain     bool
		asks      int
		resumable bool
	}{
		"lttng": {0, false, 2, false}, "weir": {lttng.ExtResume, false, 1, true},
		"later weir": {lttng.ExtResume | 1<<20, false, 1, true}, "plain": {lttng.ExtResume, true, 1, false},
	} {
		p := newPeer()
		p.extends = tt.extends
		s := p.open(t, func(o *Options) { o.Plain = tt.plain })
		asks := 0
		for _, line := range p.asked() {
			if line == "GET_CONFIGURATION" || line == "GET_CONFIGURATION extensions <nil>" {
				asks++
			}
		}
		if asks != tt.asks || s.Resumable() != tt.resumable || !s.ClearAllowed() {
			t.Errorf("%s: %d questions, resumable %v, clear %v", name, asks, s.Resumable(), s.ClearAllowed())
		}
	}
}

// Resume asks until the relay is ready; streams and chunks go on from what it
// says.
func TestResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer()
		p.extends, p.unready = lttng.ExtResume, 3
		s := p.open(t, nil)
		options := make([]StreamOptions, lttng.MaxResumeStreams+2)
		for i := range options {
			options[i] = StreamOptions{Channel: "ch", Path: "kernel"}
		}
		all, err := s.Resume(t.Context(), options...)
		if err != nil || len(all) != len(options) {
			t.Fatalf("%d streams (%v), want %d", len(all), err, len(options))
		}
		last := all[len(all)-1]
		if last.ID() != lttng.StreamID(len(all)) || last.Next() != 100*uint64(len(all)) {
			t.Errorf("last stream %d goes on at %d", last.ID(), last.Next())
		}
		// Without a number of its own a packet gets the next one; rotations go by
		// it.
		if err := last.SendPacket(t.Context(), make([]byte, 8), ctf.PacketInfo{}); err != nil {
			t.Fatal(err)
		}
		state := s.state()
		text, err := json.Marshal(state)
		if err != nil {
			t.Fatal(err)
		}
		var again State
		if err := json.Unmarshal(text, &again); err != nil || !again.Extensions.Has(lttng.ExtResume) || again.Streams[0].First != 100 {
			t.Errorf("state of a resumed session: %v, %+v", err, again.Extensions)
		}
		id, err := s.CreateChunk(t.Context(), Chunk{Created: created})
		if err != nil || id != 5 {
			t.Errorf("chunk %d (%v), want 5", id, err)
		}
		if err := s.RotateStreams(t.Context(), true, last); err != nil {
			t.Fatal(err)
		}
		s.Abort()
		asked := p.asked()
		if n := len(slices.DeleteFunc(slices.Clone(asked), func(l string) bool { return l != "RESUME 128 <nil>" && l != "RESUME 2 <nil>" })); n != 5 {
			t.Errorf("%d times RESUME, want 5: %q", n, asked)
		}
		if slices.Contains(asked, "CREATE_TRACE_CHUNK 0  <nil>") || !slices.Contains(asked, "ROTATE_STREAMS true 5 [{130 13001}] 20 <nil>") {
			t.Errorf("requests %q", asked)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if x := p.indexes[0]; x.NetSeqNum != 0 || x.PacketSeqNum != 13000 {
			t.Errorf("index of packet %d, network number %d; want 13000 and 0", x.PacketSeqNum, x.NetSeqNum)
		}
	})
}

func TestResumeRefused(t *testing.T) {
	t.Run("unsupported", func(t *testing.T) {
		s := newPeer().open(t, nil)
		if _, err := s.Resume(t.Context(), StreamOptions{Channel: "ch"}); !errors.Is(err, errors.ErrUnsupported) || s.Err() != nil {
			t.Errorf("%v, session %v", err, s.Err())
		}
	})
	t.Run("nothing stored", func(t *testing.T) {
		p := newPeer()
		p.extends, p.nothing = lttng.ExtResume, true
		s := p.open(t, nil)
		if _, err := s.Resume(t.Context(), StreamOptions{Channel: "ch"}); !errors.Is(err, ErrNothingStored) || s.Err() != nil {
			t.Errorf("%v, session %v", err, s.Err())
		}
		streams(t, s)
	})
	t.Run("never ready", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := newPeer()
			p.extends, p.unready = lttng.ExtResume, 1<<30
			s := p.open(t, nil)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if _, err := s.Resume(ctx, StreamOptions{Channel: "ch"}); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v, want %v", err, context.DeadlineExceeded)
			}
			s.Abort()
		})
	})
	for name, answer := range map[string][]byte{
		"refused":          lttng.ResumeReply{Code: lttng.ReplyUnknown}.Append(nil),
		"too few streams":  lttng.ResumeReply{Code: lttng.ReplyOK}.Append(nil),
		"too many streams": lttng.ResumeReply{Code: lttng.ReplyOK, Streams: make([]lttng.ResumedStream, lttng.MaxResumeStreams+1)}.Append(nil),
	} {
		t.Run(name, func(t *testing.T) {
			p := newPeer()
			p.extends = lttng.ExtResume
			p.raw[lttng.CmdResume] = answer
			s := p.open(t, nil)
			if _, err := s.Resume(t.Context(), StreamOptions{Channel: "ch"}); err == nil || s.Err() == nil {
				t.Errorf("%v, session %v; want an end", err, s.Err())
			}
		})
	}
}
