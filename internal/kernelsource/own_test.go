// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kernelsource

import (
	"os"
	"slices"
	"testing"

	"github.com/weir-io/weir/client/agent"
)

// TestConsumersOfOthers leaves the consumers of all sessions out of all, but for
// those that are to have them.
func TestConsumersOfOthers(t *testing.T) {
	h := newHost(t, nil) // with a session that has weir's own threads
	h.enable(agent.Syscall, "getpriority", "", "")
	h.start()
	for _, name := range []string{"a", "b"} {
		if _, _, err := h.daemon.Create(t.Context(), h.by, agent.CreateSession{Name: name, Mode: agent.NoOutput}); err != nil {
			t.Fatal(err)
		}
		if _, err := h.daemon.EnableEvents(t.Context(), h.by, name, agent.EnableEvents{
			Domain: Domain, Rules: []agent.EventRule{{Type: agent.Syscall, Pattern: "getpriority"}},
		}); err != nil {
			t.Fatal(err)
		}
		if _, err := h.daemon.Start(t.Context(), h.by, name); err != nil {
			t.Fatal(err)
		}
	}
	own := &h.source.own
	own.mu.Lock()
	all := own.allLocked()
	var lists [][]int
	for c := range own.channels {
		tids, err := c.instance.NotracePIDs()
		if err != nil {
			t.Error(err)
		}
		lists = append(lists, tids)
	}
	own.mu.Unlock()
	if len(all) != 4 || !slices.Contains(all, int32(os.Getpid())) || len(lists) != 2 {
		t.Errorf("own processes %v, %d channels without them; want three consumers and this one, and two", all, len(lists))
	}
	for _, tids := range lists {
		for _, p := range all {
			if !slices.Contains(tids, int(p)) {
				t.Errorf("left out are threads %v, want process %d with them", tids, p)
			}
		}
	}
	for _, name := range []string{"a", "b"} {
		if _, err := h.daemon.Destroy(t.Context(), h.by, name, true); err != nil {
			t.Error(err)
		}
	}
	own.mu.Lock()
	defer own.mu.Unlock()
	if left := own.allLocked(); len(left) != 2 || len(own.channels) != 0 {
		t.Errorf("after two sessions have ended: processes %v, %d channels", left, len(own.channels))
	}
}
