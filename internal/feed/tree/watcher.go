// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tree

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/kernel/inotify"
)

// Options say what is followed.
type Options struct {
	Dir  string
	Mask changelog.Mask // OPEN and ATIME are costly: they are asked for only when they are in it
	Log  *slog.Logger
}

// Watcher follows changes below a directory. One goroutine uses it.
type Watcher struct {
	opts  Options
	queue *inotify.Queue
	root  *os.File // the directory, as O_PATH
	mask  uint32   // of all watches
	top   *node
	nodes map[int32]*node // by their watches

	emit   func(*changelog.Record) error
	index  uint64
	time   int64
	record changelog.Record
	moving []departure // renames of which the second half has not come
	skips  int         // directories that cannot be followed

	// doubt says that directories moved while names in them were looked at; what came of
	// that is found out by comparing, when all is quiet.
	doubt bool
	quiet time.Time // when that is, if nothing comes
}

// node is a directory that is followed.
type node struct {
	parent  *node // nil: the top
	name    string
	watch   int32
	entries map[string]*node // what is in it, nil for what is no directory; nil: it is not followed
	skipped bool             // it cannot be followed
}

// departure is the first half of a rename.
type departure struct {
	cookie uint32
	from   *node
	name   string
	isDir  bool
	until  time.Time
}

// pairing is how long the second half of a rename may take to come behind the first.
const pairing = 50 * time.Millisecond

// quietAfter is how long nothing must come before the tree is compared.
const quietAfter = 300 * time.Millisecond

// bufferSize is that of a read of events.
const bufferSize = 64 << 10

// Open begins to watch; what changes from now on is told by Run.
func Open(o Options) (*Watcher, error) {
	fd, err := unix.Open(o.Dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: o.Dir, Err: err}
	}
	q, err := inotify.OpenQueue()
	if err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	w := &Watcher{
		opts: o, queue: q, root: os.NewFile(uintptr(fd), o.Dir), nodes: map[int32]*node{}, top: &node{watch: -1},
		mask: inotify.Changes, emit: func(*changelog.Record) error { return nil },
	}
	if o.Mask.Has(changelog.Open) {
		w.mask |= inotify.Open
	}
	if o.Mask.Has(changelog.Atime) {
		w.mask |= inotify.Access
	}
	err = w.enter(w.top, false)
	if err == nil && w.top.entries == nil {
		err = &os.PathError{Op: "list", Path: o.Dir, Err: unix.EACCES}
	}
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// Close ends it.
func (w *Watcher) Close() error { return errors.Join(w.queue.Close(), w.root.Close()) }

// Skipped is how many directories are not followed because they may not be listed.
func (w *Watcher) Skipped() int { return w.skips }

// Run tells of changes until ctx ends or emit fails. A record is good until emit returns.
func (w *Watcher) Run(ctx context.Context, emit func(*changelog.Record) error) error {
	w.emit = emit
	stop := context.AfterFunc(ctx, func() { _ = w.queue.Wake(time.Unix(1, 0)) })
	defer stop()
	b := make([]byte, bufferSize)
	for ctx.Err() == nil {
		if err := w.queue.Wake(w.wakeAt()); err != nil {
			return err
		}
		if ctx.Err() != nil { // it ended before the time was set
			break
		}
		n, err := w.queue.Read(b)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("inotify: %w", err)
		}
		now := time.Now()
		w.time = max(w.time, now.UnixNano())
		if n > 0 {
			w.quiet = now.Add(quietAfter)
		} else if err := w.checkTop(); err != nil {
			return err
		}
		if err := errors.Join(w.takeAll(b[:max(n, 0)]), w.depart(now)); err != nil {
			return err
		}
		if w.doubt && !now.Before(w.quiet) {
			w.doubt, w.quiet = false, now.Add(quietAfter)
			if err := w.compare(w.top); err != nil {
				return err
			}
		}
	}
	return nil
}

// lookEvery is how often the directory itself is looked at: while it is open, no event
// tells that it was removed.
const lookEvery = time.Second

// wakeAt is when there is something to do though no event comes.
func (w *Watcher) wakeAt() time.Time {
	at := time.Now().Add(lookEvery)
	if w.doubt && w.quiet.Before(at) {
		at = w.quiet
	}
	if len(w.moving) > 0 && w.moving[0].until.Before(at) {
		at = w.moving[0].until
	}
	return at
}

func (w *Watcher) takeAll(b []byte) error {
	var e inotify.Event
	for len(b) > 0 {
		rest, err := inotify.Decode(b, &e)
		if err != nil {
			return err
		}
		b = rest
		if err := w.take(&e); err != nil {
			return err
		}
	}
	return nil
}

// take tells of one event.
func (w *Watcher) take(e *inotify.Event) error {
	if e.Is(inotify.Overflow) {
		return w.overflowed()
	}
	d := w.nodes[e.Watch]
	switch {
	case d == nil: // it was left meanwhile
		return nil
	case e.Is(inotify.Ignored):
		delete(w.nodes, e.Watch)
		return nil
	case len(e.Name) == 0: // the directory above tells of it, too
		return nil
	}
	name := string(e.Name)
	if e.Is(inotify.Create | inotify.MovedTo | inotify.MovedFrom | inotify.Delete) {
		if err := w.departNow(d, name, e.Cookie); err != nil {
			return err
		}
	}
	switch {
	case e.Is(inotify.Create):
		return w.created(d, name, e.Is(inotify.OnDir), 0)
	case e.Is(inotify.MovedTo):
		return w.arrived(d, name, e)
	case e.Is(inotify.MovedFrom):
		w.moving = append(w.moving, departure{e.Cookie, d, name, e.Is(inotify.OnDir), time.Now().Add(pairing)})
		return nil
	case e.Is(inotify.Delete):
		return w.removed(d, name, e.Is(inotify.OnDir), 0)
	}
	return w.changed(d, name, e)
}

// checkTop ends the watcher when its directory is gone.
func (w *Watcher) checkTop() error {
	var st unix.Stat_t
	err := unix.Fstat(int(w.root.Fd()), &st)
	if err == nil && st.Nlink == 0 {
		err = unix.ENOENT
	}
	if err != nil {
		return &os.PathError{Op: "watch", Path: w.opts.Dir, Err: err}
	}
	return nil
}

// changeTypes are the records of events that change no names.
var changeTypes = []struct {
	mask uint32
	kind changelog.Type
}{
	{inotify.Attrib, changelog.Setattr},
	{inotify.Modify, changelog.Mtime},
	{inotify.CloseWrite, changelog.Close},
	{inotify.Open, changelog.Open},
	{inotify.Access, changelog.Atime},
}

func (w *Watcher) changed(d *node, name string, e *inotify.Event) error {
	for _, c := range changeTypes {
		if e.Is(c.mask) {
			return w.tell(w.begin(c.kind, d, name, 0))
		}
	}
	return nil
}

// overflowed tells that events were lost, and finds out what they were.
func (w *Watcher) overflowed() error {
	w.moving = nil
	r := w.blank(changelog.Mark, 0)
	r.Mark = &changelog.Marker{Kind: changelog.MarkGap, Reason: changelog.GapOverflow, Since: w.time, Until: w.time}
	if err := w.tell(r); err != nil {
		return err
	}
	return w.compare(w.top)
}
