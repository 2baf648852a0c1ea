// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"github.com/weir-io/weir/internal/kernel/reread"
	"github.com/weir-io/weir/xmlsysd"
)

// softnetReader reads /proc/net/softnet_stat: a line of hexadecimal words for each
// CPU that is online.
type softnetReader struct {
	textReader
	softnet, cpu xmlsysd.NodeID
	leaves       []xmlsysd.NodeID
	room         digitRoom
}

// softnetColumns are the columns of the leaves: processed dropped time_squeeze
// received_rps flow_limit backlog.
var softnetColumns = [...]int{0, 1, 2, 9, 10, 11}

const softnetCPU = 12 // column with the CPU's number, since Linux 5.10

func newSoftnetReader(e *Engine) reader {
	const at = "proc/net/softnet_stat"
	s := &softnetReader{
		softnet: e.model.Must(at), cpu: e.model.Must(at + "/cpu"),
		leaves: nodesOf(e.model, at+"/cpu", "processed", "dropped", "time_squeeze", "received_rps", "flow_limit", "backlog"),
	}
	s.textReader = *newTextReader(e.prompt("net/softnet_stat", pageSize, reread.Lines), s.parseSoftnet)
	return s
}

func (s *softnetReader) parseSoftnet(r *request, text []byte) error {
	t := r.tape
	t.Open(s.softnet, r.at)
	defer t.Close()
	for n := uint64(0); len(text) > 0; n++ {
		var line []byte
		line, text = cutLine(text)
		var columns [softnetCPU + 1]uint64
		have := hexNumbers(line, columns[:])
		if have <= softnetColumns[2] {
			return unexpected("/proc/net/softnet_stat", line)
		}
		id := n
		if have > softnetCPU {
			id = columns[softnetCPU]
		}
		t.Open(s.cpu, xmlsysd.Stamp{}, s.room.of(id))
		for i, c := range softnetColumns {
			if c < have {
				t.Uint(s.leaves[i], columns[c])
			}
		}
		t.Close()
	}
	return nil
}

// hexNumbers reads hexadecimal words into a list, up to the first that is none.
func hexNumbers(b []byte, list []uint64) int {
	for i := range list {
		var word []byte
		word, b = cutWord(b)
		n, ok := hexNumber(word)
		if !ok {
			return i
		}
		list[i] = n
	}
	return len(list)
}

func hexNumber(b []byte) (uint64, bool) {
	if len(b) == 0 || len(b) > 16 {
		return 0, false
	}
	n := uint64(0)
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9':
			n = n<<4 | uint64(c-'0')
		case c >= 'a' && c <= 'f':
			n = n<<4 | uint64(c-'a'+10)
		default:
			return 0, false
		}
	}
	return n, true
}

// conntrackReader reads the numbers of connections that are tracked. The file with
// the connections takes far too long.
type conntrackReader struct {
	node   xmlsysd.NodeID
	files  [2]*reread.File // count, max
	leaves []xmlsysd.NodeID
	events *reread.File     // on demand
	counts []xmlsysd.NodeID // of conntrackTags
	errs   sourceErrors
}

// needEvents is what became of connections, which is a file of its own.
const needEvents need = 1

// conntrackTags are its leaves, by the kernel's names of the columns.
var conntrackTags = []string{"found", "invalid", "ignore", "insert", "insert_failed", "drop", "early_drop", "search_restart"}

func newConntrackReader(e *Engine) reader {
	const at = "proc/net/nf_conntrack"
	c := &conntrackReader{node: e.model.Must(at), leaves: nodesOf(e.model, at, "count", "max"), counts: nodesOf(e.model, at, conntrackTags...)}
	c.events = e.prompt("net/stat/nf_conntrack", pageSize, reread.Lines)
	for i, name := range [...]string{"count", "max"} {
		c.files[i] = e.prompt("sys/net/netfilter/nf_conntrack_"+name, sysctlSize, reread.Whole)
	}
	return c
}

func (c *conntrackReader) read(r *request) error {
	r.tape.Open(c.node, r.at)
	defer r.tape.Close()
	for i, f := range c.files {
		text, err := f.Read()
		if err != nil {
			return c.errs.of(f.Path(), err)
		}
		r.bytes += len(text)
		if text = trimEnd(text); !isNumber(text) {
			return unexpected(f.Path(), text)
		}
		r.tape.Leaf(c.leaves[i], text)
	}
	if r.need&needEvents != 0 {
		c.addEvents(r)
	}
	return nil
}

// addEvents adds the columns up: a line for each CPU, in hexadecimal, below a heading.
// A kernel without the file, or without a column, has none.
func (c *conntrackReader) addEvents(r *request) {
	text, err := c.events.Read()
	if err != nil {
		return
	}
	r.bytes += len(text)
	heading, lines := cutLine(text)
	for i, tag := range conntrackTags {
		if sum, ok := sumColumn(heading, lines, tag); ok {
			r.tape.Uint(c.counts[i], sum)
		}
	}
}

// sumColumn adds up the column below a heading.
func sumColumn(heading, lines []byte, name string) (sum uint64, ok bool) {
	at := 0
	for word := heading; ; at++ {
		var head []byte
		if head, word = cutWord(word); len(head) == 0 {
			return 0, false
		} else if string(head) == name {
			break
		}
	}
	for len(lines) > 0 {
		var line, word []byte
		line, lines = cutLine(lines)
		for range at + 1 {
			word, line = cutWord(line)
		}
		n, good := hexNumber(word)
		if !good {
			return 0, false
		}
		sum += n
	}
	return sum, true
}

func (c *conntrackReader) close() {
	c.events.Close()
	for _, f := range c.files {
		f.Close()
	}
}
