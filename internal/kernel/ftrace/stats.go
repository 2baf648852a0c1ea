// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ftrace

import (
	"strconv"
	"strings"
)

// Stats are the counters of a ring.
type Stats struct {
	Entries       uint64 // records in the ring
	Overrun       uint64 // events lost by overwriting
	CommitOverrun uint64 // events lost as an interrupted writer held the ring
	Bytes         uint64 // in the ring
	Dropped       uint64 // events lost as the ring was full, in discard mode
	Read          uint64 // events that were read
}

// ParseStats reads the text of per_cpu/cpuN/stats. Lines that it does not know
// are left out, such as the times, which are in a form that depends on the clock.
func ParseStats(text []byte) (Stats, error) {
	var s Stats
	counters := map[string]*uint64{
		"entries": &s.Entries, "overrun": &s.Overrun, "commit overrun": &s.CommitOverrun,
		"bytes": &s.Bytes, "dropped events": &s.Dropped, "read events": &s.Read,
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		line = strings.TrimRight(line, "\n")
		name, value, ok := strings.Cut(line, ": ")
		counter := counters[name]
		if !ok || counter == nil {
			continue
		}
		v, err := strconv.ParseUint(value, 10, 64)
		if err != nil {
			return Stats{}, &FormatError{Text: "stats", Line: n, Want: "a number", Got: line}
		}
		*counter = v
		delete(counters, name)
	}
	for name := range counters {
		return Stats{}, &FormatError{Text: "stats", Want: "a line " + name + ":", Got: "none"}
	}
	return s, nil
}
