// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/weir-io/weir/changelog"
	client "github.com/weir-io/weir/client/feed"
)

// Feed is what a mirror reads: the consumer of a feed whose source is what is mirrored.
type Feed interface {
	Read(context.Context, client.ReadOptions) (*client.Batch, error)
	Cancel(ctx context.Context, through uint64) (uint64, error)
}

// Options say what to mirror.
type Options struct {
	Source, Target string
	Agent          Agent // has the source, on its host; nil: it is on this one
	// Await waits until an agent is back that was gone, which the error says. Its own error
	// ends the mirror. With nil an agent that is gone does.
	Await     func(error) error
	UUID      string // of the source's file system
	FeedID    string
	Feed      Feed
	Part      bool // the source is a part of its file system
	Adopt     bool // have a target that is not empty
	TakeOver  bool // replace what others have changed in the target, rather than stop
	NoOwner   bool
	NoXattr   bool
	Bandwidth int64 // bytes of contents a second; 0: as fast as it goes
	Log       *slog.Logger
	Progress  func(Progress) // called now and then; may be nil
}

// Mirror keeps a target equal to a source. One goroutine uses it.
type Mirror struct {
	opts   Options
	log    *slog.Logger
	src    origin
	dst    *target
	st     *state
	part   bool
	again  map[changelog.FID]bool // to be looked at once more; true: to be copied, it changed in the last moment
	retry  map[name]bool
	left   []name        // of an interrupted batch
	held   *client.Batch // that was read and is not done
	taken  takeOver
	pace   pace
	teller teller
	last   Progress // told
	shown  time.Time
	count  struct{ batches, created, copied, looked uint64 }

	surveys *surveys
	unclean bool // of what is parked there may be more to be removed
}

// Open opens source, target and state, and puts right what a batch left that was cut short. It
// refuses what cannot be mirrored.
func Open(ctx context.Context, o Options) (*Mirror, error) {
	if err := checkPlaces(&o); err != nil {
		return nil, err
	}
	src, err := openOrigin(&o)
	if err != nil {
		return nil, err
	}
	m := &Mirror{opts: o, log: o.Log, src: src, part: o.Part, pace: pace{bytes: o.Bandwidth}, surveys: newSurveys(src), shown: time.Now()}
	if err := m.openTarget(ctx); err != nil {
		err = m.stop(err)
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

func openOrigin(o *Options) (origin, error) {
	if o.Agent != nil {
		return openFar(o)
	}
	return openSource(o.Source)
}

func (m *Mirror) openTarget(ctx context.Context) error {
	own := filepath.Join(m.opts.Target, ownDir)
	if err := checkEmpty(&m.opts); err != nil {
		return err
	}
	if err := os.MkdirAll(own, 0o700); err != nil {
		return err
	}
	m.teller.dir = own
	if told, err := ReadStatus(m.opts.Target); err == nil {
		m.last = told.Progress
	}
	var err error
	if m.st, err = openState(own); err != nil {
		return err
	}
	if s := m.st.stopped; s != nil && !m.opts.TakeOver {
		return s.err()
	}
	if m.dst, err = openTarget(m.opts.Target, m.src.topFID(), m.st); err != nil {
		return err
	}
	if m.st.about.UUID == "" {
		if err := m.dst.checkAble(&m.opts); err != nil {
			return err
		}
	}
	same, err := m.identify()
	if err != nil {
		return err
	}
	return m.resume(ctx, same)
}

// compareAll has all of source and target compared.
func (m *Mirror) compareAll() {
	m.st.about.Done = false
	m.surveys.clear()
	m.surveys.add(m.src.topFID(), true)
}

// resume goes on from what was committed last; all is compared unless it is known that the
// feed has told of all since then.
func (m *Mirror) resume(ctx context.Context, same bool) (err error) {
	m.retry, m.again = map[name]bool{}, map[changelog.FID]bool{}
	for _, n := range m.st.waiting.Names {
		m.retry[name{n.Parent, string(n.Name)}] = true
	}
	for _, f := range m.st.waiting.Objects {
		m.again[f] = true
	}
	m.surveys.clear()
	for f, deep := range m.st.surveys {
		m.surveys.add(f, deep)
	}
	if !same || !m.st.about.Done && len(m.surveys.stack) == 0 {
		m.compareAll()
	}
	m.left, err = m.recover(ctx)
	m.unclean = len(m.st.staged) > 0
	return err
}

// identify makes sure that the state is of this source, and reports whether it is of this
// feed.
func (m *Mirror) identify() (same bool, err error) {
	is := identity{Source: m.src.place(), UUID: m.opts.UUID, Top: m.src.topFID().String(), Feed: m.opts.FeedID}
	was := m.st.about
	if was.UUID == "" {
		m.st.about = is
		return false, nil
	}
	if was.UUID != is.UUID || was.Top != is.Top {
		return false, fmt.Errorf("target %s is a mirror of %s (file system %s, %s), not of %s (%s, %s)",
			m.opts.Target, was.Source, was.UUID, was.Top, is.Source, is.UUID, is.Top)
	}
	if was.Feed != is.Feed {
		m.log.Warn("another feed than before; everything is compared", "before", was.Feed, "now", is.Feed)
	}
	m.st.about.Source, m.st.about.Feed = is.Source, is.Feed
	return was.Feed == is.Feed, nil
}

// checkPlaces refuses a source within its target, and the reverse.
func checkPlaces(o *Options) error {
	paths := []*string{&o.Target, &o.Source}
	if o.Agent != nil {
		paths = paths[:1]
	}
	for _, p := range paths {
		abs, err := filepath.Abs(*p)
		if err != nil {
			return err
		}
		if real, err := filepath.EvalSymlinks(abs); err == nil {
			abs = real
		}
		*p = abs
	}
	if o.Agent != nil {
		return nil
	}
	return checkApart(o.Source, o.Target)
}

// StoredFeed returns the feed that a target was mirrored by last, empty for a new one.
func StoredFeed(target string) (string, error) {
	if !hasState(target) {
		return "", nil
	}
	s, err := openState(filepath.Join(target, ownDir))
	if err != nil {
		return "", err
	}
	return s.about.Feed, s.close()
}

// Close closes everything; what was not committed is put right the next time.
func (m *Mirror) Close() error {
	err := m.tell(true)
	m.surveys.clear()
	if m.dst != nil {
		m.dst.close()
	}
	if m.st != nil {
		err = errors.Join(err, m.st.close())
	}
	return errors.Join(err, m.src.close())
}
