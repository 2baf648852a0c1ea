// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// stateAt is what a goroutine became, and when.
type stateAt struct {
	state string
	time  uint64
}

var (
	goroutineState = regexp.MustCompile(`go:sched_goroutine_state: .*\{ time = (\d+), goroutine = (\d+), from = \( "\w+" : [^)]*\), to = \( "(\w+)" : [^)]*\), reason = "[^"]*", function = "([^"]*)"`)
	tickTime       = regexp.MustCompile(`^\[0*(\d+)\].* weirtest:tick: `)
)

// clockGrain is that of the runtime's trace, in nanoseconds.
const clockGrain = 64

// TestGoroutinesAndEvents records what goroutines do and the events that one of them
// writes: by the session's clock, it runs whenever it writes one, and waits between.
func TestGoroutinesAndEvents(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		dir := filepath.Join(m.dir, "t")
		a.do("create", "s", "-o", dir)
		a.do("enable-channel", "-u", "goroutines", "--subbuf-size", "1M")
		a.do("enable-event", "-u", "go:sched_*", "-c", "goroutines")
		a.do("enable-event", "-u", eventName)
		a.do("start")
		p := m.startGoApp(1, 16, "GOAPP_GOROUTINES=1")
		const n = 200
		p.emit(n, 7000) // for more than a second
		p.finish()
		a.do("destroy")
		a.end()

		var ticks []uint64
		all := make(map[string][]stateAt) // by goroutines
		id := ""
		for line := range strings.Lines(m.run("babeltrace2", "--clock-cycles", dir)) {
			if f := tickTime.FindStringSubmatch(line); f != nil {
				ticks = append(ticks, m.parse(f[1]))
			}
			f := goroutineState.FindStringSubmatch(line)
			if f == nil {
				continue
			}
			if f[3] == "WAITING" && strings.HasPrefix(f[4], "main.(*app).emit.") {
				id = f[2]
			}
			all[f[2]] = append(all[f[2]], stateAt{f[3], m.parse(f[1])})
		}
		states, waits := all[id], 0
		for _, s := range states {
			if s.state == "WAITING" {
				waits++
			}
		}
		if len(ticks) != n || waits < n {
			m.Fatalf("%d events, want %d; %d waits of %d states of goroutine %s, want %d at least", len(ticks), n, waits, len(states), id, n)
		}
		next, last := 0, stateAt{"UNKNOWN", 0}
		for i, at := range ticks {
			for ; next < len(states) && states[next].time <= at; next++ {
				last = states[next]
			}
			// It may have ended within the grain.
			if last.state != "RUNNING" && at-last.time > clockGrain {
				m.Errorf("event %d at %d: the goroutine is %s since %d", i, at, last.state, last.time)
			}
		}
	})
}

func (m *machine) parse(digits string) uint64 {
	m.Helper()
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		m.Fatal(err)
	}
	return n
}
