// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/weir-io/weir/client/live"
	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/lttng"
)

const millisecond = time.Millisecond

// flusher is a sink that can write what it has gathered before a wait.
type flusher interface{ Flush() error }

// source is a stream that is merged with others: a [*ctf.Cursor] or a
// [*liveSource].
type source interface {
	ctf.Source
	Event() *ctf.Event
	Loss() *ctf.Loss
}

// liveSet merges the streams of sessions on relays.
type liveSet struct {
	sessions []*liveSession
	joining  []source // streams that are new
	out      flusher
	messages io.Writer
	ctx      context.Context // that of the run
	stored   *followed       // traces in directories that grow; nil: none
	latest   int64           // time of the latest event shown
	caches   []cache         // what keeps something of traces
}

// openLive attaches to the sessions that some URLs name.
func (j *Job) openLive(ctx context.Context, urls []live.URL, out flusher) (*liveSet, error) {
	set := &liveSet{ctx: ctx, out: out, messages: j.Err}
	for _, u := range urls {
		f, err := live.Follow(ctx, live.FollowConfig{
			Config: live.Config{Network: u.Network, Address: u.Address},
			Target: u.Target, Seek: j.seek(), Await: j.Follow, GiveUp: j.giveUp(),
		})
		if err != nil {
			return set, err
		}
		set.sessions = append(set.sessions, newLiveSession(ctx, f, set,
			ctf.Options{ClockOffset: j.ClockOffset, ForceCorrelate: j.ForceCorrelate}))
	}
	return set, nil
}

// seek is where sessions are read from.
func (j *Job) seek() lttng.Seek {
	if j.FromBeginning {
		return live.FromBeginning
	}
	return live.FromNow
}

// giveUp is how long a lost relay is waited for.
func (j *Job) giveUp() time.Duration {
	if j.Follow {
		return 0
	}
	return 30 * time.Second
}

func (s *liveSet) close() {
	for _, l := range s.sessions {
		l.follow.Close()
	}
}

func (s *liveSet) warn(text string) { fmt.Fprintln(s.messages, "weir:", text) }

func (s *liveSet) beforeWait() error { return s.out.Flush() }

// pause waits for a while, or for the end of the run.
func (s *liveSet) pause(d time.Duration) error {
	if err := s.beforeWait(); err != nil {
		return err
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-s.ctx.Done():
		return context.Cause(s.ctx)
	}
}

// ended takes note that all of a stream has been shown.
func ended(s source) {
	if l, ok := s.(*liveSource); ok {
		l.shown()
	}
}

// forget lets all that keeps something of a trace forget it.
func (s *liveSet) forget(t *schema.Trace) {
	for _, c := range s.caches {
		c.forget(t)
	}
}

// joinNew hands the streams that are new to the merge.
func (s *liveSet) joinNew() []source {
	joining := s.joining
	s.joining = nil
	return joining
}

// await waits until a stream is new, and reports false when none will be: all
// sessions have ended.
func (s *liveSet) await(ctx context.Context) (bool, error) {
	for {
		if len(s.joining) > 0 {
			return true, nil
		}
		if err := s.beforeWait(); err != nil {
			return false, err
		}
		var going *liveSession
		for _, l := range s.sessions {
			more, err := l.update(ctx)
			if err != nil {
				return false, err
			}
			if more && (going == nil || going.lost) {
				going = l
			}
		}
		switch {
		case len(s.joining) > 0:
		case s.stored != nil:
			if err := s.pause(followPeriod); err != nil {
				return false, err
			}
			if _, err := s.stored.look(); err != nil {
				return false, err
			}
		case going == nil:
			return false, nil
		default:
			if err := going.follow.Wait(ctx); err != nil {
				return false, err
			}
		}
	}
}

// tendPeriod is how often sessions are looked at of which no stream is in the
// merge.
const tendPeriod = 10 * time.Millisecond

// tend looks after the sessions but one of which no stream is in the merge, so
// that nobody else asks for what is new there: whether a lost one is back, and
// whether one has its first stream.
func (s *liveSet) tend(but *liveSession) error {
	for _, l := range s.sessions {
		if l == but || time.Since(l.updated) < tendPeriod || l.merged() {
			continue
		}
		l.updated = time.Now()
		if _, err := l.update(s.ctx); err != nil {
			return err
		}
	}
	return nil
}

