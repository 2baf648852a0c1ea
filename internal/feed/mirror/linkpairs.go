// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// inode is what tells files of a host apart.
type inode struct{ dev, ino uint64 }

// linkPairs are files of the source and those of the target at the same names: where each has
// one of the other, the names below the roots are linked alike. How many links a file has says
// nothing of that: others may be outside. Files that have one link in both are not kept.
type linkPairs struct{ source, target map[inode]*linked }

// linked is a file that was met.
type linked struct {
	path  string // that it was met at first
	other inode  // the file of the other tree there
	told  bool   // that path was told of
}

// add adds two files at the same path, and tells of paths that are of one file in one tree
// only.
func (l *linkPairs) add(path string, a, b *unix.Stat_t, tell func(path, what string)) {
	if a.Nlink < 2 && b.Nlink < 2 {
		return
	}
	x, y := inode{a.Dev, a.Ino}, inode{b.Dev, b.Ino}
	addTo(l.source, x, y, path, "source, not in the target", tell)
	addTo(l.target, y, x, path, "target, not in the source", tell)
}

func addTo(met map[inode]*linked, is, other inode, path, where string, tell func(path, what string)) {
	was := met[is]
	if was == nil {
		met[is] = &linked{path: path, other: other}
		return
	}
	if was.other == other {
		return
	}
	if !was.told {
		was.told = true
		tell(was.path, fmt.Sprintf("hard link: one file with %q in the %s", path, where))
	}
	tell(path, fmt.Sprintf("hard link: one file with %q in the %s", was.path, where))
}
