// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaytest_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	client "github.com/weir-io/weir/client/relay"
	"github.com/weir-io/weir/internal/relay"
	"github.com/weir-io/weir/internal/relaytest"
	"github.com/weir-io/weir/internal/tracestore"
	"github.com/weir-io/weir/internal/wait"
	"github.com/weir-io/weir/lttng"
)

// A relay is killed in the middle of a recording, again and again. What it has
// when it is back, and what it then gets, is every packet once.
func TestKillAndResume(t *testing.T) {
	for _, size := range []int{200, 100_000} {
		t.Run(strconv.Itoa(size), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(uint64(size), 1))
			dir := t.TempDir()
			p := newReturning(t, 3)
			p.size = size
			relay := startProcess(t, dir)
			p.begin(relay.relay)
			var sent uint64
			for round := range 5 {
				// Some of it was answered for certain, and some has just been
				// written to a socket.
				sent += 20 + rng.Uint64N(100)
				p.mustSend(sent)
				for p.data()[0].Confirmed() < 10 {
					if err := p.session.Sync(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				confirmed := p.data()[0].Confirmed() + p.data()[0].Next() - p.data()[0].Sent()
				if round%2 == 0 { // under load
					ended := make(chan error, 1)
					go func() { ended <- p.send(1 << 40) }()
					wait.Until(t, "more is being sent", func() bool { return p.data()[0].Next() > sent+5 })
					relay.kill()
					if err := <-ended; err == nil {
						t.Fatal("a producer of a killed relay goes on")
					}
				} else if round == 1 {
					relay.kill()
				} else {
					relay.stop() // in order, which is no better for the producer
				}
				sent = max(sent, p.data()[0].Next())
				p.lose()
				relay = startProcess(t, dir)
				// Readers of what is left now find an index for each packet.
				for i := range p.data() {
					relaytest.Stored(t, filepath.Join(p.oneSession(filepath.Join(dir, "out")), "kernel", fmt.Sprintf("ch_%d", i)))
				}
				p.resume(relay.relay)
				for i, st := range p.data() {
					if st.Next() > sent+1 {
						t.Errorf("stream %d is to go on at %d, but only %d were sent", i, st.Next(), sent)
					}
				}
				if next := p.data()[0].Next(); next+200 < confirmed {
					t.Errorf("stream 0 is to go on at %d, but %d were confirmed", next, confirmed)
				}
			}
			p.mustSend(sent + 50)
			p.finish()
			relay.stop()
			p.checkOnce(filepath.Join(dir, "out"), sent+50)
		})
	}
}

// The connection breaks and the relay lives on.
func TestResumeAfterLoss(t *testing.T) {
	r := relaytest.Start(t)
	p := newReturning(t, 2)
	p.begin(r)
	p.mustSend(10)
	for i := range 3 {
		p.lose()
		r.WaitSettled()
		p.resume(r)
		p.mustSend(20 + 10*uint64(i))
	}
	p.finish()
	r.WaitSettled()
	p.checkOnce(r.Output, 40)
	if got := r.Store.Counters().Resumed.Load(); got != 9 {
		t.Errorf("%d streams resumed, want 9", got)
	}
}

// The old connection is still there when the producer comes back: it is ended,
// after what it has sent was stored.
func TestResumeTakesOver(t *testing.T) {
	for workers := 1; workers <= 3; workers++ {
		t.Run(strconv.Itoa(workers), func(t *testing.T) {
			r := relaytest.Start(t, func(o *relay.Options, _ *tracestore.Options) { o.Workers = workers })
			p := newReturning(t, 2)
			p.begin(r)
			p.mustSend(10)
			old := p.session
			t.Cleanup(old.Abort)
			p.resume(r)
			<-old.Dead()
			for i, st := range p.data() {
				if st.Next() != 10 {
					t.Errorf("stream %d goes on at %d, want 10", i, st.Next())
				}
			}
			p.mustSend(25)
			p.finish()
			r.WaitSettled()
			p.checkOnce(r.Output, 25)
		})
	}
}