// merged reports whether a stream of the session is in the merge, or about to.
func (l *liveSession) merged() bool {
	for _, s := range l.streams {
		if s.Feed != nil {
			return true
		}
	}
	return false
}

// update looks for new streams. It reports false when the session has ended. One
// that is lost for good has, too: the others go on.
func (l *liveSession) update(ctx context.Context) (bool, error) {
	if l.failed != nil || l.follow.Ended() {
		return false, nil
	}
	if err := l.applyAll(l.follow.Update(ctx)); err != nil {
		if l.lost && ctx.Err() == nil {
			if l.failed = err; len(l.set.sessions) > 1 {
				l.set.warn("going on without a session: " + err.Error())
			}
			return false, nil
		}
		return false, err
	}
	// Streams without a feed wait for metadata, which are asked for with them.
	for id, s := range l.streams {
		if s.Feed == nil {
			if err := l.applyAll(l.follow.Poll(ctx, id)); err != nil {
				return false, err
			}
			break
		}
	}
	return !l.follow.Ended(), nil
}

// run shows what the sessions bring, merged by time, until they end or ctx does.
// Events that come too late for their place are shown with a mark.
func (s *liveSet) run(ctx context.Context, sink Sink, sel Selection) error {
	keep := func(*ctf.Event) bool { return true }
	if sel.Keep != nil {
		keep = sel.Keep()
	}
	count := &counter{limit: sel.Head, shown: new(atomic.Int64)}
	defer s.close()
	s.latest = All.Begin
	for {
		m := ctf.NewMerger(s.joinNew())
		m.Joining, m.Ended = s.joinNew, ended
		last, err := s.merge(m, sink, sel, keep, count)
		if err != nil || last {
			return err
		}
		more, err := s.await(ctx)
		if err != nil {
			return err
		}
		if !more {
			return s.failures()
		}
	}
}

// failures returns why sessions were lost for good.
func (s *liveSet) failures() error {
	var all []error
	for _, l := range s.sessions {
		all = append(all, l.failed)
	}
	return errors.Join(all...)
}

// merge shows what the streams bring that are there, until all have ended. It
// reports whether the last event to show was among it.
func (s *liveSet) merge(m *ctf.Merger[source], sink Sink, sel Selection, keep func(*ctf.Event) bool, count *counter) (bool, error) {
	for {
		if s.ctx.Err() != nil {
			return false, context.Cause(s.ctx)
		}
		src, kind, err := m.Next()
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		switch kind {
		case ctf.EventRecord:
			e := src.Event()
			if e.HasTime && e.Time > sel.Window.End {
				return true, nil // what comes is later still
			}
			if e.HasTime && !sel.Window.holds(e.Time) || !keep(e) || sel.Host != nil && !sel.Host(hostOf(src.Stream())) {
				continue
			}
			late := e.HasTime && e.Time < s.latest
			if e.HasTime {
				s.latest = max(s.latest, e.Time)
			}
			if err := showLate(sink, src.Stream(), e, late); err != nil {
				return false, err
			}
			if _, last := count.next(); last {
				return true, nil
			}
		case ctf.DiscardedEvents, ctf.DiscardedPackets:
			loss, ok := sel.Window.clip(src.Loss())
			if !ok || sel.Host != nil && !sel.Host(hostOf(src.Stream())) {
				continue
			}
			if err := sink.Loss(src.Stream(), &loss); err != nil {
				return false, err
			}
		}
	}
}

// lateMarker is a sink that can mark the next event as one that comes too late
// for its place.
type lateMarker interface{ markLate() }

func showLate(sink Sink, s *ctf.Stream, e *ctf.Event, late bool) error {
	if m, ok := sink.(lateMarker); ok && late {
		m.markLate()
	}
	return sink.Event(s, e)
}

func hostOf(s *ctf.Stream) string {
	host, _ := s.Trace.Schema.EnvString("hostname")
	return host
}
