// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
)

// origin is the directory that is mirrored, on this host or another: objects are named by
// their handles. Errors for which isGone holds say that an object is there no more.
type origin interface {
	// topFID is the directory itself, and place how people call it.
	topFID() changelog.FID
	place() string
	// lookUp returns what a name stands for, zero for nothing. It fails with errCovered
	// where something is mounted on it.
	lookUp(n name) (changelog.FID, error)
	// whereIs returns the name of a directory, the zero name if it is gone or lies outside.
	whereIs(f changelog.FID) (name, error)
	// alive reports whether an object has a name still; a directory, whether it is inside.
	alive(f changelog.FID) (bool, error)
	// list begins to list a directory.
	list(dir changelog.FID) (lister, error)
	// stat looks at an object, and reads it if it is a symbolic link.
	stat(f changelog.FID) (*unix.Stat_t, string, error)
	// xattrs reads all extended attributes of an object.
	xattrs(f changelog.FID) (map[string][]byte, error)
	// copyTo copies what is in a file to an open empty one at a pace, and leaves in st what
	// the file was like before: what is copied is at least as new.
	copyTo(ctx context.Context, p *pace, out int, f changelog.FID, st *unix.Stat_t) (copied int64, err error)
	// forget drops what was told, which may be otherwise by now, and lets go of what is
	// there no more: a batch begins, or has ended.
	forget()
	close() error
}

// inside reports whether a directory is the mirrored one or lies below it.
func inside(o origin, f changelog.FID) (bool, error) {
	if f == o.topFID() {
		return true, nil
	}
	n, err := o.whereIs(f)
	return n != name{}, err
}

var (
	_ origin = (*source)(nil)
	_ origin = (*far)(nil)
)
