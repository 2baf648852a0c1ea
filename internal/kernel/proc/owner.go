// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package proc

import (
	"bytes"
	"math"
	"os"
)

// overflow is the id of whoever has none in a user name space, where
// /proc/sys/kernel/overflowuid is not changed.
const overflow = 65534

// extent is a line of uid_map or gid_map: count ids from inside on, of the thread's
// user name space, are those from outside on of the reader's.
type extent struct{ inside, outside, count uint64 }

// idMap tells what ids are in a user name space; nil: the same.
type idMap []extent

// in is what an id is called in the name space.
func (m idMap) in(id uint32) uint32 {
	if m == nil {
		return id
	}
	for _, e := range m {
		if n := uint64(id); n >= e.outside && n-e.outside < e.count {
			return uint32(e.inside + n - e.outside)
		}
	}
	return overflow
}

func (m idMap) all(ids IDs) IDs { return IDs{m.in(ids.Real), m.in(ids.Effective), m.in(ids.Saved)} }

// parseIDMap reads uid_map or gid_map. One that is not written yet has no lines:
// nobody has an id there.
func parseIDMap(b []byte) idMap {
	m := idMap{}
	for line := range bytes.Lines(b) {
		var e extent
		fields := [...]*uint64{&e.inside, &e.outside, &e.count}
		i := 0
		for word := range bytes.FieldsSeq(line) {
			n, ok := number(word)
			if !ok || n > math.MaxUint32 || i == len(fields) {
				return idMap{}
			}
			*fields[i] = n
			i++
		}
		if i != len(fields) {
			return idMap{}
		}
		m = append(m, e)
	}
	return m
}

// maps are those of one user name space.
type maps struct{ users, groups idMap }

// owners reads whose threads are, and remembers the maps of user name spaces by
// their numbers.
type owners struct {
	known map[uint32]maps
	text  []byte
}

// owner completes what status tells of a thread, whose files are below path. The
// number of its user name space is 0 when it is not known.
func (o *owners) owner(d dir, path string, space uint32, uid, gid IDs) Owner {
	m, known := o.known[space]
	if !known || space == 0 {
		m = maps{o.read(d, path+"uid_map"), o.read(d, path+"gid_map")}
		if o.known == nil {
			o.known = make(map[uint32]maps)
		}
		o.known[space] = m
	}
	return Owner{UID: uid, GID: gid, VUID: m.users.all(uid), VGID: m.groups.all(gid)}
}

// read reads a map; a kernel without user name spaces has none.
func (o *owners) read(d dir, path string) idMap {
	var err error
	if o.text, err = d.read(path, o.text); err != nil {
		return nil
	}
	return parseIDMap(o.text)
}

// initNamespace is the number of the first name space of process ids, which the
// kernel's own numbers, and those in its events, are of (PROC_PID_INIT_INO).
const initNamespace = "pid:[4026531836]"

// Numbered reports whether threads have the same numbers for this process as in
// the kernel.
func Numbered() bool {
	link, err := os.Readlink("/proc/self/ns/pid")
	return err != nil || link == initNamespace
}
