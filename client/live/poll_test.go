// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-io/weir/lttng"
)

// A merger asks one stream at a time, whatever the others have.
func TestPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRelay()
		r.attach = []lttng.AttachReply{attachOK(meta(1, 1), data(1, 2), data(1, 3))}
		r.metadata[1] = []reply[lttng.MetadataReply]{metadataOK("M"), metadataIs(lttng.MetadataNone), metadataOK("N")}
		r.index[3] = []lttng.NextIndexReply{indexOK(0, 1, 10, 0), inactive(20, newMeta|newStream), indexIs(lttng.IndexHangup, 0)}
		r.packet[3] = []reply[lttng.PacketReply]{packetOK("a")}
		r.streams = []lttng.NewStreamsReply{newStreams(data(1, 4))}
		s := r.open(t, nil)
		step := func(id lttng.StreamID, want ...string) {
			t.Helper()
			events, err := s.Poll(t.Context(), id)
			if diff := cmp.Diff(want, showAll(events)); diff != "" || err != nil {
				t.Errorf("Poll(%d), error %v (-want +got):\n%s", id, err, diff)
			}
		}
		step(3, "added 1/1", "added 1/2", "added 1/3", "metadata 1: M", "packet 3: a")
		r.asked()
		step(2)
		if diff := cmp.Diff([]string{"GET_NEXT_INDEX 2"}, r.asked()); diff != "" {
			t.Errorf("an idle stream costs (-want +got):\n%s", diff)
		}
		step(3, "added 1/4", "metadata 1: N", "inactive 3: 20")
		step(3, "ended 3")
		if _, err := s.Poll(t.Context(), 3); !errors.Is(err, ErrUnknownStream) {
			t.Errorf("Poll of a stream that has ended = %v, want ErrUnknownStream", err)
		}
		if _, err := s.Poll(t.Context(), 1); !errors.Is(err, ErrUnknownStream) {
			t.Errorf("Poll of metadata = %v, want ErrUnknownStream", err)
		}
	})
}

// Without any stream, Update finds them and sees the end.
func TestUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRelay()
		r.streams = []lttng.NewStreamsReply{newStreams(), newStreams(meta(1, 1)), hangup}
		s := r.open(t, nil)
		for _, want := range [][]string{nil, {"added 1/1"}, {"ended 1", "session 7 ended"}, nil} {
			events, err := s.Update(t.Context())
			if diff := cmp.Diff(want, showAll(events)); diff != "" || err != nil {
				t.Errorf("Update, error %v (-want +got):\n%s", err, diff)
			}
		}
		if e, err := s.Next(t.Context()); err != io.EOF || !s.Ended() {
			t.Errorf("Next at the end = %v, %v, want EOF", e, err)
		}
	})
}

// The pauses grow to the limit, a crowd of streams makes them longer, and an
// event makes them short again.
func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pace{max: 10 * time.Millisecond}
		wait := func(want time.Duration) {
			t.Helper()
			start := time.Now()
			if err := p.wait(t.Context()); err != nil || time.Since(start) != want {
				t.Errorf("wait took %v, error %v, want %v", time.Since(start), err, want)
			}
		}
		for _, ms := range []time.Duration{1, 2, 4, 8, 10, 10} {
			wait(ms * time.Millisecond)
		}
		p.asked = 100
		wait(50 * time.Millisecond)
		wait(10 * time.Millisecond)
		p.asked = 100
		p.reset()
		wait(time.Millisecond)
	})
}

// An idle session is neither asked all the time nor forgotten.
func TestIdleRate(t *testing.T) {
	for minor, streams := range map[uint32]int{13: 1010, 15: 101} {
		synctest.Test(t, func(t *testing.T) { testIdleRate(t, minor, streams) })
	}
}

