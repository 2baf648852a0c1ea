// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-io/weir/lttng"
)

// dials hands out connections to one relay after the other; nil is one that
// cannot be reached, and so is everything behind the last.
type dials struct {
	relays []*relay
	times  []time.Time
}

var errUnreachable = errors.New("unreachable")

func (d *dials) dial(ctx context.Context, network, address string) (net.Conn, error) {
	d.times = append(d.times, time.Now())
	var r *relay
	if r, d.relays = pop(d.relays, nil); r == nil {
		return nil, errUnreachable
	}
	return r.dial(ctx, network, address)
}

// short is a relay that falls silent after the first packet.
func short() *relay {
	r := newRelay()
	r.attach = []lttng.AttachReply{attachOK(meta(1, 1), data(1, 2))}
	r.metadata[1] = []reply[lttng.MetadataReply]{metadataOK("M")}
	r.index[2] = []lttng.NextIndexReply{indexOK(0, 1, 1, 0)}
	r.packet[2] = []reply[lttng.PacketReply]{packetOK("a")}
	r.raw[lttng.ViewerGetNewStreams] = []byte{}
	return r
}

// whole is a relay whose session ends in order.
func whole() *relay {
	r := newRelay()
	r.attach = []lttng.AttachReply{attachOK(meta(1, 1), data(1, 2))}
	r.metadata[1] = []reply[lttng.MetadataReply]{metadataOK("M")}
	r.index[2] = []lttng.NextIndexReply{indexOK(0, 1, 1, 0), indexIs(lttng.IndexHangup, 0)}
	r.packet[2] = []reply[lttng.PacketReply]{packetOK("a")}
	r.streams = []lttng.NewStreamsReply{hangup}
	return r
}

// changed is a relay that differs from the whole one.
func changed(change func(*relay)) *relay {
	r := whole()
	change(r)
	return r
}

func TestFollow(t *testing.T) {
	gone := changed(func(r *relay) { r.sessions = nil })
	attached := changed(func(r *relay) { r.attach = []lttng.AttachReply{{Status: lttng.AttachAlready}} })
	renamed := changed(func(r *relay) { r.sessions[0].Name = "another" })
	first := []string{"added 1/1", "added 1/2", "metadata 1: M", "packet 2: a"}
	last := append(append([]string{}, first...), "ended 2", "ended 1", "session 7 ended")
	then := func(event string) []string {
		return append(append(append([]string{}, first...), "disconnected", event), last...)
	}
	tests := []struct {
		name   string
		relays []*relay
		change func(*FollowConfig)
		want   []string
		err    error
		took   time.Duration // at least, without the time for replies
	}{
		{name: "without a loss", relays: []*relay{whole()}, want: last},
		{name: "at once", relays: []*relay{short(), whole()}, want: then("reconnected after 1")},
		{
			name: "not at once", relays: []*relay{short(), nil, nil, nil, whole()},
			want: then("reconnected after 4"), took: 700 * time.Millisecond,
		},
		{
			name: "the relay has not noticed", relays: []*relay{short(), attached, whole()},
			want: then("reconnected after 2"), took: 100 * time.Millisecond,
		},
		{
			name: "the session is gone", relays: []*relay{short(), gone},
			want: append(first[:4:4], "disconnected"), err: ErrSessionGone,
		},
		{
			name: "and comes again", relays: []*relay{gone, gone, short(), gone, whole()},
			change: func(c *FollowConfig) { c.Await = true },
			want:   then("reconnected after 2"), took: 400 * time.Millisecond,
		},
		{
			name: "its number is another's", relays: []*relay{short(), renamed},
			change: func(c *FollowConfig) { c.Target = Target{ID: 7} },
			want:   append(first[:4:4], "disconnected"), err: ErrSessionGone,
		},
		{
			name: "for too long", relays: []*relay{short()},
			change: func(c *FollowConfig) { c.GiveUp = time.Minute },
			want:   append(first[:4:4], "disconnected"), err: errUnreachable, took: time.Minute,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &dials{relays: tt.relays}
				cfg := FollowConfig{Config: Config{Dial: d.dial, Timeout: time.Second}, Target: Target{Name: "s"}}
				if tt.change != nil {
					tt.change(&cfg)
				}
				start := time.Now()
				f, err := Follow(t.Context(), cfg)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				got, err := readAll(t.Context(), f.Next)
				if diff := cmp.Diff(tt.want, got); diff != "" || !errors.Is(err, tt.err) {
					t.Errorf("error %v, want %v; events (-want +got):\n%s", err, tt.err, diff)
				}
				if took := time.Since(start); took < tt.took || took > tt.took+10*time.Second {
					t.Errorf("took %v, want about %v", took, tt.took)
				}
				if tt.err == nil {
					return
				}
				if _, again := f.Next(t.Context()); again != err {
					t.Errorf("Next afterwards = %v, want %v", again, err)
				}
			})
		})
	}
}

