// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package access

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/feed/journal"
	"github.com/weir-io/weir/internal/kernel/fanotify"
)

// dir asks what the user may do with a directory. known says that path is what the
// directory was called; else, and if that is not it any more, the index tells.
func (v *viewer) dir(f changelog.FID, path string, known bool) verdict {
	k := key{dir: f}
	if known {
		k.path = path
	}
	now := v.opts.Now()
	if d, ok := v.seen[k]; ok && now.Sub(d.at) < keep {
		return d
	}
	d, err := verdict{}, error(errHidden)
	if known {
		d, err = v.ask(f, path)
	}
	if err != nil {
		if now, pathErr := v.pathOf(f); pathErr == nil && (!known || now != path) {
			d, _ = v.ask(f, now) // what cannot be asked stays hidden
		}
	}
	d.at = now
	if len(v.seen) >= maxSeen {
		clear(v.seen)
	}
	v.seen[k] = d
	return d
}

// ask has the kernel tell. An error says that the way does not lead to the directory.
func (v *viewer) ask(f changelog.FID, path string) (d verdict, err error) {
	if !v.openRoot() {
		return d, errHidden
	}
	v.subject.run(func() {
		fd := v.root
		if path != "" {
			how := unix.OpenHow{
				Flags:   unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC,
				Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV,
			}
			if fd, err = unix.Openat2(v.root, path, &how); err != nil {
				return
			}
			defer unix.Close(fd)
		}
		var is changelog.FID
		if is, err = fidAt(fd); err != nil {
			return
		}
		if is != f {
			err = fmt.Errorf("%q is another directory now: %w", path, errHidden)
			return
		}
		d.list = unix.Faccessat2(fd, "", unix.R_OK, unix.AT_EMPTY_PATH|unix.AT_EACCESS) == nil
		d.search = unix.Faccessat2(fd, "", unix.X_OK, unix.AT_EMPTY_PATH|unix.AT_EACCESS) == nil
	})
	return d, err
}

// fidAt is the FID of what is open.
func fidAt(fd int) (changelog.FID, error) {
	h, err := fanotify.HandleAt(fd, "")
	if err != nil {
		return changelog.FID{}, err
	}
	f, ok := changelog.FIDOfHandle(h.Type, h.Bytes)
	if !ok {
		return f, fmt.Errorf("handle %v: it is of no file system that is watched", h)
	}
	return f, nil
}

// openRoot has the root of the file system open, by the user: he may not come to where it
// is mounted.
func (v *viewer) openRoot() bool {
	now := v.opts.Now()
	if v.closed {
		return false
	}
	if v.root >= 0 && now.Sub(v.opened) < keep {
		return true
	}
	v.closeRoot()
	dir, found := v.opts.Find(v.scene.Source, v.scene.Dir)
	if !found {
		return false
	}
	v.subject.run(func() {
		v.root = -1
		if fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0); err == nil {
			v.root = fd
		}
	})
	if v.root < 0 {
		return false
	}
	v.opened = now
	v.idle.Reset(keep)
	top, err := fidAt(v.root)
	if err != nil || !v.isSource() {
		v.closeRoot()
		return false
	}
	v.top = top
	return true
}

// isSource reports whether the root that was opened is the source's: another file system
// may have been mounted there meanwhile.
func (v *viewer) isSource() bool {
	r, err := fanotify.OpenRoot(fmt.Sprintf("/proc/self/fd/%d", v.root))
	if err != nil {
		return false
	}
	defer r.Close()
	id, err := r.UUID()
	return err == nil && id == v.scene.Source
}

func (v *viewer) closeRoot() {
	if v.root >= 0 {
		unix.Close(v.root)
		v.root = -1
	}
}

// rest closes the root of a viewer that nobody asks: it could not be unmounted.
func (v *viewer) rest() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.closed {
		v.closeRoot()
	}
}

// maxDepth is how deep directories are looked for.
const maxDepth = 4096

// pathOf returns where the index has a directory, from the root of the source.
func (v *viewer) pathOf(f changelog.FID) (string, error) {
	if !v.openRoot() {
		return "", errHidden
	}
	var path []byte
	for range maxDepth {
		if f == v.top {
			return string(path), nil
		}
		found := false
		err := v.scene.Index.Links(f, func(parent changelog.FID, name []byte) bool {
			path, f, found = join(string(name), string(path)), parent, true
			return false
		})
		if err != nil {
			return "", err
		}
		if !found {
			return "", errHidden
		}
	}
	return "", errHidden
}

// join puts a slash between two paths that are not empty.
func join(a, b string) []byte {
	if a == "" || b == "" {
		return []byte(a + b)
	}
	return []byte(a + "/" + b)
}

// indexedDir reports whether the index has an object as a directory.
func (v *viewer) indexedDir(f changelog.FID) bool {
	var o journal.Object
	found, err := v.scene.Index.Object(f, &o)
	return err == nil && found && o.Type == unix.S_IFDIR
}
