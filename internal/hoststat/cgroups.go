// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"bytes"
	"cmp"
	"os"
	"slices"

	"github.com/weir-io/weir/internal/kernel/reread"
	"github.com/weir-io/weir/xmlsysd"
)

// Limits of control groups.
const (
	maxCgroupDepth = 3
	maxCgroups     = 500  // sent
	maxCgroupWalk  = 5000 // visited
)

// cgroupsReader reads the tree of control groups, those that took the most CPU
// first.
type cgroupsReader struct {
	sysfsReader
	dir                             string
	cgroups, version, cgroup        xmlsysd.NodeID
	cpu, memory, io, pids, pressure names
	list                            []cgroup
	sums                            []ioSum
	key                             []byte
}

// cgroup is a group with its path in the tree and the CPU time that it took.
type cgroup struct {
	path string
	us   uint64
}

// ioSum is a number of io.stat over all devices.
type ioSum struct {
	key string
	sum uint64
}

func newCgroupsReader(e *Engine) reader {
	const at = "system/cgroups"
	m := e.model
	n := func(tag string) names { return newNames(m, at+"/cgroup/"+tag) }
	return &cgroupsReader{
		dir: e.sys("fs/cgroup"), cgroups: m.Must(at), version: m.Must(at + "/version"), cgroup: m.Must(at + "/cgroup"),
		cpu: n("cpu"), memory: n("memory"), io: n("io"), pids: n("pids"), pressure: n("pressure"),
	}
}

func (c *cgroupsReader) read(r *request) error {
	files, version := cgroupFiles2(c.dir), uint64(2)
	if _, err := os.Stat(c.dir + "/cgroup.controllers"); err != nil {
		files, version = cgroupFiles1(c.dir), 1
		if _, err := os.Stat(files.usageOf("/")); err != nil {
			return errAbsent
		}
	}
	c.list = c.list[:0]
	c.walk(r, &files, "/", 0)
	slices.SortStableFunc(c.list, func(a, b cgroup) int { return cmp.Compare(b.us, a.us) })
	t := r.tape
	t.Open(c.cgroups, r.at)
	defer t.Close()
	t.Uint(c.version, version)
	for _, g := range c.list[:min(len(c.list), maxCgroups)] {
		t.Open(c.cgroup, xmlsysd.Stamp{}, []byte(g.path))
		if version == 2 {
			c.add2(r, c.dir+g.path)
		} else {
			c.add1(r, &files, g)
		}
		t.Close()
	}
	return nil
}

// cgroupFiles says where the tree is, and which file has the CPU time of a group.
type cgroupFiles struct {
	tree, usage string
	perUS       uint64 // of the file's numbers in a us
	root        string
}

func cgroupFiles2(dir string) cgroupFiles { return cgroupFiles{dir, "/cpu.stat", 1, dir} }

func cgroupFiles1(dir string) cgroupFiles {
	return cgroupFiles{dir + "/cpuacct", "/cpuacct.usage", 1000, dir}
}

func (f *cgroupFiles) usageOf(path string) string { return f.tree + path + f.usage }

// walk lists a group and those below it.
func (c *cgroupsReader) walk(r *request, f *cgroupFiles, path string, depth int) {
	if len(c.list) >= maxCgroupWalk {
		return
	}
	c.list = append(c.list, cgroup{path, c.usage(r, f, path)})
	if depth == maxCgroupDepth {
		return
	}
	entries, err := os.ReadDir(f.tree + path)
	if err != nil {
		return // it is gone
	}
	for _, e := range entries {
		if e.IsDir() {
			c.walk(r, f, below(path, e.Name()), depth+1)
		}
	}
}

// usage returns the CPU time of a group in us.
func (c *cgroupsReader) usage(r *request, f *cgroupFiles, path string) uint64 {
	text, ok := c.value(r, f.usageOf(path))
	if !ok {
		return 0
	}
	text = bytes.TrimPrefix(text, []byte("usage_usec "))
	line, _ := cutLine(text)
	n, _ := number(line)
	return n / f.perUS
}

// add2 adds a group of the unified tree.
func (c *cgroupsReader) add2(r *request, dir string) {
	t := r.tape
	if text, ok := c.value(r, dir+"/cpu.stat"); ok {
		t.Open(c.cpu.parent, xmlsysd.Stamp{})
		_ = c.cpu.parseLines(t, text, "cpu.stat") // a line more or less is no matter
		t.Close()
	}
	mark := t.Mark()
	t.Open(c.memory.parent, xmlsysd.Stamp{})
	have := c.addValue(r, &c.memory, "current", "bytes", dir+"/memory.current")
	c.addValue(r, &c.memory, "max", "bytes", dir+"/memory.max")
	c.addValue(r, &c.memory, "swap_current", "bytes", dir+"/memory.swap.current")
	have = c.addEvents(r, dir+"/memory.events") || have
	c.closeIf(t, mark, have)
	c.addIO(r, dir+"/io.stat")
	mark = t.Mark()
	t.Open(c.pids.parent, xmlsysd.Stamp{})
	have = c.addValue(r, &c.pids, "current", "", dir+"/pids.current")
	c.addValue(r, &c.pids, "max", "", dir+"/pids.max")
	c.closeIf(t, mark, have)
	mark = t.Mark()
	t.Open(c.pressure.parent, xmlsysd.Stamp{})
	have = false
	for _, resource := range [...]string{"cpu", "memory", "io"} {
		have = c.addPressure(r, resource, dir+"/"+resource+".pressure") || have
	}
	c.closeIf(t, mark, have)
}