// The pauses double up to the limit.
func TestFollowBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &dials{relays: []*relay{short()}}
		f, err := Follow(t.Context(), FollowConfig{
			Config: Config{Dial: d.dial, Timeout: time.Second}, Target: Target{Name: "s"},
			MinBackoff: time.Second, MaxBackoff: 3 * time.Second, GiveUp: 10 * time.Second,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := readAll(t.Context(), f.Next); !errors.Is(err, errUnreachable) {
			t.Errorf("Next = %v, want the last attempt's error", err)
		}
		var pauses []time.Duration
		for i := 2; i < len(d.times); i++ {
			pauses = append(pauses, d.times[i].Sub(d.times[i-1]))
		}
		if diff := cmp.Diff([]time.Duration{time.Second, 2 * time.Second, 3 * time.Second, 3 * time.Second, 3 * time.Second}, pauses); diff != "" {
			t.Errorf("pauses (-want +got):\n%s", diff)
		}
	})
}

func TestFollowRefusedAtFirst(t *testing.T) {
	d := &dials{}
	if f, err := Follow(t.Context(), FollowConfig{Config: Config{Dial: d.dial}}); !errors.Is(err, errUnreachable) {
		t.Errorf("Follow = %v, %v, want the error of the dial", f, err)
	}
	synctest.Test(t, func(t *testing.T) {
		gone := changed(func(r *relay) { r.sessions = nil })
		d := &dials{relays: []*relay{gone, gone, gone}}
		ctx, cancel := context.WithTimeout(t.Context(), 250*time.Millisecond)
		defer cancel()
		f, err := Follow(ctx, FollowConfig{Config: Config{Dial: d.dial}, Target: Target{Name: "s"}, Await: true})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Follow = %v, %v, want the deadline", f, err)
		}
	})
}

// A merger sees the same through Poll and Update.
func TestFollowPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &dials{relays: []*relay{short(), nil, whole()}}
		f, err := Follow(t.Context(), FollowConfig{Config: Config{Dial: d.dial, Timeout: time.Second}, Target: Target{Name: "s"}})
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var got []string
		alive := make(map[lttng.StreamID]bool)
		for !f.Ended() {
			events, err := f.Update(t.Context())
			for id := range alive {
				more, e := f.Poll(t.Context(), id)
				events, err = append(events[:len(events):len(events)], more...), errors.Join(err, e)
			}
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, showAll(events)...)
			for _, e := range events {
				switch e := e.(type) {
				case StreamAdded:
					if !e.Metadata {
						alive[e.Stream] = true
					}
				case StreamEnded:
					delete(alive, e.Stream)
				case Disconnected, Reconnected:
					clear(alive)
				}
			}
			if err := f.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		want := []string{
			"added 1/1", "added 1/2", "metadata 1: M", "packet 2: a", "disconnected", "reconnected after 2",
			"added 1/1", "added 1/2", "metadata 1: M", "packet 2: a", "ended 2", "ended 1", "session 7 ended",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		if e, err := f.Next(t.Context()); err != io.EOF {
			t.Errorf("Next at the end = %v, %v, want EOF", e, err)
		}
	})
}

