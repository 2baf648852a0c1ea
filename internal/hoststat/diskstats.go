// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"bytes"

	"github.com/weir-io/weir/internal/kernel/reread"
	"github.com/weir-io/weir/xmlsysd"
)

// diskstatsReader reads /proc/diskstats: lines "8 0 sda 1 2 3 …".
type diskstatsReader struct {
	textReader
	diskstats, disk, major, minor xmlsysd.NodeID
	groups                        []diskGroup
}

// diskGroup is an element with columns that are next to each other.
type diskGroup struct {
	node   xmlsysd.NodeID
	from   int // first column
	leaves []xmlsysd.NodeID
}

// Columns behind the name, of Linux 5.5 and later, and of partitions before 2.6.25:
// reads, sectors read, writes, sectors written.
const (
	diskColumns  = 17
	oldPartition = 4
)

func newDiskstatsReader(e *Engine) reader {
	const at = "proc/diskstats"
	m := e.model
	d := &diskstatsReader{diskstats: m.Must(at), disk: m.Must(at + "/disk"), major: m.Must(at + "/disk/major"), minor: m.Must(at + "/disk/minor")}
	transfers := []string{"completed", "merged", "sectors", "time"}
	for _, g := range []struct {
		tag    string
		from   int
		leaves []string
	}{
		{"reads", 0, transfers},
		{"writes", 4, transfers},
		{"discards", 11, transfers},
		{"io", 8, []string{"inflight", "time", "weighted"}},
		{"flushes", 15, []string{"completed", "time"}},
	} {
		path := at + "/disk/" + g.tag
		d.groups = append(d.groups, diskGroup{m.Must(path), g.from, nodesOf(m, path, g.leaves...)})
	}
	d.textReader = *newTextReader(e.prompt("diskstats", pageSize, reread.Lines), d.parseDiskstats)
	return d
}

func (d *diskstatsReader) parseDiskstats(r *request, text []byte) (bad error) {
	r.tape.Open(d.diskstats, r.at)
	defer r.tape.Close()
	for len(text) > 0 {
		var line []byte
		line, text = cutLine(text)
		if !d.addDisk(r.tape, line) && bad == nil {
			bad = unexpected("/proc/diskstats", line)
		}
	}
	return bad
}

func (d *diskstatsReader) addDisk(t *xmlsysd.Tape, line []byte) bool {
	major, rest := cutWord(line)
	minor, rest := cutWord(rest)
	name, rest := cutWord(rest)
	var columns [diskColumns]uint64
	have := numbers(rest, columns[:])
	if !digits(major) || !digits(minor) || len(name) == 0 || have < oldPartition {
		return false
	}
	if have == oldPartition || isUnused(name, columns[:have]) {
		return true // the four mean other things than the first four of others
	}
	t.Open(d.disk, xmlsysd.Stamp{}, name)
	defer t.Close()
	t.Leaf(d.major, major)
	t.Leaf(d.minor, minor)
	for i := range d.groups {
		g := &d.groups[i]
		if g.from+len(g.leaves) > have {
			continue
		}
		t.Open(g.node, xmlsysd.Stamp{})
		for k, leaf := range g.leaves {
			t.Uint(leaf, columns[g.from+k])
		}
		t.Close()
	}
	return true
}

// isUnused reports whether a disk is one of those that are there whether or not
// anyone uses them.
func isUnused(name []byte, columns []uint64) bool {
	if !bytes.HasPrefix(name, []byte("ram")) && !bytes.HasPrefix(name, []byte("loop")) {
		return false
	}
	for _, n := range columns {
		if n != 0 {
			return false
		}
	}
	return true
}
