// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	client "github.com/weir-io/weir/client/feed"
)

// Feed is what a sink reads: the consumer of a feed.
type Feed interface {
	Read(context.Context, client.ReadOptions) (*client.Batch, error)
	Cancel(ctx context.Context, through uint64) (uint64, error)
}

// Options say what goes where.
type Options struct {
	Feed   Feed
	Info   client.Info // of the feed
	Tree   *Tree       // of the source; nil: the tables have what records tell, and no more
	To     string      // sqlite:PATH or postgres:URL
	Tables string      // what names of tables begin with; default: DefaultTables
	Audit  bool        // keep each record in weir_log
	Batch  int         // records of a transaction; default: DefaultBatch
	Log    *slog.Logger
	// Progress is called after each transaction; it may be nil.
	Progress func(Progress)
}

// DefaultBatch is how many records a transaction has at most.
const DefaultBatch = 1000

// Progress tells how far a sink has come.
type Progress struct {
	Cursor  Cursor
	Records uint64 // since the sink was opened
	Scanned uint64 // rows of scans since the sink was opened
	Retries uint64 // of transactions
}

// Sink has a feed drive a database. One goroutine uses it.
type Sink struct {
	opts    Options
	log     *slog.Logger
	db      database
	cur     Cursor
	retry   pause
	done    Progress
	scanned []entry  // rows of a scan that are not written yet
	objects []Object // their objects
}

// Open connects to the database and makes the tables that are missing. It refuses
// tables of another source, and those that are ahead of the feed's journal.
func Open(ctx context.Context, o Options) (*Sink, error) {
	if o.Tables == "" {
		o.Tables = DefaultTables
	}
	if o.Batch == 0 {
		o.Batch = DefaultBatch
	}
	if err := checkPlace(o.To, o.Info.Place()); err != nil {
		return nil, err
	}
	db, err := reachDatabase(ctx, &o)
	if err != nil {
		return nil, err
	}
	s := &Sink{opts: o, log: o.Log, db: db}
	if err := s.begin(ctx); err != nil {
		return nil, errors.Join(err, db.close())
	}
	return s, nil
}

// reachDatabase opens the database; it waits for one that cannot be reached.
func reachDatabase(ctx context.Context, o *Options) (database, error) {
	for retry := pause(0); ; {
		db, err := openDatabase(ctx, o.To, o.Tables, true)
		if err == nil || ctx.Err() != nil || !unreachable(err) {
			return db, err
		}
		o.Log.Warn("the database is not reached; it is tried again", "error", err, "after", retry.next())
		if err := retry.wait(ctx); err != nil {
			return nil, err
		}
	}
}

// checkPlace refuses a file of SQLite within the source: each transaction would be a
// record of the next.
func checkPlace(to, source string) error {
	file, ok := strings.CutPrefix(to, "sqlite:")
	if !ok || source == "" {
		return nil
	}
	dir, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return err
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	var here, there unix.Stat_t
	if unix.Stat(dir, &here) != nil || unix.Stat(source, &there) != nil || here.Dev != there.Dev {
		return nil
	}
	if source == "/" || dir == source || strings.HasPrefix(dir, source+"/") {
		return fmt.Errorf("database %s: it lies in the source %s, so that writing it would never end: put it on another file system, or create the feed of a part of this one",
			file, source)
	}
	return nil
}

// begin finds out where the tables are, and makes the cursor if there is none.
func (s *Sink) begin(ctx context.Context) error {
	all, err := s.db.cursors(ctx)
	if err != nil {
		return err
	}
	info := &s.opts.Info
	is := Cursor{Feed: info.ID, Source: info.Source, State: StateNew, Through: info.Cancelled}
	if s.opts.Tree == nil {
		is.State = StateOK // as good as it will get
	} else {
		is.Top = s.opts.Tree.Top()
	}
	if len(all) == 0 {
		return s.take(ctx, Cursor{}, is)
	}
	was := all[0]
	if err := s.check(&was, &is); err != nil {
		return err
	}
	if was.Feed != is.Feed {
		s.log.Warn("another feed than before drives these tables; everything is scanned", "before", was.Feed, "now", is.Feed)
		is.Scan, is.Through = was.Scan, max(was.Through, is.Through)
		return s.take(ctx, Cursor{}, is)
	}
	s.cur = was
	if info.Asked <= was.Through {
		return nil
	}
	s.log.Warn("records were cancelled that the tables have not got", "first", was.Through+1, "last", info.Asked)
	now := was.next(info.Asked)
	now.State = StateGap
	return s.take(ctx, was, now)
}

// check refuses tables that are not this feed's to write.
func (s *Sink) check(was, is *Cursor) error {
	switch {
	case was.Source != is.Source:
		return fmt.Errorf("tables %s*: they are of file system %s, not of %s: name others with --tables", s.opts.Tables, was.Source, is.Source)
	case !was.Top.IsZero() && !is.Top.IsZero() && was.Top != is.Top:
		return fmt.Errorf("tables %s*: their tree begins with %v, that of feed %s with %v: name others with --tables",
			s.opts.Tables, was.Top, is.Feed, is.Top)
	case was.Through > s.opts.Info.Last:
		return fmt.Errorf("tables %s*: they have records through %d, and the journal ends at %d: it was made anew; name other tables with --tables",
			s.opts.Tables, was.Through, s.opts.Info.Last)
	}
	return nil
}

// take makes is the cursor.
func (s *Sink) take(ctx context.Context, was, is Cursor) error {
	is.Updated = time.Now().UnixNano()
	if err := s.db.commit(ctx, &changes{}, &was, &is); err != nil {
		return err
	}
	s.cur = is
	return nil
}

// Cursor is where the tables are.
func (s *Sink) Cursor() Cursor { return s.cur }

// Close closes the database.
func (s *Sink) Close() error { return s.db.close() }

// Run follows the feed until ctx ends; with once, until there is nothing more to read.
func (s *Sink) Run(ctx context.Context, once bool) error {
	for {
		if err := s.heal(ctx); err != nil {
			return ended(ctx, err)
		}
		more, err := s.Step(ctx, once)
		if err != nil {
			return ended(ctx, err)
		}
		if once && !more && s.healthy() {
			return nil
		}
	}
}

// ended is nil when an error comes from the end of ctx: nothing is wrong.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// healthy reports whether the tables need no scan.
func (s *Sink) healthy() bool { return s.cur.State == StateOK || s.opts.Tree == nil }

// heal scans the source if the tables need it.
func (s *Sink) heal(ctx context.Context) error {
	if s.healthy() {
		return nil
	}
	return s.scan(ctx)
}

// readBytes limits a batch.
const readBytes = 8 << 20

// Step reads a batch, commits its effects and cancels it. It reports whether there is
// more to read; with poll it does not wait for records.
func (s *Sink) Step(ctx context.Context, poll bool) (more bool, err error) {
	o := client.ReadOptions{MaxRecords: s.opts.Batch, MaxBytes: readBytes, Wait: -1, Keep: true}
	if poll {
		o.Wait = 0
	}
	b, err := s.opts.Feed.Read(ctx, o)
	if err != nil {
		return false, err
	}
	if err := s.Apply(ctx, b); err != nil {
		return false, err
	}
	if b.Through == 0 {
		return b.More, nil // cancelling 0 would mean all
	}
	_, err = s.opts.Feed.Cancel(ctx, b.Through)
	return b.More, err
}

func (s *Sink) report() {
	if s.opts.Progress == nil {
		return
	}
	s.done.Cursor = s.cur
	s.opts.Progress(s.done)
}
