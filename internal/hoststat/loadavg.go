// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"bytes"

	"github.com/weir-io/weir/internal/kernel/reread"
	"github.com/weir-io/weir/xmlsysd"
)

// loadavgReader reads /proc/loadavg: "0.21 0.05 0.02 1/97 4711".
type loadavgReader struct {
	textReader
	loadavg xmlsysd.NodeID
	leaves  []xmlsysd.NodeID // load1 load5 load15 running threads last_pid
}

func newLoadavgReader(e *Engine) reader {
	const at = "proc/loadavg"
	l := &loadavgReader{
		loadavg: e.model.Must(at),
		leaves:  nodesOf(e.model, at, "load1", "load5", "load15", "running", "threads", "last_pid"),
	}
	l.textReader = *newTextReader(e.prompt("loadavg", sysctlSize, reread.Whole), l.parseLoadavg)
	return l
}

func (l *loadavgReader) parseLoadavg(r *request, text []byte) error {
	rest, _ := cutLine(text)
	var words [6][]byte
	for i := range 3 {
		words[i], rest = cutWord(rest)
	}
	running, rest := cutWord(rest)
	words[3], words[4], _ = bytes.Cut(running, slash)
	words[5], _ = cutWord(rest)
	r.tape.Open(l.loadavg, r.at)
	defer r.tape.Close()
	return addNumbers(r.tape, l.leaves, words[:], "/proc/loadavg", text)
}

var slash = []byte("/")

// addNumbers adds leaves of words that are numbers. A word that is none ends them;
// that is an error if it is there.
func addNumbers(t *xmlsysd.Tape, leaves []xmlsysd.NodeID, words [][]byte, what string, text []byte) error {
	for i, w := range words {
		if !isNumber(w) {
			return unexpected(what, text)
		}
		t.Leaf(leaves[i], w)
	}
	return nil
}

// uptimeReader reads /proc/uptime: "12.34 24.60".
type uptimeReader struct {
	textReader
	uptime xmlsysd.NodeID
	leaves []xmlsysd.NodeID // up idle
}

func newUptimeReader(e *Engine) reader {
	const at = "proc/uptime"
	u := &uptimeReader{uptime: e.model.Must(at), leaves: nodesOf(e.model, at, "up", "idle")}
	u.textReader = *newTextReader(e.prompt("uptime", sysctlSize, reread.Whole), u.parseUptime)
	return u
}

func (u *uptimeReader) parseUptime(r *request, text []byte) error {
	rest, _ := cutLine(text)
	var words [2][]byte
	words[0], rest = cutWord(rest)
	words[1], _ = cutWord(rest)
	r.tape.Open(u.uptime, r.at)
	defer r.tape.Close()
	return addNumbers(r.tape, u.leaves, words[:], "/proc/uptime", text)
}
