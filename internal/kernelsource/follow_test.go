// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kernelsource

import (
	"fmt"
	"io/fs"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/kernel/tracefs"
	"github.com/weir-io/weir/internal/peer"
)

// TestFollow has a rule choose an event that comes while it is recorded.
func TestFollow(t *testing.T) {
	h := newHost(t, nil)
	w := h.hitter()
	h.event(w, "first")
	h.enable(agent.Tracepoint, h.group+":*", "", "")
	h.start()
	h.hit(w, 100)
	h.event(w, "second")
	h.until("the event is chosen", func() bool { return h.channel().Events[0].Matches == 2 })
	h.hit(w, 200)
	h.stop()
	text := h.destroy()
	for name, want := range map[string]int{" first: ": 300, " second: ": 200} {
		if n := strings.Count(text, name); n != want {
			t.Errorf("%q is %d times in the trace, want %d", name, n, want)
		}
	}
}

// TestFollowGone forgets events that go, and has them again when they come again.
func TestFollowGone(t *testing.T) {
	h := newHost(t, nil)
	w := h.hitter()
	h.event(w, "stays")
	h.event(w, "comes")
	h.enable(agent.Tracepoint, h.group+":*", "", "")
	h.start()
	// What is enabled cannot go: a disabled rule keeps nothing.
	if _, err := h.daemon.DisableEvents(t.Context(), h.by, sessionName, agent.DisableEvents{Domain: Domain, All: true}); err != nil {
		t.Fatal(err)
	}
	h.until("the kernel has done with it", func() bool { return h.measured.Load() > 1 })
	h.uprobe(fmt.Sprintf("-:%s/comes\n", h.group))
	h.until("the event is forgotten", func() bool { return h.channel().Events[0].Matches == 1 })
	place := tracefs.UserPlace{Path: w, Symbol: "hit"}
	offset, err := place.Offset()
	if err != nil {
		t.Fatal(err)
	}
	// The same name, with a field more.
	h.uprobe(fmt.Sprintf("p:%s/comes %s:%#x n=%%di:s64\n", h.group, w, offset))
	h.until("the event is back", func() bool { return h.channel().Events[0].Matches == 2 })
	h.enable(agent.Tracepoint, h.group+":*", "", "")
	h.hit(w, 50)
	h.stop()
	text := h.destroy()
	if n, with := strings.Count(text, " comes: "), strings.Count(text, ", n = "); n != 50 || with != 50 {
		t.Errorf("%d events, %d with their new field, want 50", n, with)
	}
}

// TestFollowAll leaves probes of others out of all events, as they could not
// remove them, but not out of those of their names.
func TestFollowAll(t *testing.T) {
	h := newHost(t, nil)
	w := h.hitter()
	h.event(w, "before")
	h.enable(agent.AllEvents, "*", "", "")
	all := h.channel().Events[0].Matches
	h.enable(agent.Tracepoint, h.group+":*", "", "")
	h.event(w, "later")
	h.until("the event is chosen", func() bool { return h.channel().Events[1].Matches == 2 })
	if now := h.channel().Events[0].Matches; now != all {
		t.Errorf("%d are all events, %d before", now, all)
	}
	events, err := h.source.list()
	if err != nil {
		t.Fatal(err)
	}
	if all >= len(events) {
		t.Errorf("%d of %d events are chosen: probes, too", all, len(events))
	}
	if _, err := h.daemon.Destroy(t.Context(), h.by, sessionName, true); err != nil {
		t.Error(err)
	}
}

// TestHotplug lets a processor come while its events are recorded.
func TestHotplug(t *testing.T) {
	peer.Need(t, "taskset")
	if runtime.NumCPU() < 2 {
		peer.Lack(t, "a second processor")
	}
	var online atomic.Pointer[fstest.MapFS]
	online.Store(&fstest.MapFS{"online": {Data: []byte("0\n")}})
	h := newHost(t, func(s *Source) { s.processors = switched{&online} })
	w := h.hitter()
	h.enable(agent.UserspaceProbe, "hits", "elf:"+w+":hit", "")
	h.start()
	h.run("taskset", "-c", "0", w, "100")
	if n := len(h.channel().Streams); n != 1 {
		t.Errorf("%d streams of one processor", n)
	}
	online.Store(&fstest.MapFS{"online": {Data: []byte("0-1\n")}})
	h.until("the processor is recorded", func() bool { return len(h.channel().Streams) == 2 })
	h.run("taskset", "-c", "1", w, "200")
	h.stop()
	text := h.destroy()
	for cpu, want := range map[string]int{" hits: { cpu_id = 0 }": 100, " hits: { cpu_id = 1 }": 200} {
		if n := strings.Count(text, cpu); n != want {
			t.Errorf("%s: %d events, want %d", cpu, n, want)
		}
	}
}

// switched is a file system that can be exchanged.
type switched struct{ now *atomic.Pointer[fstest.MapFS] }

func (s switched) Open(name string) (fs.File, error) { return s.now.Load().Open(name) }
