// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/xmlsysd"
)

// manyLines are lines with a prefix, as many of /proc/vmstat.
func manyLines(prefix string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%s_%d %d\n", prefix, i, i)
	}
	return b.String()
}

func pagingText(n int) string {
	return fmt.Sprintf("pgpgin %d\npgpgout %d\npswpin %d\npswpout %d\n", n, n+1, n+2, n+3)
}

// The message of 2002 reads the lines that it wants and those before, and finds them
// when they move.
func TestPagingHead(t *testing.T) {
	text := manyLines("nr", 50) + pagingText(10) + manyLines("thp", 200)
	f := files{"proc/vmstat": text, "proc/stat": "cpu 1 2 3 4\nintr 5\n"}
	e := f.engine(t)
	vm := e.vmText()
	ask := func() (p paging, ok bool, bytes int) {
		now := time.Now()
		r := request{tape: new(xmlsysd.Tape), at: stampOf(now), now: now, since: now}
		p, ok = vm.paging(&r)
		return p, ok, r.bytes
	}
	for i, tt := range []struct {
		name, text string
		want       int  // pgpgin; 0: none
		head       bool // less than the whole is read
	}{
		{"first", text, 10, false},
		{"again", text, 10, true},
		{"longer numbers", manyLines("nr", 50) + pagingText(123456789012) + manyLines("thp", 200), 123456789012, true},
		{"moved", manyLines("nr", 150) + pagingText(20) + manyLines("thp", 200), 20, false},
		{"moved, again", manyLines("nr", 150) + pagingText(21) + manyLines("thp", 200), 21, true},
		{"short", pagingText(30), 30, true},
		{"none", manyLines("nr", 400), 0, false},
		{"none, again", manyLines("nr", 400), 0, false},
		{"no file", "", 0, false},
		{"back", text, 10, false},
	} {
		write := os.WriteFile(e.proc("vmstat"), []byte(tt.text), 0o644)
		if write != nil {
			t.Fatal(write)
		}
		p, ok, bytes := ask()
		if ok != (tt.want != 0) || ok && p != (paging{uint64(tt.want), uint64(tt.want) + 1, uint64(tt.want) + 2, uint64(tt.want) + 3}) {
			t.Errorf("%d, %s: %v, %v, want %d", i, tt.name, p, ok, tt.want)
		}
		if isHead := bytes < len(tt.text); ok && isHead != tt.head && tt.name != "short" {
			t.Errorf("%s: %d of %d bytes were read", tt.name, bytes, len(tt.text))
		}
	}
}

// A message that has all of the file reads it once.
func TestVmstatReadOnce(t *testing.T) {
	e := files{"proc/vmstat": manyLines("nr", 50) + pagingText(10), "proc/stat": "cpu 1 2 3 4\ncpu0 1 2 3 4\nintr 5\n"}.engine(t)
	s := newSession(t, e)
	wants := classes(e.Model(), xmlsysd.Cheap)
	for range 3 {
		s.Sample(t.Context(), wants, nil).Release()
	}
	for _, x := range e.Sections() {
		if x.Path == "proc/vmstat" && (x.Cost.Bytes != 0 || x.Cost.Calls != 3) {
			t.Errorf("%d bytes in %d calls besides those of proc/stat", x.Cost.Bytes, x.Cost.Calls)
		}
	}
}

// What a host does not have is looked for again, but not with each message.
func TestAbsentSection(t *testing.T) {
	e := files{"proc/loadavg": "1 2 3 4/5 6\n"}.engine(t)
	s := newSession(t, e)
	wants := func(id xmlsysd.NodeID) bool { return id == e.Model().Must("proc/mdstat") }
	calls := func() (n uint64) {
		for _, x := range e.Sections() {
			if x.Path == "proc/mdstat" {
				n = x.Cost.Calls
			}
		}
		return n
	}
	for range 5 {
		s.Sample(t.Context(), wants, nil).Release()
	}
	if n := calls(); n != 1 {
		t.Errorf("looked for %d times, want once", n)
	}
	md := e.sectionOf("proc/mdstat")
	md.mu.Lock()
	md.gone = md.gone.Add(-absence)
	md.mu.Unlock()
	s.Sample(t.Context(), wants, nil).Release()
	if n := calls(); n != 2 {
		t.Errorf("looked for %d times after a while, want twice", n)
	}
}