// Who does not know the UUID, or is another session, gets a directory of its
// own and nothing of the recording.
func TestResumeNeedsIdentity(t *testing.T) {
	for name, change := range map[string]func(*client.Options){
		"uuid":    func(o *client.Options) { o.UUID[15]++ },
		"session": func(o *client.Options) { o.SessionID++ },
		"time":    func(o *client.Options) { o.Created = o.Created.Add(time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			r := relaytest.Start(t)
			p := newReturning(t, 1)
			p.begin(r)
			p.mustStore(3)
			p.lose()
			r.WaitSettled()
			before := relaytest.Tree(t, r.Output)
			thief := newReturning(t, 1)
			change(&thief.options)
			s := thief.dial(r.Control, r.Data)
			if _, err := s.Resume(t.Context(), thief.streams...); !errors.Is(err, client.ErrNothingStored) {
				t.Errorf("Resume: %v, want %v", err, client.ErrNothingStored)
			}
			// The session is good for a new recording.
			var err error
			if thief.open, err = s.AddStreams(t.Context(), thief.streams...); err != nil {
				t.Fatal(err)
			}
			thief.describe()
			thief.mustSend(2)
			thief.finish()
			r.WaitSettled()
			after := relaytest.Tree(t, r.Output)
			for path, content := range before {
				if diff := cmp.Diff(content, after[path]); diff != "" {
					t.Errorf("%s was changed:\n%s", path, diff)
				}
			}
		})
	}
}

// A producer that forgets to resume does not replace what is stored.
func TestReturningReplacesNothing(t *testing.T) {
	r := relaytest.Start(t)
	p := newReturning(t, 1)
	p.begin(r)
	p.mustStore(3)
	p.lose()
	r.WaitSettled()
	s := p.dial(r.Control, r.Data)
	if _, err := s.AddStreams(t.Context(), p.streams...); err == nil {
		t.Error("streams of an earlier connection were added anew")
	}
	p.lose()
	r.WaitSettled()
	p.resume(r)
	if next := p.data()[0].Next(); next != 3 {
		t.Errorf("goes on at %d, want 3", next)
	}
	p.finish()
}

// A relay that nobody asked for extensions behaves as lttng-relayd, and so does
// the producer.
func TestPlainProducer(t *testing.T) {
	r := relaytest.Start(t)
	p := newReturning(t, 1)
	p.options.Plain = true
	s, err := client.Dial(t.Context(), mustURL(t, "tcp4://"+r.Control), mustURL(t, "tcp4://"+r.Data), p.options)
	if err != nil {
		t.Fatal(err)
	}
	p.session = s
	if s.Resumable() {
		t.Error("a plain session is resumable")
	}
	if _, err := s.Resume(t.Context(), p.streams...); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Resume: %v, want %v", err, errors.ErrUnsupported)
	}
	if p.open, err = s.AddStreams(t.Context(), p.streams...); err != nil {
		t.Fatal(err)
	}
	p.describe()
	p.mustSend(1)
	p.lose()
	r.WaitSettled()
	if found := marks(t, r.Output); len(found) > 0 {
		t.Errorf("marks of a plain producer: %q", found)
	}
	raw := r.Dial(t)
	raw.Version(lttng.Version{Major: 2, Minor: 15})
	raw.Request(lttng.CmdResume, lttng.Resume{}.Append)
	if got := raw.WaitControlClosed(); !cmp.Equal(got, lttng.AppendCode(nil, lttng.ReplyUnknown)) {
		t.Errorf("RESUME without the extension is answered %x", got)
	}
}

// Trace files of limited size go on in the newest one.
func TestResumeRing(t *testing.T) {
	for _, count := range []uint64{0, 1, 3} {
		t.Run(fmt.Sprint(count), func(t *testing.T) {
			dir := t.TempDir()
			p := newReturning(t, 1)
			p.streams[0].TracefileSize, p.streams[0].TracefileCount = 3*uint64(p.size), count
			p.options.LiveTimer = time.Second
			relay := startProcess(t, dir)
			p.begin(relay.relay)
			var total uint64
			for range 4 {
				total += 5
				p.mustSend(total)
				if err := p.session.Drain(t.Context()); err != nil {
					t.Fatal(err)
				}
				relay.kill()
				p.lose()
				relay = startProcess(t, dir)
				p.resume(relay.relay)
				if next := p.data()[0].Next(); next != total {
					t.Fatalf("goes on at %d, want %d", next, total)
				}
			}
			p.finish()
			relay.stop()
			got := relaytest.StoredNumbers(t, p.oneSession(filepath.Join(dir, "out")), "ch_0")
			if count == 0 {
				checkNumbers(t, "ch_0", got, total)
				return
			}
			seen := make(map[uint64]bool)
			for _, n := range got {
				if seen[n] || n >= total {
					t.Errorf("packet %d is stored twice, or was not sent", n)
				}
				seen[n] = true
			}
			for n := total - uint64(len(got)); n < total; n++ {
				if !seen[n] {
					t.Errorf("packet %d is missing among the last %d", n, len(got))
				}
			}
			if len(got) == 0 {
				t.Error("nothing is stored")
			}
		})
	}
}
