// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package access

import (
	"bytes"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/feed"
)

// keep is how long an answer of the kernel counts, and how long the root of the file
// system is held open, which keeps it mounted.
const keep = time.Second

// viewer shows records to one user.
type viewer struct {
	// Static.
	uid     uint32
	scene   feed.Scene
	opts    Options
	subject *subject

	mu     sync.Mutex
	closed bool            // guarded by mu
	root   int             // of the file system, opened by the user; -1: not open; guarded by mu
	top    changelog.FID   // of root; guarded by mu
	opened time.Time       // when root was; guarded by mu
	seen   map[key]verdict // guarded by mu
	idle   *time.Timer     // has root closed
}

// key names a directory as a record does.
type key struct {
	dir  changelog.FID
	path string
}

// verdict is what the user may do with a directory.
type verdict struct {
	at           time.Time
	list, search bool
}

// maxSeen bounds what a viewer knows.
const maxSeen = 10_000

// Show reports whether a record may be shown, and takes out of it what may not.
func (v *viewer) Show(r *changelog.Record) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if r.Type == changelog.Mark {
		return v.showMark(r)
	}
	v.outdate(r)
	v.hideActor(r)
	if r.Type == changelog.Rename || r.Type == changelog.Migrate {
		return v.showRename(r)
	}
	if r.Parent.IsZero() || len(r.Name) == 0 {
		return v.showNameless(r)
	}
	d := v.dir(r.Parent, parentOf(r.Path, r.Name), len(r.Path) > 0)
	if !d.list {
		return false
	}
	if !d.search {
		hideAttr(r)
	}
	return true
}

// showMark hides where things are, and what is of administrators only.
func (v *viewer) showMark(r *changelog.Record) bool {
	switch r.Mark.Kind {
	case changelog.MarkStart, changelog.MarkFini, changelog.MarkPurge, changelog.MarkGap, changelog.MarkScanBegin,
		changelog.MarkScanEnd, changelog.MarkMount, changelog.MarkUnmount, changelog.MarkAbort:
	default:
		return false
	}
	m := *r.Mark
	m.Dir, m.Device, m.Feed, m.Object = "", "", "", changelog.FID{}
	r.Mark = &m
	return true
}

// outdate forgets what was seen when a record tells that rights, or names of
// directories, are others now.
func (v *viewer) outdate(r *changelog.Record) {
	switch r.Type {
	case changelog.Setattr, changelog.Setxattr, changelog.Rename:
		if r.Has&changelog.HasAttr == 0 || r.Attr.Mode&unix.S_IFMT == unix.S_IFDIR || r.Flags&changelog.FlagExchange != 0 {
			clear(v.seen)
		}
	}
}

// hideActor hides who did it, unless it was the user.
func (v *viewer) hideActor(r *changelog.Record) {
	if uid, _ := r.Actor(); uid == v.uid {
		return
	}
	r.UID, r.GID, r.NID, r.Job, r.Proc = 0, 0, changelog.NID{}, nil, changelog.Proc{}
	r.Has &^= changelog.HasUser | changelog.HasNID | changelog.HasProc | changelog.HasReint
}

// hideAttr hides what stat would show.
func hideAttr(r *changelog.Record) {
	r.Attr, r.Link, r.Xattr, r.Open = changelog.Attr{}, nil, nil, 0
	r.Has &^= changelog.HasAttr | changelog.HasOpen | changelog.HasReint
	r.Flags |= changelog.FlagPartial
}

// showNameless shows a record of an object by whatever name of it the user sees.
func (v *viewer) showNameless(r *changelog.Record) bool {
	r.Path, r.Name, r.Parent = nil, nil, changelog.FID{}
	if v.openRoot() && r.Target == v.top { // stat of the root needs nothing but the way to it
		return true
	}
	list, search := false, false
	err := v.scene.Index.Links(r.Target, func(parent changelog.FID, _ []byte) bool {
		d := v.dir(parent, "", false)
		list, search = list || d.list, search || d.list && d.search
		return !search
	})
	if err != nil || !list {
		return false
	}
	if !search {
		hideAttr(r)
	}
	return true
}

