// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tree

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/kernel/inotify"
)

// created tells that a name came to be, unless a listing has found it before.
func (w *Watcher) created(d *node, name string, isDir bool, flags changelog.Flags) error {
	if n, known := d.entries[name]; known {
		if (n != nil) == isDir || isDir != w.isDir(d, name) {
			return nil
		}
		// What the listing saw is gone, and its event is still to come.
		w.doubt = true
		if err := w.removed(d, name, n != nil, changelog.FlagSynth); err != nil {
			return err
		}
	}
	if d.entries == nil {
		return nil
	}
	d.entries[name] = nil
	r := w.begin(changelog.Create, d, name, flags)
	r.Type = creation(r, isDir)
	if r.Type == changelog.Softlink {
		r.Link = w.readlink(d, name)
	}
	if err := w.tell(r); err != nil || r.Type != changelog.Mkdir {
		return err
	}
	n := &node{parent: d, name: name, watch: -1}
	d.entries[name] = n
	return w.enter(n, true)
}

// creation is the type of a record of a new name, by what the object is like.
func creation(r *changelog.Record, isDir bool) changelog.Type {
	if r.Has&changelog.HasAttr == 0 {
		if isDir {
			return changelog.Mkdir
		}
		return changelog.Create
	}
	switch r.Attr.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return changelog.Mkdir
	case unix.S_IFLNK:
		return changelog.Softlink
	case unix.S_IFREG:
		if r.Attr.Links > 1 {
			return changelog.Hardlink
		}
		return changelog.Create
	}
	return changelog.Mknod
}

// removed tells that a name is gone.
func (w *Watcher) removed(d *node, name string, isDir bool, flags changelog.Flags) error {
	n, known := d.entries[name]
	if !known {
		w.doubt = true
		return nil
	}
	delete(d.entries, name)
	w.leave(n)
	r := w.blank(changelog.Unlink, flags)
	if isDir || n != nil {
		r.Type = changelog.Rmdir
	}
	r.Name, r.Path = []byte(name), d.path(name)
	return w.tell(r)
}

// arrived tells of the second half of a rename, or of a name from outside.
func (w *Watcher) arrived(d *node, name string, e *inotify.Event) error {
	i := slices.IndexFunc(w.moving, func(m departure) bool { return m.cookie == e.Cookie })
	if i < 0 {
		return w.cameIn(d, name)
	}
	from := w.moving[i]
	w.moving = slices.Delete(w.moving, i, i+1)
	moved, known := from.from.entries[from.name]
	w.doubt = w.doubt || moved != nil || !known
	if !known || d.entries == nil {
		return w.created(d, name, e.Is(inotify.OnDir), changelog.FlagSynth)
	}
	source := from.from.path(from.name)
	delete(from.from.entries, from.name)
	w.leave(d.entries[name])
	d.entries[name] = moved
	if moved != nil {
		moved.parent, moved.name = d, name
	}
	r := w.begin(changelog.Rename, d, name, 0)
	r.SourceName, r.SourcePath = []byte(from.name), source
	return w.tell(r)
}

// cameIn tells of what was moved in, and of what is below it.
func (w *Watcher) cameIn(d *node, name string) error {
	if d.entries == nil {
		return nil
	}
	w.leave(d.entries[name])
	d.entries[name] = nil
	r := w.begin(changelog.Rename, d, name, 0)
	r.CutEdge(changelog.EdgeIn)
	isDir := r.Has&changelog.HasAttr != 0 && r.Attr.Mode&unix.S_IFMT == unix.S_IFDIR
	if err := w.tell(r); err != nil || !isDir {
		return err
	}
	w.doubt = true
	n := &node{parent: d, name: name, watch: -1}
	d.entries[name] = n
	return w.enter(n, true)
}

// depart tells of names of which the second half of a rename does not come: they are
// outside now.
func (w *Watcher) depart(now time.Time) error {
	for len(w.moving) > 0 && !now.Before(w.moving[0].until) {
		m := w.moving[0]
		w.moving = w.moving[1:]
		if err := w.wentOut(m); err != nil {
			return err
		}
	}
	return nil
}

// departNow is depart for a name of which another event tells already.
func (w *Watcher) departNow(d *node, name string, cookie uint32) error {
	i := slices.IndexFunc(w.moving, func(m departure) bool { return m.from == d && m.name == name && m.cookie != cookie })
	if i < 0 {
		return nil
	}
	m := w.moving[i]
	w.moving = slices.Delete(w.moving, i, i+1)
	return w.wentOut(m)
}