func testIdleRate(t *testing.T, minor uint32, streams int) {
	r := newRelay()
	r.minor = minor
	r.attach = []lttng.AttachReply{attachOK(meta(1, 1), data(1, 2), data(1, 3))}
	r.metadata[1] = []reply[lttng.MetadataReply]{metadataOK("M")}
	s := r.open(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	got, err := readAll(ctx, s.Next)
	if !errors.Is(err, context.DeadlineExceeded) || len(got) != 4 {
		t.Fatalf("events %q, error %v, want 4 and the deadline", got, err)
	}
	counts := make(map[string]int)
	for _, what := range r.asked() {
		counts[what]++
	}
	// 10 s with a question every 10 ms.
	for what, limit := range map[string]int{"GET_NEXT_INDEX 2": 1010, "GET_NEXT_INDEX 3": 1010, "GET_NEW_STREAMS 7": streams} {
		if n := counts[what]; n > limit || n < limit*9/10 {
			t.Errorf("%s: asked %d times, want about %d", what, n, limit)
		}
	}
}

// A context that ends in a pause leaves everything as it was.
func TestCancelInPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRelay()
		r.attach = []lttng.AttachReply{attachOK(meta(1, 1), data(1, 2))}
		r.metadata[1] = []reply[lttng.MetadataReply]{metadataOK("M")}
		s := r.open(t, nil)
		for range 3 {
			if _, err := s.Next(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond/2)
		defer cancel()
		if e, err := s.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Next = %v, %v, want the deadline", e, err)
		}
		if e, err := s.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Next with an ended context = %v, %v, want the deadline", e, err)
		}
		synctest.Wait()
		r.index[2] = []lttng.NextIndexReply{indexOK(0, 1, 1, 0)}
		r.packet[2] = []reply[lttng.PacketReply]{packetOK("a")}
		if e, err := s.Next(t.Context()); err != nil || show(e) != "packet 2: a" {
			t.Errorf("Next = %v, %v, want the packet", e, err)
		}
	})
}

// One that ends while a reply is awaited costs the connection, which says so
// from then on.
func TestCancelInExchange(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(context.Context) (context.Context, context.CancelFunc)
		want error
	}{
		{"cancelled", func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(time.Second, cancel)
			return ctx, cancel
		}, context.Canceled},
		{"deadline", func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Second)
		}, context.DeadlineExceeded},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRelay()
				r.raw[lttng.ViewerGetNewStreams] = []byte{0, 0} // and no more
				s := r.open(t, nil)
				ctx, cancel := tt.end(t.Context())
				defer cancel()
				_, err := s.Next(ctx)
				lost, ok := errors.AsType[*ConnError](err)
				if !ok || !errors.Is(err, tt.want) || lost.Op != "GET_NEW_STREAMS" {
					t.Fatalf("Next = %v, want a ConnError of %v", err, tt.want)
				}
				if _, again := s.Next(t.Context()); again != err {
					t.Errorf("Next afterwards = %v, want %v", again, err)
				}
			})
		})
	}
}

// A relay that does not answer is given up.
func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRelay()
		r.raw[lttng.ViewerGetNewStreams] = []byte{}
		s := r.open(t, func(c *Config) { c.Timeout = 3 * time.Second })
		start := time.Now()
		_, err := s.Next(t.Context())
		if _, ok := errors.AsType[*ConnError](err); !ok || time.Since(start) != 3*time.Second {
			t.Errorf("Next = %v after %v, want a ConnError after 3 s", err, time.Since(start))
		}
	})
}

// Sessions of the name that begin later are read from their beginning.
func TestSessionsOfOneName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRelay()
		r.sessions = append(r.sessions,
			lttng.ViewerSession{ID: 8, LiveTimer: 1, Hostname: "vm", Name: "other"},
			lttng.ViewerSession{ID: 9, Hostname: "vm", Name: "s"})
		r.attach = []lttng.AttachReply{attachOK(), {Status: lttng.AttachNotLive}, {Status: lttng.AttachAlready}}
		s := r.open(t, nil)
		r.sessions = append(r.sessions, lttng.ViewerSession{ID: 10, LiveTimer: 1, Hostname: "elsewhere", Name: "s"})
		for len(s.Sessions()) < 2 {
			if _, err := s.Update(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := s.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		var attached []string
		for _, what := range r.asked() {
			if what[:6] == "ATTACH" {
				attached = append(attached, what)
			}
		}
		want := []string{
			"ATTACH_SESSION 7 BEGINNING", "ATTACH_SESSION 9 BEGINNING",
			"ATTACH_SESSION 9 BEGINNING", "ATTACH_SESSION 10 BEGINNING",
		}
		if diff := cmp.Diff(want, attached); diff != "" {
			t.Errorf("attached (-want +got):\n%s", diff)
		}
		if err := s.Detach(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"DETACH_SESSION 7", "DETACH_SESSION 10"}, r.asked()); diff != "" {
			t.Errorf("detached (-want +got):\n%s", diff)
		}
		if _, err := s.Next(t.Context()); err != io.EOF {
			t.Errorf("Next after Detach = %v, want EOF", err)
		}
	})
}
