// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"github.com/weir-io/weir/changelog"
)

// maxDepth is how deep directories are named; what lies deeper has no path.
const maxDepth = 4096

// appendPath appends the path of a name from the root of the source to b; it returns nil
// if a directory on the way is not known.
func (x *index) appendPath(b []byte, dir changelog.FID, name []byte) []byte {
	above, ok := x.dirPath(dir, 0)
	if !ok {
		return nil
	}
	if len(above) > 0 {
		b = append(append(b, above...), '/')
	}
	return append(b, name...)
}

// dirPath returns the path of a directory, empty for the root.
func (x *index) dirPath(f changelog.FID, depth int) ([]byte, bool) {
	if f == x.root {
		return nil, true
	}
	if p, ok := x.paths[f]; ok {
		return p, true
	}
	if depth >= maxDepth {
		return nil, false
	}
	place, ok := x.place(f)
	if !ok {
		return nil, false
	}
	above, ok := x.dirPath(place.parent, depth+1)
	if !ok {
		return nil, false
	}
	p := make([]byte, 0, len(above)+1+len(place.name))
	if len(above) > 0 {
		p = append(append(p, above...), '/')
	}
	p = append(p, place.name...)
	x.paths[f] = p
	return p, true
}

// place returns the name of a directory.
func (x *index) place(f changelog.FID) (name, bool) {
	o, err := x.object(f)
	if err != nil || !o.exists {
		return name{}, false
	}
	if o.placed {
		return o.place, true
	}
	n, ok := x.someLink(f)
	if ok {
		o.place, o.placed = n, true
	}
	return n, ok
}

// someLink returns a name of an object, by the journal and the batch.
func (x *index) someLink(f changelog.FID) (found name, ok bool) {
	err := x.j.Links(f, func(parent changelog.FID, b []byte) bool {
		n := name{parent, string(b)}
		if l := x.names[n]; l != nil && l.f != f {
			return true
		}
		found, ok = n, true
		return false
	})
	if err == nil && ok {
		return found, true
	}
	for _, l := range x.changedNames {
		if l.f == f {
			return l.name, true
		}
	}
	return name{}, false
}

// moved says that a directory has another name now, or none.
func (x *index) moved() { clear(x.paths) }
