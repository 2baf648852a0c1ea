// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	client "github.com/weir-io/weir/client/feed"
)

// Feed is what a log is written from: the consumer of a feed.
type Feed interface {
	Read(context.Context, client.ReadOptions) (*client.Batch, error)
	Cancel(ctx context.Context, through uint64) (uint64, error)
}

// Options say what goes where.
type Options struct {
	Feed  Feed
	Info  client.Info // of the feed
	Host  string      // is in the header of each file
	Dir   string
	Size  int64         // of a file; default: DefaultSize
	Every time.Duration // a new file after so long; 0: never for that
	Keep  int           // files that are kept; 0: all
	Batch int           // records that are synced together; default: DefaultBatch
	Log   *slog.Logger
	// Progress is called after each batch; it may be nil.
	Progress func(Progress)
}

// Defaults of options.
const (
	DefaultSize  = 64 << 20
	DefaultBatch = 1000
)

// Progress tells how far a log has come.
type Progress struct {
	Through uint64
	Records uint64 // since it was opened
	File    uint64 // number
	Hash    string // of the last line
	Retries uint64
}

// Log is a directory of files that a feed is written to.
type Log struct {
	opts  Options
	log   *slog.Logger
	lock  *os.File
	chain chain
	file  *os.File // the last file; nil: none yet
	size  int64    // of its whole lines
	ahead pending  // what buf adds to chain
	buf   []byte
	body  []byte
	done  Progress
}

// Open opens a directory, cuts off what a crash has left of a line, and makes sure that
// the last file is whole.
func Open(o Options) (*Log, error) {
	if o.Size == 0 {
		o.Size = DefaultSize
	}
	if o.Batch == 0 {
		o.Batch = DefaultBatch
	}
	if err := checkPlace(&o); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, err
	}
	l := &Log{opts: o, log: o.Log}
	if err := l.open(); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// checkPlace refuses a directory within the source: each batch would be a record of the
// next.
func checkPlace(o *Options) error {
	source := o.Info.Place()
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return err
	}
	for at := dir; ; at = filepath.Dir(at) { // the deepest that is there
		var here, there unix.Stat_t
		if unix.Stat(at, &here) != nil && at != "/" {
			continue
		}
		real, err := filepath.EvalSymlinks(at)
		if err != nil {
			real = at
		}
		if source == "" || unix.Stat(source, &there) != nil || here.Dev != there.Dev {
			return nil
		}
		if below, err := filepath.Rel(source, real); err == nil && filepath.IsLocal(below) {
			return fmt.Errorf("directory %s: it lies in the source %s, so that writing it would never end", o.Dir, source)
		}
		return nil
	}
}

