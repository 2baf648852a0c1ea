// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/hoststat"
	"github.com/weir-io/weir/internal/statsource"
	"github.com/weir-io/weir/xmlsysd"
)

// The domain of statistics gets the engine's sections, as old as it wants them, and
// costs no memory between the two.
func TestStatHost(t *testing.T) {
	e, err := hoststat.New(hoststat.Options{MinInterval: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	h := statHost{e}
	load := h.Model().Must("proc/loadavg")
	at := slices.IndexFunc(h.Sections(), func(s statsource.Section) bool { return s.Node == load })
	if s := h.Sections(); at < 0 || s[at].Name != "loadavg" || s[at].Source != "/proc/loadavg" || s[at].Slow {
		t.Errorf("sections %+v", s)
	}
	r := h.NewReader()
	defer r.Close()
	wants := func(id xmlsysd.NodeID) bool { return id == load }
	read := func(age time.Duration, raw ...xmlsysd.RawRule) time.Time {
		t.Helper()
		parts := r.Read(context.Background(), wants, age, raw)
		defer r.Release()
		for _, p := range parts {
			if p.Node == load && len(p.Tape.Entries()) > 2 {
				return p.At
			}
		}
		t.Fatalf("no load in %d parts", len(parts))
		return time.Time{}
	}
	first := read(time.Hour)
	if again := read(time.Hour); !again.Equal(first) {
		t.Errorf("read at %v and again at %v, within an hour", first, again)
	}
	fresh := read(time.Nanosecond)
	if !fresh.After(first) {
		t.Errorf("read at %v, before at %v, for who wants another one each time", fresh, first)
	}
	query := r.(*statReader).query
	read(time.Nanosecond)
	if r.(*statReader).query != query {
		t.Error("a query is made anew that is the same")
	}
	read(time.Nanosecond, xmlsysd.RawRule{On: true, Pattern: "x"})
	if r.(*statReader).query == query {
		t.Error("another query is the same")
	}
	measure := func() { read(time.Nanosecond) }
	measure()
	least := testing.AllocsPerRun(50, measure)
	for range 4 { // others may allocate meanwhile
		least = min(least, testing.AllocsPerRun(50, measure))
	}
	if least >= 1 {
		t.Errorf("%v allocations a reading, want none", least)
	}
}