func (w *Watcher) wentOut(m departure) error {
	n, known := m.from.entries[m.name]
	w.doubt = w.doubt || n != nil || !known
	if !known {
		return nil
	}
	r := w.blank(changelog.Rename, 0)
	r.SourceName, r.SourcePath = []byte(m.name), m.from.path(m.name)
	r.CutEdge(changelog.EdgeOut)
	delete(m.from.entries, m.name)
	w.leave(n)
	return w.tell(r)
}

// enter watches a directory and lists it. With tells, what is in it is told: it was made
// before there was a watch.
func (w *Watcher) enter(n *node, tells bool) error {
	f, err := w.open(n)
	if err != nil {
		return w.skip(n, err)
	}
	defer f.Close()
	watch, err := w.queue.Add(int(f.Fd()), w.mask)
	switch {
	case errors.Is(err, unix.ENOSPC):
		return fmt.Errorf("%s: the user has no more watches than %d: raise fs.inotify.max_user_watches", w.full(n), len(w.nodes))
	case err != nil:
		return w.skip(n, err)
	}
	if other := w.nodes[watch]; other != nil && other != n { // moved, and the event is still to come
		w.doubt = true
		w.leave(other)
		if watch, err = w.queue.Add(int(f.Fd()), w.mask); err != nil {
			return w.skip(n, err)
		}
	}
	n.watch, n.entries = watch, map[string]*node{}
	w.nodes[watch] = n
	found, err := f.ReadDir(-1)
	if err != nil {
		return w.skip(n, err)
	}
	for _, e := range found {
		if tells {
			err = w.created(n, e.Name(), e.IsDir(), changelog.FlagSynth)
		} else {
			err = w.note(n, e.Name(), e.IsDir())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// note takes over a name that was there before the watcher.
func (w *Watcher) note(n *node, name string, isDir bool) error {
	n.entries[name] = nil
	if !isDir {
		return nil
	}
	child := &node{parent: n, name: name, watch: -1}
	n.entries[name] = child
	return w.enter(child, false)
}

// skip leaves a directory out that cannot be followed.
func (w *Watcher) skip(n *node, err error) error {
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		w.doubt = true // its removal, or that of a directory above, is still to be told
		return nil
	}
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.EXDEV) || errors.Is(err, unix.ELOOP) {
		w.skips++
		n.skipped = true
		w.opts.Log.Debug("directory is not followed", "dir", w.full(n), "error", err)
		return nil
	}
	return fmt.Errorf("%s: %w", w.full(n), err)
}

// leave ends the watches of a directory and of what is below it.
func (w *Watcher) leave(n *node) {
	if n == nil {
		return
	}
	for _, child := range n.entries {
		w.leave(child)
	}
	n.entries = nil
	if n.watch >= 0 && w.nodes[n.watch] == n {
		delete(w.nodes, n.watch)
		_ = w.queue.Remove(n.watch) // it may be gone with the directory
	}
	n.watch = -1
}

// compare tells of what a directory has and was not told of, and the reverse.
func (w *Watcher) compare(n *node) error {
	f, err := w.open(n)
	if err != nil {
		return w.skip(n, err)
	}
	found, err := f.ReadDir(-1)
	f.Close()
	if err != nil {
		return w.skip(n, err)
	}
	there := map[string]bool{}
	for _, e := range found {
		there[e.Name()] = e.IsDir()
	}
	for _, name := range slices.Sorted(maps.Keys(n.entries)) {
		child := n.entries[name]
		if isDir, ok := there[name]; ok && isDir == (child != nil) && (child == nil || w.isStill(child)) {
			continue
		}
		if err := w.removed(n, name, child != nil, changelog.FlagSynth); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(there)) {
		if child, known := n.entries[name]; known {
			switch {
			case child == nil:
			case child.entries == nil && !child.skipped:
				err = w.enter(child, true)
			case child.entries != nil:
				err = w.compare(child)
			}
		} else {
			err = w.created(n, name, there[name], changelog.FlagSynth)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// isStill reports whether a name still stands for the directory that is watched.
func (w *Watcher) isStill(n *node) bool {
	f, err := w.open(n)
	if err != nil {
		return n.entries == nil
	}
	defer f.Close()
	watch, err := w.queue.Add(int(f.Fd()), w.mask)
	if err != nil || watch == n.watch {
		return err == nil
	}
	if w.nodes[watch] == nil {
		_ = w.queue.Remove(watch) // it is added again when it is entered
	}
	return false
}

// open opens a directory for listing, by its names below the top and by nothing else.
func (w *Watcher) open(n *node) (*os.File, error) {
	path := string(n.path(""))
	if path == "" {
		path = "."
	}
	fd, err := unix.Openat2(int(w.root.Fd()), path, &unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV,
	})
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}
