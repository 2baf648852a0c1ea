// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"
	"time"

	"github.com/weir-io/weir/changelog"
	client "github.com/weir-io/weir/client/feed"
)

// retryAfter is how long names wait that could not have their place.
const retryAfter = 50 * time.Millisecond

// Run copies what is there, unless that was done, and then follows the feed until ctx
// ends; with once, until there is nothing more to read.
func (m *Mirror) Run(ctx context.Context, once bool) error {
	return m.takingOver(ctx, func() error { return m.run(ctx, once) })
}

func (m *Mirror) run(ctx context.Context, once bool) error {
	for {
		more, err := m.Step(ctx, once)
		if err != nil || !more && once {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
	}
}

// Reconcile does what is known to be done, without the feed.
func (m *Mirror) Reconcile(ctx context.Context) error {
	for first := true; first || m.unfinished(); first = false {
		if err := m.batch(ctx, &client.Batch{}, nil); err != nil {
			return err
		}
	}
	return nil
}

// unfinished reports whether there is something to be done at once, whatever the feed tells.
func (m *Mirror) unfinished() bool {
	return len(m.surveys.stack) > 0 || m.unclean || len(m.left) > 0
}

// Step does one batch: what records tell of, and a part of what else is to be done. It
// reports whether there may be more to do; with poll it does not wait for records.
func (m *Mirror) Step(ctx context.Context, poll bool) (more bool, err error) {
	o := client.ReadOptions{MaxRecords: 10_000, MaxBytes: 8 << 20, Wait: -1, Keep: true}
	due, next := m.st.troubles.due(time.Now())
	waiting := len(m.retry) > 0 || len(m.again) > 0 || len(due) > 0
	switch {
	case m.unfinished():
		o.Wait = 0
	case waiting:
		o.Wait = retryAfter
	case poll:
		o.Wait = 0
	case m.teller.unsaid:
		o.Wait = m.teller.wait(time.Now())
	case !next.IsZero():
		o.Wait = max(time.Millisecond, time.Until(next))
	}
	if m.held == nil {
		if m.held, err = m.opts.Feed.Read(ctx, o); err != nil {
			return false, err
		}
	}
	b := m.held
	if len(b.Records) == 0 && !waiting && !m.unfinished() {
		m.held = nil
		return b.More, m.tell(false)
	}
	if err := m.batch(ctx, b, due); err != nil {
		return false, err
	}
	if b.Through > 0 { // cancelling 0 would mean all
		if _, err := m.opts.Feed.Cancel(ctx, b.Through); err != nil {
			return false, err
		}
	}
	m.held = nil
	return true, m.tell(false)
}

// batch does what records tell of, what is due, and a part of what else is to be done.
func (m *Mirror) batch(ctx context.Context, b *client.Batch, due []subject) error {
	w := m.newWork()
	last := time.Time{}
	for i := range b.Records {
		r := &b.Records[i]
		w.add(r)
		last = time.Unix(0, r.Time)
		if r.Mark != nil && incomplete(r.Mark) {
			m.log.Warn("the feed has skipped records; everything is compared", "reason", r.Mark.Reason)
			m.compareAll()
		}
	}
	for _, n := range m.left {
		w.addName(n)
		w.doubted[n] = m.surveys.deep > 0
	}
	for n := range m.retry {
		w.addName(n)
	}
	for f := range m.again {
		w.addObject(f)
	}
	for _, s := range due {
		w.addName(s.name)
		w.addObject(s.object)
		if s.list {
			m.surveys.add(s.object, true)
		}
	}
	w.force, m.again = m.again, map[changelog.FID]bool{}
	through := b.Through
	if through == 0 {
		through = m.st.through
	}
	if err := m.finish(ctx, w, through); err != nil {
		return err
	}
	m.left = nil
	m.src.forget()
	m.report(last, b.More)
	return nil
}

// incomplete reports whether a mark says that records are missing which nothing else
// will tell of. Of the other gaps a scan tells.
func incomplete(k *changelog.Marker) bool {
	switch k.Kind {
	case changelog.MarkAbort, changelog.MarkPurge:
		return true
	case changelog.MarkGap:
		return k.Reason == changelog.GapReset || k.Reason == changelog.GapSkipped
	}
	return false
}

// finish runs a batch and commits it.
func (m *Mirror) finish(ctx context.Context, w *work, through uint64) error {
	if err := w.run(ctx); err != nil {
		return err
	}
	for dir := range w.unlisted {
		m.surveys.add(dir, true)
	}
	if len(m.surveys.stack) == 0 {
		m.st.about.Done = true
	}
	m.retry = w.retry
	m.st.waiting = m.waiting()
	if err := m.st.commit(ctx, through, m.surveys.of); err != nil {
		return err
	}
	m.count.batches++
	return nil
}

// waiting is what is to be looked at again, as it is stored.
func (m *Mirror) waiting() (w waiting) {
	for n := range m.retry {
		w.Names = append(w.Names, waitingName{n.parent, []byte(n.name)})
	}
	for f := range m.again {
		w.Objects = append(w.Objects, f)
	}
	return w
}
