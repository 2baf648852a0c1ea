// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// event is what identifies an event of the traced program.
type event struct{ run, n int }

// printedEvent finds it in what both babeltraces print.
var printedEvent = regexp.MustCompile(`weirtest:tick:.*\brun = (\d+), n = (\d+),`)

// parseEvents returns the events in lines of output, in that order.
func parseEvents(lines []string) []event {
	var events []event
	for _, line := range lines {
		found := printedEvent.FindStringSubmatch(line)
		if found == nil {
			continue
		}
		run, err1 := strconv.Atoi(found[1])
		n, err2 := strconv.Atoi(found[2])
		if err1 == nil && err2 == nil {
			events = append(events, event{run, n})
		}
	}
	return events
}

// readTree reads the traces below a directory with babeltrace2, which must not
// complain about anything.
func (m *machine) readTree(dir string) []event {
	m.Helper()
	out, errs, code := m.try("babeltrace2", dir)
	if code != 0 || errs != "" {
		m.Errorf("babeltrace2 %s: exit code %d\n%s", dir, code, lastLines(errs, 20))
	}
	return parseEvents(strings.Split(out, "\n"))
}

// readUnindexed reads like readTree where the producer was killed: it may have
// sent the data of a packet and not its index record, which babeltrace2 mentions.
func (m *machine) readUnindexed(dir string) []event {
	m.Helper()
	return m.readDespite(dir, unindexedPacket)
}

// readGaps reads like readTree where packets are missing because they were
// cleared or overwritten, which babeltrace2 mentions.
func (m *machine) readGaps(dir string) []event {
	m.Helper()
	return m.readDespite(dir, lostPackets)
}

func (m *machine) readDespite(dir string, warning *regexp.Regexp) []event {
	m.Helper()
	out, errs, code := m.try("babeltrace2", dir)
	if code != 0 {
		m.Errorf("babeltrace2 %s: exit code %d\n%s", dir, code, lastLines(errs, 20))
	}
	for line := range strings.Lines(errs) {
		if !warning.MatchString(line) {
			m.Errorf("babeltrace2 %s: %s", dir, line)
		}
	}
	return parseEvents(strings.Split(out, "\n"))
}

var unindexedPacket = regexp.MustCompile(`Invalid LTTng trace index file; indexed size != stream file size`)

var lostPackets = regexp.MustCompile(`(?m)^WARNING: Tracer discarded (\d+) packets? between `)

// span is a part of an application's events: from..to-1.
type span struct{ run, from, to int }

// all returns everything that an application has emitted.
func (a *app) all() span { return span{a.run, 0, a.emitted} }

// wantEvents checks that exactly the events of the spans are there, each once,
// and those of each application in order.
func (m *machine) wantEvents(where string, got []event, spans ...span) {
	m.Helper()
	want := make(map[event]bool)
	for _, s := range spans {
		for n := s.from; n < s.to; n++ {
			want[event{s.run, n}] = true
		}
	}
	last := make(map[int]int)
	var missing, twice, alien, disordered int
	seen := make(map[event]bool)
	for _, e := range got {
		switch {
		case !want[e]:
			alien++
		case seen[e]:
			twice++
		}
		if before, ok := last[e.run]; ok && e.n < before {
			disordered++
		}
		seen[e], last[e.run] = true, e.n
	}
	var first *event
	for _, s := range spans {
		for n := s.from; n < s.to; n++ {
			if e := (event{s.run, n}); !seen[e] {
				missing++
				if first == nil {
					first = &e
				}
			}
		}
	}
	if missing+twice+alien+disordered == 0 {
		return
	}
	m.Errorf("%s: %d events, want %d: %d missing, %d twice, %d alien, %d out of order", where, len(got), len(want), missing, twice, alien, disordered)
	if first != nil {
		m.Errorf("%s: first missing event is %d of run %d", where, first.n, first.run)
	}
}

// countEvents returns how many events of each application there are.
func countEvents(events []event) map[int]int {
	counts := make(map[int]int)
	for _, e := range events {
		counts[e.run]++
	}
	return counts
}

// totals are figures that babeltrace2 counts without printing what it reads.
type totals struct{ events, packets, discarded int }

var counted = regexp.MustCompile(`(?m)^\s*(\d+) (Event|Packet beginning|Discarded event) messages?$`)

// totals reads what babeltrace2 has counted.
func (m *machine) totals(out string) totals {
	m.Helper()
	figures := make(map[string]int)
	for _, found := range counted.FindAllStringSubmatch(out, -1) {
		n, err := strconv.Atoi(found[1])
		if err != nil {
			m.Fatal(err)
		}
		figures[found[2]] = n
	}
	if len(figures) != 3 {
		m.Fatalf("babeltrace2 counted %v of three figures:\n%s", slices.Collect(maps.Keys(figures)), out)
	}
	return totals{events: figures["Event"], packets: figures["Packet beginning"], discarded: figures["Discarded event"]}
}
