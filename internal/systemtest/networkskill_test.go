// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"context"
	"errors"
	"os"
	"path"
	"path/filepath"
	"sync"
	"testing"

	"github.com/weir-io/weir/client/flow"
)

// maker makes bridges until it is stopped, and knows which the hub has said that there
// are.
type maker struct {
	stop context.CancelFunc
	done sync.WaitGroup

	mu   sync.Mutex
	made []string // ids; guarded by mu
}

func (h *networks) startMaking(workers int) *maker {
	ctx, stop := context.WithCancel(h.m.Context())
	k := &maker{stop: stop}
	for range workers {
		k.done.Go(func() {
			for ctx.Err() == nil {
				if at, err := h.Create(h.m.Context(), map[string]string{"name": "made", "tenantId": "red"}, "bridges"); err == nil {
					k.mu.Lock()
					k.made = append(k.made, path.Base(at))
					k.mu.Unlock()
				}
			}
		})
	}
	return k
}

func (k *maker) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.made)
}

// end waits for the workers and returns what they have made.
func (k *maker) end() []string {
	k.stop()
	k.done.Wait()
	return k.made
}

// A hub on its own store that is killed while four clients make bridges and four switch
// trace requests has all that it has answered, and no half of a switch. One that was
// stopped leaves one file.
func TestNetworksKilled(t *testing.T) {
	isolated(t, func(m *machine) {
		h := m.startNetworks("")
		m.importNetworks()
		var requests []string
		for range 4 {
			id, err := h.CreateTrace(m.Context(), flow.TraceRequest{DeviceType: flow.Bridge, DeviceID: webBridge, Limit: 10, Name: "n"})
			if err != nil {
				m.Fatal(err)
			}
			requests = append(requests, id)
		}
		journal := filepath.Join(m.dir, "state", "flow", "store.db.journal")
		var answered []string
		for range 3 {
			makes, switches := h.startMaking(4), h.startSwitching(requests)
			m.until("bridges are made and requests switched", func() bool { return makes.count() > 50 && switches.seen(0) > 50 })
			h.kill()
			answered = append(answered, makes.end()...)
			switches.end()
			if _, err := os.Stat(journal); err != nil {
				m.Errorf("after a kill: %v, want the journal", err)
			}
			h = h.restart()
			h.wantBridges(answered)
			h.wantWhole(webBridge)
		}
		h.stop()
		if _, err := os.Stat(journal); !errors.Is(err, os.ErrNotExist) {
			m.Errorf("after a stop: %v, want that the journal is gone", err)
		}
		h = h.restart()
		h.wantBridges(answered)
		h.stop()
	})
}

// wantBridges checks that bridges are there.
func (h *networks) wantBridges(ids []string) {
	h.m.Helper()
	var bridges []struct {
		ID string `json:"id"`
	}
	if err := h.Get(h.m.Context(), &bridges, nil, "bridges"); err != nil {
		h.m.Fatal(err)
	}
	there := make(map[string]bool, len(bridges))
	for _, b := range bridges {
		there[b.ID] = true
	}
	for _, id := range ids {
		if !there[id] {
			h.m.Errorf("bridge %s was answered and is not there, of %d", id, len(ids))
		}
	}
}
