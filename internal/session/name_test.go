// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"strings"
	"testing"

	"github.com/weir-io/weir/client/agent"
)

func TestNames(t *testing.T) {
	h := newHost(t)
	to := []agent.URI{h.place("snapshots")}
	if _, _, err := h.daemon.Create(t.Context(), h.by, agent.CreateSession{Name: "keeps", Mode: agent.Snapshot, URIs: to}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{".", "..", "a/b", "../a", "a\x00", "a\nb", "\x1b[2J", strings.Repeat("a", 256)} {
		if _, _, err := h.daemon.Create(t.Context(), h.by, agent.CreateSession{Name: name, Mode: agent.NoOutput}); err == nil {
			t.Errorf("session %q was made", name)
		}
		if _, err := h.daemon.AddSnapshotOutput(t.Context(), h.by, "keeps", agent.SnapshotOutput{Name: name, URIs: to}); err == nil {
			t.Errorf("snapshot output %q was made", name)
		}
	}
}

func TestLiveTimers(t *testing.T) {
	h := newHost(t)
	for _, r := range []agent.CreateSession{{Mode: agent.Live, LiveTimer: -1}, {Mode: agent.Normal, LiveTimer: 1}} {
		if _, _, err := h.daemon.Create(t.Context(), h.by, r); err == nil {
			t.Errorf("a %s session with timer %v was made", r.Mode, r.LiveTimer)
		}
	}
}