// add1 adds a group of the older trees, one for each resource.
func (c *cgroupsReader) add1(r *request, f *cgroupFiles, g cgroup) {
	t := r.tape
	t.Open(c.cpu.parent, xmlsysd.Stamp{})
	if id, ok := c.cpu.node([]byte("usage_usec"), "us"); ok {
		t.Uint(id, g.us)
	}
	t.Close()
	mark := t.Mark()
	t.Open(c.memory.parent, xmlsysd.Stamp{})
	have := c.addValue(r, &c.memory, "current", "bytes", f.root+"/memory"+g.path+"/memory.usage_in_bytes")
	c.addValue(r, &c.memory, "max", "bytes", f.root+"/memory"+g.path+"/memory.limit_in_bytes")
	c.closeIf(t, mark, have)
	mark = t.Mark()
	t.Open(c.pids.parent, xmlsysd.Stamp{})
	have = c.addValue(r, &c.pids, "current", "", f.root+"/pids"+g.path+"/pids.current")
	c.addValue(r, &c.pids, "max", "", f.root+"/pids"+g.path+"/pids.max")
	c.closeIf(t, mark, have)
}

// closeIf closes an element, or takes it back if there is nothing in it.
func (c *cgroupsReader) closeIf(t *xmlsysd.Tape, mark xmlsysd.TapeMark, have bool) {
	if !have {
		t.Cut(mark)
		return
	}
	t.Close()
}

// addValue adds a file of one number, or of the word max.
func (c *cgroupsReader) addValue(r *request, n *names, key, unit, path string) bool {
	text, ok := c.value(r, path)
	if !ok || !isNumber(text) && string(text) != "max" {
		return false
	}
	id, ok := n.node([]byte(key), unit)
	if ok {
		r.tape.Leaf(id, text)
	}
	return ok
}

// addEvents adds lines "oom_kill 0", with names that tell them from limits.
func (c *cgroupsReader) addEvents(r *request, path string) (have bool) {
	text, _ := c.value(r, path)
	for len(text) > 0 {
		var line []byte
		line, text = cutLine(text)
		key, rest := cutWord(line)
		value, _ := cutWord(rest)
		c.key = append(append(c.key[:0], "events_"...), key...)
		if id, ok := c.memory.node(c.key, ""); ok && digits(value) {
			r.tape.Leaf(id, value)
			have = true
		}
	}
	return have
}

// addIO adds lines "8:0 rbytes=1 wbytes=2" up over the devices.
func (c *cgroupsReader) addIO(r *request, path string) {
	text, ok := c.value(r, path)
	if !ok {
		return
	}
	c.sums = c.sums[:0]
	for len(text) > 0 {
		var line []byte
		line, text = cutLine(text)
		_, rest := cutWord(line)
		for {
			var word []byte
			if word, rest = cutWord(rest); len(word) == 0 {
				break
			}
			key, value, _ := bytes.Cut(word, []byte("="))
			if n, ok := number(value); ok {
				c.addSum(key, n)
			}
		}
	}
	if len(c.sums) == 0 {
		return
	}
	r.tape.Open(c.io.parent, xmlsysd.Stamp{})
	for _, s := range c.sums {
		if id, ok := c.io.node([]byte(s.key), ""); ok {
			r.tape.Uint(id, s.sum)
		}
	}
	r.tape.Close()
}

func (c *cgroupsReader) addSum(key []byte, n uint64) {
	for i := range c.sums {
		if c.sums[i].key == string(key) {
			c.sums[i].sum += n
			return
		}
	}
	c.sums = append(c.sums, ioSum{string(key), n})
}

// addPressure adds lines "some avg10=0.00 … total=0" as leaves cpu_some_avg10 ….
func (c *cgroupsReader) addPressure(r *request, resource, path string) (have bool) {
	text, err := reread.Read(0, path, c.room)
	if err != nil {
		return false
	}
	r.bytes += len(text)
	for len(text) > 0 {
		var line []byte
		line, text = cutLine(text)
		kind, rest := cutWord(line)
		for {
			var word []byte
			if word, rest = cutWord(rest); len(word) == 0 {
				break
			}
			name, value, _ := bytes.Cut(word, []byte("="))
			c.key = append(append(append(c.key[:0], resource...), '_'), kind...)
			c.key = append(append(c.key, '_'), name...)
			if id, ok := c.pressure.node(c.key, ""); ok && isNumber(value) {
				r.tape.Leaf(id, value)
				have = true
			}
		}
	}
	return have
}
