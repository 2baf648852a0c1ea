// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tree

import (
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
)

// path returns the path of a name in a directory from the top, or of the directory
// itself.
func (n *node) path(name string) []byte {
	var parts []string
	if name != "" {
		parts = append(parts, name)
	}
	for ; n.parent != nil; n = n.parent {
		parts = append(parts, n.name)
	}
	var path []byte
	for i := len(parts) - 1; i >= 0; i-- {
		path = append(path, parts[i]...)
		if i > 0 {
			path = append(path, '/')
		}
	}
	return path
}

// full is the path of a directory, for people.
func (w *Watcher) full(n *node) string { return filepath.Join(w.opts.Dir, string(n.path(""))) }

// blank begins the record that is told next.
func (w *Watcher) blank(kind changelog.Type, flags changelog.Flags) *changelog.Record {
	w.record = changelog.Record{Index: w.index + 1, Time: w.time, Type: kind, Flags: flags}
	return &w.record
}

// begin begins the record of a name, with what the object is like.
func (w *Watcher) begin(kind changelog.Type, d *node, name string, flags changelog.Flags) *changelog.Record {
	r := w.blank(kind, flags)
	r.Name, r.Path = []byte(name), d.path(name)
	var st unix.Statx_t
	err := unix.Statx(int(w.root.Fd()), string(r.Path), unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, unix.STATX_BASIC_STATS, &st)
	if err != nil {
		r.Flags |= changelog.FlagGone
		return r
	}
	r.Has |= changelog.HasAttr
	r.Attr = changelog.Attr{
		Mode: uint32(st.Mode), Links: st.Nlink, UID: st.Uid, GID: st.Gid, Size: st.Size, Blocks: st.Blocks,
		Atime: nanoseconds(st.Atime), Mtime: nanoseconds(st.Mtime), Ctime: nanoseconds(st.Ctime),
		RdevMajor: st.Rdev_major, RdevMinor: st.Rdev_minor,
	}
	return r
}

func nanoseconds(t unix.StatxTimestamp) int64 { return t.Sec*1e9 + int64(t.Nsec) }

// isDir reports whether a name stands for a directory now.
func (w *Watcher) isDir(d *node, name string) bool {
	var st unix.Stat_t
	err := unix.Fstatat(int(w.root.Fd()), string(d.path(name)), &st, unix.AT_SYMLINK_NOFOLLOW)
	return err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR
}

// readlink returns the target of a symbolic link, nil if it cannot be read.
func (w *Watcher) readlink(d *node, name string) []byte {
	b := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(int(w.root.Fd()), string(d.path(name)), b)
	if err != nil {
		return nil
	}
	return b[:n]
}

// tell hands a record out.
func (w *Watcher) tell(r *changelog.Record) error {
	w.index = r.Index
	return w.emit(r)
}
