// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import "golang.org/x/sys/unix"

// inode is what tells files of a host apart.
type inode struct{ dev, ino uint64 }

// linkPairs are files of the source and those of the target at the same names: where each has
// one of the other, the names below the roots are linked alike. How many links a file has says
// nothing of that: others may be outside. Files that have one link in both are not kept.
type linkPairs struct{ to, from map[inode]inode }

// add adds two files at the same name, and reports whether no name so far has one of them with
// another.
func (l *linkPairs) add(a, b *unix.Stat_t) bool {
	if a.Nlink < 2 && b.Nlink < 2 {
		return true
	}
	x, y := inode{a.Dev, a.Ino}, inode{b.Dev, b.Ino}
	to, wasA := l.to[x]
	from, wasB := l.from[y]
	if !wasA {
		l.to[x] = y
	}
	if !wasB {
		l.from[y] = x
	}
	return (!wasA || to == y) && (!wasB || from == x)
}
