// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"bytes"
	"errors"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// sortedNames are the names in a directory in the order of bytes. There may be very many: a
// bounded number of them is read at a time.
type sortedNames struct {
	dirfd int
	most  int
	page  [][]byte
	after []byte // the last name of the pages so far
	read  bool   // the last page was read
}

// load makes sure that page has a name, unless there are no more.
func (s *sortedNames) load() error {
	if len(s.page) > 0 || s.read {
		return nil
	}
	fd, err := unix.Openat(s.dirfd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	l := &listed{os.NewFile(uintptr(fd), "directory")}
	page, more, err := pageOf(l, s.after, s.most)
	if err = errors.Join(err, l.close()); err != nil {
		return err
	}
	s.page, s.read = page, !more
	if len(page) > 0 {
		s.after = page[len(page)-1]
	}
	return nil
}

// firstOf takes the first name of two directories from whichever have it. Both are loaded.
func firstOf(a, b *sortedNames) (n string, inA, inB bool) {
	switch {
	case len(a.page) == 0 && len(b.page) == 0:
		return "", false, false
	case len(b.page) == 0:
		inA = true
	case len(a.page) == 0:
		inB = true
	default:
		order := bytes.Compare(a.page[0], b.page[0])
		inA, inB = order <= 0, order >= 0
	}
	if inA {
		n, a.page = string(a.page[0]), a.page[1:]
	}
	if inB {
		n, b.page = string(b.page[0]), b.page[1:]
	}
	return n, inA, inB
}

// pageOf returns the first names behind one that a directory lists, in the order of bytes.
func pageOf(l lister, after []byte, most int) (names [][]byte, more bool, err error) {
	for {
		some, err := l.next(most)
		if err != nil || len(some) == 0 {
			names, more = firstNames(names, most, more)
			return names, more, err
		}
		for _, n := range some {
			if n <= string(after) || more && n > string(names[most-1]) { // cut names are sorted
				continue
			}
			names = append(names, []byte(n))
		}
		if len(names) >= 2*most {
			names, more = firstNames(names, most, more)
		}
	}
}

// firstNames sorts names, and cuts off all but so many.
func firstNames(names [][]byte, most int, more bool) ([][]byte, bool) {
	slices.SortFunc(names, bytes.Compare)
	if len(names) > most {
		return names[:most], true
	}
	return names, more
}
