// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"cmp"
	"errors"
	"slices"

	"github.com/weir-io/weir/changelog"
)

// difference is a name that does not stand for what the index says.
type difference struct {
	at      name
	was, is changelog.FID
}

// settle looks up what has been left alone, and makes records of what differs.
func (w *worker) settle() error {
	for {
		chunk := w.quiet.ripe(w.now)
		if len(chunk) == 0 {
			return nil
		}
		many := w.quiet.many()
		if more, err := w.behind(); err != nil || more && !many {
			w.quiet.again(chunk, w.now)
			return err
		}
		diffs, err := w.compare(chunk)
		if err != nil {
			return err
		}
		if more, err := w.behind(); err != nil || more {
			if err == nil && many {
				chunk, err = w.doubtful(chunk, diffs)
			}
			w.quiet.again(chunk, w.now)
			return err
		}
		w.quiet.done(chunk)
		if err := w.settleChunk(chunk, diffs); err != nil {
			return err
		}
	}
}

// doubtful forgets what was looked up amid events and is as the index says, and returns
// the rest: what differs, and directories that are to be listed.
func (w *worker) doubtful(chunk []*waiting, diffs []difference) (rest []*waiting, err error) {
	differ := make(map[name]bool, len(diffs))
	for _, d := range diffs {
		differ[d.at] = true
	}
	var done []*waiting
	for _, c := range chunk {
		keep := differ[c.name]
		if c.name.name == "" {
			o, err := w.index.object(c.parent)
			if err != nil {
				return chunk, err
			}
			keep = o.exists
		}
		if keep {
			rest = append(rest, c)
		} else {
			done = append(done, c)
		}
	}
	w.quiet.done(done)
	return rest, nil
}

// settleChunk makes records of what differs, and lists directories.
func (w *worker) settleChunk(chunk []*waiting, diffs []difference) error {
	if err := w.mend(diffs); err != nil {
		return err
	}
	for _, c := range chunk {
		if c.name.name != "" {
			continue
		}
		if err := w.visit(c.parent); err != nil {
			return err
		}
	}
	return w.commitIfLarge()
}

// compare looks names up on the disk, those of one directory together.
func (w *worker) compare(chunk []*waiting) ([]difference, error) {
	slices.SortStableFunc(chunk, func(a, b *waiting) int { return compareFIDs(a.parent, b.parent) })
	defer w.disk.closeDir()
	var diffs []difference
	for _, c := range chunk {
		n := c.name
		if n.name == "" {
			continue
		}
		w.count.lookups++
		was, err := w.index.peek(n)
		if err != nil {
			return nil, err
		}
		is, err := w.resolve(n)
		if err != nil {
			return nil, err
		}
		if was != is {
			diffs = append(diffs, difference{n, was, is})
		}
	}
	return diffs, nil
}

func compareFIDs(a, b changelog.FID) int {
	return cmp.Or(cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.OID, b.OID), cmp.Compare(a.Ver, b.Ver))
}

// mend makes the index and the journal as the disk is: objects that moved first, then
// names that are gone, then new ones.
func (w *worker) mend(diffs []difference) error {
	how := addition{by: nobody(0), flags: changelog.FlagSynth}
	gone := map[changelog.FID]name{}
	for _, d := range diffs {
		if !d.was.IsZero() {
			gone[d.was] = d.at
		}
	}
	for _, d := range diffs {
		from, ok := gone[d.is]
		if d.is.IsZero() || !ok {
			continue
		}
		if now, err := w.index.dirent(from); err != nil || now != d.is {
			continue
		}
		victim, err := w.index.dirent(d.at)
		if err != nil {
			return err
		}
		if err := w.move(from, d.at, d.is, victim, how); err != nil {
			return err
		}
	}
	for _, d := range diffs {
		now, err := w.index.dirent(d.at)
		if err != nil {
			return err
		}
		if now == d.is || now.IsZero() {
			continue
		}
		if err := w.displace(d.at, now, how); err != nil {
			return err
		}
	}
	for _, d := range diffs {
		now, err := w.index.dirent(d.at)
		if err != nil || now == d.is || d.is.IsZero() {
			if err != nil {
				return err
			}
			continue
		}
		if err := w.adopt(d.at, d.is, how); err != nil {
			return err
		}
	}
	return nil
}

// resolve returns what a name stands for on the disk. Where that cannot be told, it is
// what the index says: nothing is known to be otherwise.
func (w *worker) resolve(n name) (changelog.FID, error) {
	f, err := w.disk.resolve(n)
	if err == nil || errors.Is(err, errAbsent) {
		return f, err
	}
	if errors.Is(err, errCovered) {
		return w.index.dirent(n)
	}
	w.disk.failed++
	w.log.Warn("a name cannot be looked up", "directory", n.parent, "name", n.name, "error", err)
	return w.index.dirent(n)
}
