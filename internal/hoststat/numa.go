// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"strconv"
	"time"

	"github.com/weir-io/weir/internal/kernel/reread"
	"github.com/weir-io/weir/xmlsysd"
)

// numaAge is for how long the nodes are not listed again.
const numaAge = 10 * time.Second

// numaReader reads /sys/devices/system/node.
type numaReader struct {
	dir               string
	numa, node        xmlsysd.NodeID
	distance, cpulist xmlsysd.NodeID
	meminfo, numastat names
	nodes             []*numaNode
	listed            time.Time
	room              digitRoom
}

type numaNode struct {
	number  uint64
	meminfo *reread.File
	stat    *reread.File
	lists   [2]*reread.File // distance, cpulist
}

func (n *numaNode) close() {
	for _, f := range [...]*reread.File{n.meminfo, n.stat, n.lists[0], n.lists[1]} {
		f.Close()
	}
}

func newNumaReader(e *Engine) reader {
	const at = "system/numa"
	return &numaReader{
		dir: e.sys("devices/system/node"), numa: e.model.Must(at), node: e.model.Must(at + "/node"),
		distance: e.model.Must(at + "/node/distance"), cpulist: e.model.Must(at + "/node/cpulist"),
		meminfo: newNames(e.model, at+"/node/meminfo"), numastat: newNames(e.model, at+"/node/numastat"),
	}
}

func (n *numaReader) close() {
	for _, node := range n.nodes {
		node.close()
	}
	n.nodes = nil
}

// list finds the nodes.
func (n *numaReader) list(now time.Time) error {
	if n.nodes != nil && now.Sub(n.listed) < numaAge {
		return nil
	}
	numbers, err := numbered(n.dir, "node")
	if err != nil {
		return err
	}
	n.listed = now
	if n.same(numbers) {
		return nil
	}
	n.close()
	for _, number := range numbers {
		file := func(name string, size int) *reread.File {
			return reread.New(n.dir+"/node"+strconv.Itoa(number)+"/"+name, size, reread.Whole)
		}
		n.nodes = append(n.nodes, &numaNode{
			number: uint64(number), meminfo: file("meminfo", pageSize), stat: file("numastat", sysctlSize),
			lists: [2]*reread.File{file("distance", sysctlSize), file("cpulist", sysctlSize)},
		})
	}
	return nil
}

func (n *numaReader) same(numbers []int) bool {
	if len(numbers) != len(n.nodes) {
		return false
	}
	for i, number := range numbers {
		if n.nodes[i].number != uint64(number) {
			return false
		}
	}
	return true
}

func (n *numaReader) read(r *request) error {
	if err := n.list(r.now); err != nil {
		return err
	}
	if len(n.nodes) == 0 {
		return errAbsent
	}
	r.tape.Open(n.numa, xmlsysd.Stamp{})
	defer r.tape.Close()
	var bad error
	for _, node := range n.nodes {
		if err := n.add(r, node); err != nil && bad == nil {
			bad = err
		}
	}
	return bad
}

// add adds a node, or what is there of one that is being unplugged.
func (n *numaReader) add(r *request, node *numaNode) (bad error) {
	t := r.tape
	t.Open(n.node, stampOf(time.Now()), n.room.of(node.number))
	defer t.Close()
	if text, err := node.meminfo.Read(); err == nil {
		r.bytes += len(text)
		t.Open(n.meminfo.parent, xmlsysd.Stamp{})
		n.meminfo.addNodeLines(t, text)
		t.Close()
	}
	if text, err := node.stat.Read(); err == nil {
		r.bytes += len(text)
		t.Open(n.numastat.parent, xmlsysd.Stamp{})
		bad = n.numastat.parseLines(t, text, node.stat.Path())
		t.Close()
	}
	for i, leaf := range [...]xmlsysd.NodeID{n.distance, n.cpulist} {
		if text, err := node.lists[i].Read(); err == nil {
			r.bytes += len(text)
			t.Leaf(leaf, trimEnd(text))
		}
	}
	return bad
}

// addNodeLines reads lines "Node 0 MemTotal:  16 kB".
func (n *names) addNodeLines(t *xmlsysd.Tape, text []byte) {
	n.begin()
	for len(text) > 0 {
		var line []byte
		line, text = cutLine(text)
		_, line = cutWord(line)
		_, line = cutWord(line)
		key, value, unit, ok := amountLine(line)
		if !ok {
			continue
		}
		if id, ok := n.node(key, unit); ok {
			t.Uint(id, value)
		}
	}
}