// showRename shows a rename of which the user sees either side, as what it is from there.
func (v *viewer) showRename(r *changelog.Record) bool {
	to, from := verdict{}, verdict{}
	if !r.Parent.IsZero() && len(r.Name) > 0 {
		to = v.dir(r.Parent, parentOf(r.Path, r.Name), len(r.Path) > 0)
	}
	if !r.SourceParent.IsZero() && len(r.SourceName) > 0 {
		from = v.dir(r.SourceParent, parentOf(r.SourcePath, r.SourceName), len(r.SourcePath) > 0)
	}
	switch {
	case to.list && from.list:
		if !to.search {
			hideAttr(r)
		}
		return true
	case to.list:
		v.appear(r, r.Source)
		if !to.search {
			hideAttr(r)
		}
		return true
	case from.list && r.Flags&changelog.FlagExchange != 0:
		// What the user sees is that something else has the old name now.
		r.Parent, r.Name, r.Path = r.SourceParent, r.SourceName, r.SourcePath
		hideAttr(r) // it is that of the other object
		v.appear(r, r.Target)
		return true
	case from.list:
		v.vanish(r)
		return true
	}
	return false
}

// appear makes of a rename from where the user does not see the creation that he sees.
func (v *viewer) appear(r *changelog.Record, f changelog.FID) {
	isDir := v.isDir(r, f)
	v.cut(r, f)
	r.Type = changelog.Create
	if isDir {
		r.Type = changelog.Mkdir
	}
}

// vanish makes of a rename to where the user does not see the removal that he sees.
func (v *viewer) vanish(r *changelog.Record) {
	r.Parent, r.Name, r.Path = r.SourceParent, r.SourceName, r.SourcePath
	isDir := v.isDir(r, r.Source)
	v.cut(r, r.Source)
	hideAttr(r)
	r.Type = changelog.Unlink
	if isDir {
		r.Type = changelog.Rmdir
	}
}

// cut takes the other side out of a rename.
func (v *viewer) cut(r *changelog.Record, f changelog.FID) {
	r.Target, r.Prev = f, 0
	r.Source, r.SourceParent, r.SourceName, r.SourcePath = changelog.FID{}, changelog.FID{}, nil, nil
	r.Flags = r.Flags&^(changelog.FlagExchange|changelog.FlagLast) | changelog.FlagPartial
	r.Has &^= changelog.HasReint
}

// isDir reports whether the object of a record is a directory.
func (v *viewer) isDir(r *changelog.Record, f changelog.FID) bool {
	if f == r.Source && r.Has&changelog.HasAttr != 0 {
		return r.Attr.Mode&unix.S_IFMT == unix.S_IFDIR
	}
	return v.indexedDir(f)
}

// Paths returns those names of an object that the user sees; that of the root is empty.
func (v *viewer) Paths(f changelog.FID) (paths []string, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.openRoot() && f == v.top { // as for stat, nothing but the way to it is needed
		return []string{""}, nil
	}
	err = v.scene.Index.Links(f, func(parent changelog.FID, name []byte) bool {
		if !v.dir(parent, "", false).list {
			return true
		}
		if above, err := v.pathOf(parent); err == nil {
			paths = append(paths, string(join(above, string(name))))
		}
		return true
	})
	return paths, err
}

// Close ends it, and the thread with it.
func (v *viewer) Close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return
	}
	v.closed = true
	v.idle.Stop()
	v.closeRoot()
	v.subject.end()
}

// parentOf returns the path of the directory that a name is in.
func parentOf(path, name []byte) string {
	above, ok := bytes.CutSuffix(path, name)
	if !ok {
		return ""
	}
	return string(bytes.TrimSuffix(above, []byte{'/'}))
}