// A context that costs the connection is the caller's own doing; the next call
// finds the loss and goes on.
func TestFollowCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := newRelay()
		silent.raw[lttng.ViewerGetNewStreams] = []byte{}
		d := &dials{relays: []*relay{silent, whole()}}
		f, err := Follow(t.Context(), FollowConfig{Config: Config{Dial: d.dial}, Target: Target{Name: "s"}, Again: FromNow})
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if e, err := f.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Next = %v, %v, want the deadline", e, err)
		}
		got, err := readAll(t.Context(), f.Next)
		if err != nil || len(got) != 9 || got[0] != "disconnected" {
			t.Errorf("events %q, error %v, want a reconnection and 7 more", got, err)
		}
	})
}

// Whoever reads two relays goes on with the one that is there while the other
// one is away.
func TestFollowTwoRelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const packets = 50
		there := newRelay()
		there.attach = []lttng.AttachReply{attachOK(meta(1, 1), data(1, 2))}
		there.metadata[1] = []reply[lttng.MetadataReply]{metadataOK("M")}
		for n := range uint64(packets) {
			there.index[2] = append(there.index[2], indexOK(n, 1, n+1, 0))
			there.packet[2] = append(there.packet[2], packetOK("b"))
		}
		killed := &dials{relays: []*relay{short(), nil, nil, nil, nil, whole()}}
		var all [2]*Follower
		for i, dial := range []func(context.Context, string, string) (net.Conn, error){killed.dial, there.dial} {
			f, err := Follow(t.Context(), FollowConfig{Config: Config{Dial: dial, Timeout: time.Second}, Target: Target{Name: "s"}})
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			all[i] = f
		}
		lost, other := all[0], all[1]
		ask := func(f *Follower) (got []string) {
			t.Helper()
			events, err := f.Poll(t.Context(), 2)
			if err != nil {
				t.Fatal(err)
			}
			return showAll(events)
		}
		for got := ask(lost); len(got) == 0 || got[len(got)-1] != "disconnected"; got = ask(lost) {
			if err := lost.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		away, read := time.Now(), 0
		for read < packets {
			if got := ask(lost); len(got) > 0 {
				t.Fatalf("the lost relay brought %q", got)
			}
			for _, e := range ask(other) {
				if e == "packet 2: b" {
					read++
				}
			}
		}
		if took := time.Since(away); took > 0 {
			t.Errorf("the other relay was held up for %v", took)
		}
		waits := 0
		got := ask(lost)
		for ; len(got) == 0; got = ask(lost) {
			if err := lost.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			waits++
		}
		if got[0] != "reconnected after 5" || waits < 50 {
			t.Errorf("events %q after %d pauses, want the connection after pauses of 10 ms in 1.5 s", got, waits)
		}
	})
}

// Close ends the attempts, also one that has just succeeded.
func TestFollowCloseWhileAway(t *testing.T) {
	for name, next := range map[string]*relay{"none": nil, "one": whole()} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &dials{relays: []*relay{short(), next}}
				f, err := Follow(t.Context(), FollowConfig{Config: Config{Dial: d.dial, Timeout: time.Second}, Target: Target{Name: "s"}})
				if err != nil {
					t.Fatal(err)
				}
				for e := Event(nil); ; {
					if e, err = f.Next(t.Context()); err != nil {
						t.Fatal(err)
					}
					if _, ok := e.(Disconnected); ok {
						break
					}
				}
				synctest.Wait()
				if err := f.Close(); err != nil {
					t.Error(err)
				}
				synctest.Wait() // nothing is left over: or the bubble says so
			})
		})
	}
}
