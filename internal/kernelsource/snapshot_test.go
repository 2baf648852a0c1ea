// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kernelsource

import (
	"strings"
	"testing"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/session"
)

// flight makes the session one of snapshots.
func (h *host) flight(by session.Caller) {
	h.Helper()
	if _, err := h.daemon.Destroy(h.Context(), by, sessionName, true); err != nil {
		h.Fatal(err)
	}
	if _, _, err := h.daemon.Create(h.Context(), by, agent.CreateSession{Name: sessionName, Mode: agent.Snapshot, TraceSelf: true}); err != nil {
		h.Fatal(err)
	}
}

// record records a snapshot and returns what babeltrace2 prints of it.
func (h *host) record(pause bool) string {
	h.Helper()
	done, err := h.daemon.SnapshotRecord(h.Context(), h.by, sessionName, agent.SnapshotOutput{Pause: pause, URIs: []agent.URI{{
		DestinationType: agent.DestinationPath, Type: agent.Destination, Stream: agent.BothStreams, Path: h.out,
	}}})
	if err != nil || len(done.Names) != 1 {
		h.Fatalf("snapshot: %v, %v", done.Names, err)
	}
	return h.run("babeltrace2", done.Names[0])
}

// TestSnapshots has the state of the host in each snapshot, and nothing of before
// in those after clear.
func TestSnapshots(t *testing.T) {
	h := newHost(t, nil)
	h.flight(h.by)
	w := h.hitter()
	h.enable(agent.UserspaceProbe, "hits", "elf:"+w+":hit", "")
	h.start()
	want := func(what, text string, hits int) {
		t.Helper()
		if n := strings.Count(text, " hits: "); n != hits {
			t.Errorf("%s: %d events, want %d", what, n, hits)
		}
		for _, name := range []string{" lttng_statedump_start: ", " lttng_statedump_end: "} {
			if n := strings.Count(text, name); n != 1 {
				t.Errorf("%s: %q is there %d times, want once", what, name, n)
			}
		}
	}
	clear := func() {
		t.Helper()
		if _, err := h.daemon.Clear(t.Context(), h.by, sessionName); err != nil {
			t.Fatal(err)
		}
	}
	h.hit(w, 100)
	want("first", h.record(false), 100)
	h.hit(w, 10)
	want("second", h.record(false), 110)
	h.hit(w, 1)
	clear() // pages that were read, and the rings
	h.hit(w, 20)
	if _, err := h.daemon.RegenerateStatedump(t.Context(), h.by, sessionName); err != nil {
		t.Fatal(err)
	}
	want("after clear", h.record(true), 20)
	h.hit(w, 5) // recording goes on
	h.stop()
	want("stopped", h.record(true), 25)
	if _, err := h.daemon.Destroy(t.Context(), h.by, sessionName, true); err != nil {
		t.Fatal(err)
	}
}