func (l *Log) open() error {
	var err error
	if l.lock, err = os.Open(l.opts.Dir); err != nil {
		return err
	}
	if err := unix.Flock(int(l.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return fmt.Errorf("directory %s: another process writes it: %w", l.opts.Dir, err)
	}
	numbers, err := fileNumbers(l.opts.Dir)
	if err != nil {
		return err
	}
	for len(numbers) > 0 && l.file == nil {
		n := numbers[len(numbers)-1]
		numbers = numbers[:len(numbers)-1]
		if err := l.openLast(n); err != nil {
			return err
		}
	}
	if l.file == nil {
		// What the feed was past is not part of the log.
		l.chain.through, l.chain.begun = l.opts.Info.Cancelled, true
		return l.rotate()
	}
	return l.check()
}

// openLast opens the last file. One that has not even a header is removed.
func (l *Log) openLast(n uint64) error {
	path := pathOf(l.opts.Dir, n)
	var c chain
	whole, torn, err := c.read(path, n, nil)
	if err != nil {
		return fmt.Errorf("audit log: the last file was changed: %w", err)
	}
	if whole == 0 {
		l.log.Warn("a file without a header is removed", "file", path)
		return errors.Join(os.Remove(path), syncDir(l.opts.Dir))
	}
	if l.file, err = os.OpenFile(path, os.O_WRONLY, 0); err != nil {
		return err
	}
	if torn > 0 {
		l.log.Warn("an unfinished line is cut off", "file", path, "bytes", torn)
		if err := errors.Join(l.file.Truncate(whole), l.file.Sync()); err != nil {
			return err
		}
	}
	if _, err := l.file.Seek(whole, 0); err != nil {
		return err
	}
	l.chain, l.size, l.ahead = c, whole, pending{chain: c}
	return nil
}

// check makes sure that the log is of this feed's journal, and notes what was lost.
func (l *Log) check() error {
	h, info := &l.chain.header, &l.opts.Info
	switch {
	case h.Source != info.Source:
		return fmt.Errorf("directory %s: its log is of file system %s, not of %s", l.opts.Dir, h.Source, info.Source)
	case l.chain.through > info.Last:
		return fmt.Errorf("directory %s: its log has records through %d, and the journal ends at %d: it was made anew; use another directory",
			l.opts.Dir, l.chain.through, info.Last)
	case info.Asked > l.chain.through:
		l.log.Warn("records were cancelled that the log has not got", "first", l.chain.through+1, "last", info.Asked)
		return l.note(&Note{Note: "missing", First: l.chain.through + 1, Last: info.Asked, Through: info.Asked})
	}
	return nil
}

// Through is the last index that the log has.
func (l *Log) Through() uint64 { return l.chain.through }

// Close closes the log.
func (l *Log) Close() error {
	var errs []error
	if l.file != nil {
		errs = append(errs, l.file.Close())
	}
	if l.lock != nil {
		errs = append(errs, l.lock.Close())
	}
	return errors.Join(errs...)
}

// Run writes the feed until ctx ends; with once, until there is nothing more to read.
func (l *Log) Run(ctx context.Context, once bool) error {
	for {
		more, err := l.Step(ctx, once)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		case once && !more:
			return nil
		}
	}
}

// readBytes limits a batch.
const readBytes = 4 << 20

// Step reads a batch, writes it, syncs it and cancels it. It reports whether there is
// more to read; with poll it does not wait for records.
func (l *Log) Step(ctx context.Context, poll bool) (more bool, err error) {
	o := client.ReadOptions{MaxRecords: l.opts.Batch, MaxBytes: readBytes, Wait: -1, Keep: true}
	if poll {
		o.Wait = 0
	}
	b, err := l.opts.Feed.Read(ctx, o)
	if err != nil {
		return false, err
	}
	if err := l.trying(ctx, b); err != nil {
		return false, err
	}
	// What the feed has left out behind the last line is not cancelled: whoever opens the
	// log next could not tell it from records that somebody else has cancelled.
	through := min(b.Through, l.chain.through)
	if through == 0 {
		return b.More, nil // cancelling 0 would mean all
	}
	_, err = l.opts.Feed.Cancel(ctx, through)
	return b.More, err
}

// Bounds of the wait before the disk is tried again.
const (
	firstPause = time.Second
	lastPause  = time.Minute
)

// trying appends a batch, again and again while the disk does not take it. The feed is
// not cancelled meanwhile.
func (l *Log) trying(ctx context.Context, b *client.Batch) error {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		err := l.Append(b)
		if err == nil || !errors.Is(err, unix.ENOSPC) && !errors.Is(err, unix.EDQUOT) && !errors.Is(err, unix.EIO) {
			return err
		}
		l.done.Retries++
		l.log.Warn("the disk does not take it; it is tried again", "error", err, "after", pause)
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
	}
}

// Append writes a batch and syncs it. Records that the log has are skipped, and with them
// what a feed tells of a directory that was moved in: it has the index of the move, which
// the log has by then, and is not of the journal. The batch may be through an earlier
// index than that of the move until all of it was told.
func (l *Log) Append(b *client.Batch) error {
	for i := range b.Records {
		r := &b.Records[i]
		var err error
		switch {
		case r.Mark.Own():
			err = l.add(nil, noteOf(r, l.next()))
		case r.Index > l.next():
			err = l.add(r, nil)
		}
		if err != nil {
			return l.undo(err)
		}
	}
	if err := l.flush(); err != nil {
		return l.undo(err)
	}
	if l.opts.Progress != nil {
		l.done.Through, l.done.File, l.done.Hash = l.chain.through, l.chain.header.File, l.chain.hash.String()
		l.opts.Progress(l.done)
	}
	return nil
}
