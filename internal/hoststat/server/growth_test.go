// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"bytes"
	"flag"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/hoststat"
	"github.com/weir-io/weir/xmlsysd"
)

// growth is how many messages TestGrowth asks for: go test -run Growth -growth=1000000
var growth = flag.Int("growth", 0, "messages of TestGrowth; default: 20000, with -short 2000")

// resident returns what the process has in memory, in bytes.
func resident(t *testing.T) int {
	t.Helper()
	runtime.GC()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	var kib int
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			for _, r := range rest {
				if r >= '0' && r <= '9' {
					kib = 10*kib + int(r-'0')
				}
			}
		}
	}
	if kib == 0 {
		t.Fatal("no VmRSS")
	}
	return kib << 10
}

// A daemon that runs for months does not grow.
func TestGrowth(t *testing.T) {
	messages := *growth
	switch {
	case messages > 0:
	case testing.Short():
		messages = 2000
	default:
		messages = 20000
	}
	engine := newEngine(t, hoststat.Options{MinInterval: -1})
	h := start(t, Options{Engine: engine})
	c := h.dial(t)
	if err := c.SetDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	const batch = 50
	lines := []byte(strings.Repeat("send\n", batch)) // a string would be garbage each time
	reader := xmlsysd.NewReader(c.in, 0)
	ask := func(messages int) {
		for ; messages > 0; messages -= batch {
			if _, err := c.Conn.Write(lines); err != nil {
				t.Fatal(err)
			}
			for range batch {
				if _, err := reader.Next(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	c.say("init\n")
	ask(messages/20 + 1000)
	rss, files, routines := resident(t), descriptors(t), runtime.NumGoroutine()
	began := time.Now()
	ask(messages)
	grown := resident(t) - rss
	t.Logf("%d messages in %v: resident memory %.1f MB, %+.2f MB; descriptors %+d; goroutines %+d",
		messages, time.Since(began).Round(time.Millisecond), float64(rss)/1e6, float64(grown)/1e6, descriptors(t)-files, runtime.NumGoroutine()-routines)
	const most = 2e6
	if grown > most {
		t.Errorf("it has grown by %d bytes", grown)
	}
	if now := descriptors(t); now > files {
		t.Errorf("%d descriptors, before %d", now, files)
	}
	lanes := 0 // that start when they are asked for longer than their period
	for _, section := range engine.Sections() {
		if section.Slow {
			lanes++
		}
	}
	if now := runtime.NumGoroutine(); now > routines+lanes {
		t.Errorf("%d goroutines, before %d", now, routines)
	}
}

// A message of 2002 allocates nothing, from the line to the bytes.
func TestNoAllocations(t *testing.T) {
	s := New(Options{Engine: newEngine(t, hoststat.Options{MinInterval: -1})})
	v := s.newView()
	v.sel.Init()
	host := s.engine.NewSession()
	defer host.Close()
	message := func() {
		samples := host.Sample(t.Context(), v.wants, nil)
		s.encode(v, samples.Parts())
		samples.Release()
	}
	for range 10 {
		message()
	}
	if n := testing.AllocsPerRun(200, message); n != 0 {
		t.Errorf("%v allocations a message", n)
	}
}

// Nor does one that goes over a connection: a session makes no garbage.
func TestNoGarbage(t *testing.T) {
	h := start(t, Options{Engine: newEngine(t, hoststat.Options{MinInterval: -1})})
	c := h.dial(t)
	size := len(c.ask("init\nsend\n"))
	send, answer := []byte("send\n"), make([]byte, 4*size)
	end := []byte("</xmlsysd>\n")
	message := func() {
		if _, err := c.Conn.Write(send); err != nil {
			t.Fatal(err)
		}
		for n := 0; n == 0 || !bytes.HasSuffix(answer[:n], end); {
			more, err := c.Conn.Read(answer[n:])
			if err != nil {
				t.Fatal(err)
			}
			n += more
		}
	}
	for range 10 {
		message()
	}
	if n := testing.AllocsPerRun(200, message); n != 0 {
		t.Errorf("%v allocations a message", n)
	}
}
