// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"bytes"

	"github.com/weir-io/weir/internal/kernel/reread"
	"github.com/weir-io/weir/xmlsysd"
)

// schedstatReader reads /proc/schedstat: lines "version 15", and "cpu0 …" with nine
// numbers, of which the last three are of interest.
type schedstatReader struct {
	textReader
	schedstat, version, cpu xmlsysd.NodeID
	leaves                  []xmlsysd.NodeID // run_time wait_time timeslices
}

func newSchedstatReader(e *Engine) reader {
	const at = "proc/schedstat"
	s := &schedstatReader{
		schedstat: e.model.Must(at), version: e.model.Must(at + "/version"), cpu: e.model.Must(at + "/cpu"),
		leaves: nodesOf(e.model, at+"/cpu", "run_time", "wait_time", "timeslices"),
	}
	s.textReader = *newTextReader(reread.New(e.proc("schedstat"), pageSize, reread.Pieces), s.parseSchedstat)
	return s
}

func (s *schedstatReader) parseSchedstat(r *request, text []byte) (bad error) {
	t := r.tape
	t.Open(s.schedstat, r.at)
	defer t.Close()
	for len(text) > 0 {
		var line []byte
		line, text = cutLine(text)
		key, values := cutWord(line)
		id, isCPU := bytes.CutPrefix(key, cpuPrefix)
		switch {
		case string(key) == "version":
			if word, _ := cutWord(values); digits(word) {
				t.Leaf(s.version, word)
			}
		case !isCPU: // domains and the time
		case !s.addCPU(t, id, values) && bad == nil:
			bad = unexpected("/proc/schedstat", line)
		}
	}
	return bad
}

func (s *schedstatReader) addCPU(t *xmlsysd.Tape, id, values []byte) bool {
	const runTime, columns = 6, 9
	var n [columns]uint64
	if !digits(id) || numbers(values, n[:]) != columns {
		return false
	}
	t.Open(s.cpu, xmlsysd.Stamp{}, id)
	for i, leaf := range s.leaves {
		t.Uint(leaf, n[runTime+i])
	}
	t.Close()
	return true
}
