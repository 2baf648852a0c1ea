// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"bytes"
	"cmp"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/feed/journal"
)

// descent tells of what lies below a directory that was moved in over the edge of a
// filter, parents before children, as the journal's index has it now. It goes on over
// the limits of batches; until its end the move counts as not delivered.
type descent struct {
	index  uint64           // of the move
	move   changelog.Record // time and actor of the records
	levels []level          // the directories that are under way, the deepest last
	// told has objects with several names that a record has told of; further names are
	// hard links.
	told map[changelog.FID]struct{}
	// Memory of the record that is made.
	name, path []byte
}

// level is a directory that is under way.
type level struct {
	dir   changelog.FID
	path  []byte
	after []byte // name that was told last
}

// maxTold bounds descent.told: names of further objects are told as if they were new.
const maxTold = 100_000

// descentOf returns what is to be told behind a record, nil if it is nothing. arrived says
// that the record was a rename from where the reader does not see.
func descentOf(r *changelog.Record, arrived bool) *descent {
	var dir changelog.FID
	var path []byte
	switch {
	case r.Type == changelog.Rename && r.Edge == changelog.EdgeIn:
		dir, path = r.Source, r.Path
	case r.Type == changelog.Rename && r.Edge == changelog.EdgeOut && r.Flags&changelog.FlagExchange != 0:
		dir, path = r.Target, r.SourcePath
	case arrived:
		dir, path = r.Target, r.Path
	}
	if dir.IsZero() || len(path) == 0 {
		return nil
	}
	return &descent{
		index: r.Index,
		move: changelog.Record{
			Index: r.Index, Time: r.Time, Has: r.Has & (changelog.HasUser | changelog.HasProc | changelog.HasNID),
			UID: r.UID, GID: r.GID, NID: r.NID, Job: bytes.Clone(r.Job), Proc: r.Proc,
		},
		levels: []level{{dir: dir, path: bytes.Clone(path)}},
		told:   map[changelog.FID]struct{}{},
	}
}

// descend hands out what is below a directory until a limit is reached or all is told.
func (r *reading) descend() error {
	d := r.below
	for len(d.levels) > 0 && !r.full {
		at := len(d.levels) - 1
		entered, examined := false, 0
		var failed error
		err := r.j.ChildrenAfter(d.levels[at].dir, d.levels[at].after, func(name []byte, f changelog.FID) bool {
			rec, err := d.record(r.j, &d.levels[at], name, f)
			if failed = err; err != nil {
				return false
			}
			if rec == nil {
				d.levels[at].after = append(d.levels[at].after[:0], name...)
				return true
			}
			isDir := rec.Type == changelog.Mkdir
			if r.wants(rec) && !r.deliver(rec) {
				return false
			}
			d.levels[at].after = append(d.levels[at].after[:0], name...)
			if entered = isDir; entered {
				d.levels = append(d.levels, level{dir: f, path: bytes.Clone(d.path)})
			}
			examined++
			return !entered && !r.full && examined < examineStep
		})
		if err := cmp.Or(err, failed); err != nil {
			return storeError(err)
		}
		if !entered && !r.full && examined < examineStep {
			d.levels = d.levels[:at]
		}
	}
	if len(d.levels) == 0 {
		r.through, r.below = d.index, nil
	}
	return nil
}

// record makes the record of a name, nil if the index has no object behind it any more.
func (d *descent) record(x Index, in *level, name []byte, f changelog.FID) (*changelog.Record, error) {
	var o journal.Object
	found, err := x.Object(f, &o)
	if err != nil || !found {
		return nil, err
	}
	d.name = append(d.name[:0], name...)
	d.path = append(append(append(d.path[:0], in.path...), '/'), name...)
	rec := d.move
	rec.Flags = changelog.FlagSynth
	rec.Target, rec.Parent, rec.Name, rec.Path, rec.Prev = f, in.dir, d.name, d.path, o.Last
	rec.Attr = changelog.Attr{
		Mode: o.Type | o.Mode, Links: o.Links, UID: o.UID, GID: o.GID, Size: o.Size, Blocks: o.Blocks,
		Atime: o.Atime, Mtime: o.Mtime, Ctime: o.Ctime, RdevMajor: o.RdevMajor, RdevMinor: o.RdevMinor,
	}
	rec.Has |= changelog.HasAttr
	switch o.Type {
	case unix.S_IFDIR:
		rec.Type = changelog.Mkdir
	case unix.S_IFLNK:
		rec.Type = changelog.Softlink
	case unix.S_IFREG:
		rec.Type = changelog.Create
	default:
		rec.Type = changelog.Mknod
	}
	if o.Type != unix.S_IFDIR && o.Links > 1 {
		if _, told := d.told[f]; told {
			rec.Type = changelog.Hardlink
		} else if len(d.told) < maxTold {
			d.told[f] = struct{}{}
		}
	}
	return &rec, nil
}
