// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/handover"
)

// boundary is where a chunk of a session ends and the next one begins, in all domains.
type boundary struct {
	op      handover.Op // what is done with the chunk: OpRotate keeps it, OpClear does not
	id      uint64      // of the chunk
	end     time.Time   // of it, and begin of the next one
	archive string      // name of the chunk where it is kept, the same in all domains
}

// halfway is a move to the next chunk of which the consumer has done its part: it writes
// there. The directories of the two are not where they belong yet.
type halfway struct {
	boundary
	next  *os.File // directory of the next chunk
	aside bool     // the old one is at its place, or gone
	place string   // of the old one, where it is kept
}

// next makes the directory of the next chunk. finish puts it into its place.
func (l *local) next() (dir *os.File, err error) {
	err = l.s.asCreator(func() error {
		dir, err = l.make(filepath.Join(l.base, nextDir, l.place))
		return err
	})
	return dir, err
}

// straighten puts into their places what rotations have left elsewhere, and returns the
// places of chunks.
func (l *local) straighten() (places []string, err error) {
	for _, do := range []func() (string, error){l.complete, l.keepStray} {
		place, err := do()
		if err != nil {
			return places, err
		}
		if place != "" {
			places = append(places, place)
		}
	}
	return places, nil
}

// keepStray makes a chunk of its own of what is in the place of the next one: a consumer
// that did not say that it had moved there, as it took too long, has written that. One that
// has not moved yet will not, as its directory is gone.
func (l *local) keepStray() (place string, err error) {
	path := filepath.Join(l.base, nextDir, l.place)
	err = l.s.asCreator(func() error {
		switch err := unix.Rmdir(path); {
		case err == nil:
			l.pruneNext()
			return nil
		case !errors.Is(err, fs.ErrExist): // as ENOTEMPTY is
			return nil // there is nothing, or what next refuses
		}
		dir, err := os.OpenFile(path, unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
		if err != nil {
			return err
		}
		to := filepath.Join(l.base, archivesDir, chunkName(l.begin, time.Now(), l.s.chunk))
		if err := l.rename(path, filepath.Join(to, l.place)); err != nil {
			dir.Close()
			return err
		}
		l.strays, place = append(l.strays, dir), to
		l.pruneNext()
		return nil
	})
	if place != "" {
		l.s.chunk++ // the chunk before has a name of its own
	}
	return place, err
}

// finish puts the chunk that the consumer has left into its place, or removes
// it, and the next one into that of the current one. It returns the place. What fails is
// left to complete.
func (l *local) finish(next *os.File, b boundary) (place string, err error) {
	l.settle()
	l.half = &halfway{boundary: b, next: next}
	return l.complete()
}

// complete does what is left to be done of a move to the next chunk.
func (l *local) complete() (place string, err error) {
	h := l.half
	if h == nil {
		return "", nil
	}
	if err := l.s.asCreator(func() error { return l.putAside(h) }); err != nil {
		return "", fmt.Errorf("chunk %d is not at its place, nor is the next one: %w", h.id, err)
	}
	l.dir, l.begin, l.half = h.next, h.end, nil
	return h.place, nil
}

// putAside moves directories. One that somebody has taken away is no more to be moved.
func (l *local) putAside(h *halfway) error {
	current := l.path()
	if !h.aside {
		if err := l.leave(current, h); err != nil {
			return err
		}
		h.aside = true
	}
	if err := os.Rename(filepath.Join(l.base, nextDir, l.place), current); errors.Is(err, fs.ErrNotExist) {
		l.s.log.Warn("directory of a chunk is gone", "id", h.id+1, "err", err)
	} else if err != nil {
		return err
	}
	l.pruneNext()
	return nil
}

// pruneNext removes what is empty of the place of chunks to come.
func (l *local) pruneNext() {
	next := filepath.Join(l.base, nextDir)
	l.prune(next)
	_ = os.Remove(next) // another domain may still use it
}

// removeNext removes the directory of a chunk that has not come to be.
func (l *local) removeNext() {
	_ = l.s.asCreator(func() error {
		if err := os.Remove(filepath.Join(l.base, nextDir, l.place)); err != nil {
			return err // something is in it: next sees to that
		}
		l.pruneNext()
		return nil
	})
}

// leave puts the chunk that was current into its place, or removes it.
func (l *local) leave(current string, h *halfway) error {
	if h.op != handover.OpRotate {
		return os.RemoveAll(current)
	}
	if _, err := os.Lstat(current); errors.Is(err, fs.ErrNotExist) {
		l.s.log.Warn("directory of a chunk is gone", "id", h.id, "err", err)
		return nil
	}
	h.place = filepath.Join(l.base, archivesDir, h.archive)
	return l.rename(current, filepath.Join(h.place, l.place))
}

// archive puts the last chunk into its place, below a directory of that name.
func (l *local) archive(name string) (place string, err error) {
	place = filepath.Join(l.base, archivesDir, name)
	err = l.s.asCreator(func() error {
		if err := l.rename(l.path(), filepath.Join(place, l.place)); err != nil {
			return err
		}
		l.prune(l.base)
		return nil
	})
	return place, err
}

// discard removes the last chunk if there is nothing but metadata in it, and reports
// whether it did.
func (l *local) discard() (gone bool, err error) {
	if err := l.s.asCreator(func() error { gone, err = hasNoPackets(l.path()); return err }); err != nil || !gone {
		return false, err
	}
	return true, l.remove()
}

// hasNoPackets reports whether no file of streams in a chunk has anything.
func hasNoPackets(chunk string) (bool, error) {
	none := true
	err := filepath.WalkDir(chunk, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && e.Name() == "index":
			return fs.SkipDir // its files have headers
		case e.IsDir() || e.Name() == "metadata":
			return nil
		}
		info, err := e.Info()
		if err == nil && info.Size() > 0 {
			none = false
			return fs.SkipAll
		}
		return err
	})
	return none, err
}

// chunkName is the name of an archived chunk, as LTTng's.
func chunkName(begin, end time.Time, id uint64) string {
	const layout = "20060102T150405-0700"
	return fmt.Sprintf("%s-%s-%d", begin.Format(layout), end.Format(layout), id)
}

// archiveTorn moves what a consumer process that died has written into a chunk of
// its own, cut behind the last packet with an index record. What cannot be moved now, as on
// a full disk, is when there is a process again: it would be in the way of what comes.
func (m *domain) archiveTorn() error {
	l := m.local
	places, err := l.straighten()
	for _, place := range places {
		m.cutTorn(place)
	}
	if err != nil {
		return err
	}
	l.settle()
	place, err := l.archive(chunkName(l.begin, time.Now(), m.s.chunk))
	if err != nil {
		return err
	}
	m.cutTorn(place)
	m.local = nil
	m.s.chunk++
	return nil
}

// cutTorn cuts the domain's part of a chunk in which a process has left a packet in parts.
func (m *domain) cutTorn(place string) {
	var cut int64
	err := m.s.asCreator(func() (err error) {
		cut, err = cutTorn(filepath.Join(place, m.local.place))
		return err
	})
	if cut > 0 || err != nil { // "weir repair" may do more
		m.s.log.Warn("a consumer process has left a packet in parts", "domain", m.src.Domain(), "place", place, "cut_bytes", cut, "err", err)
	}
}
