// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"strconv"
	"sync"

	"github.com/weir-io/weir/internal/flow/topology"
)

// tunnelKeys finds free tunnel keys. A key belongs to the port that has its node; two
// inventories that choose the same one meet there, and one chooses again.
type tunnelKeys struct {
	mu sync.Mutex
	// Guarded by mu.
	used map[uint32]bool // of the nodes when they were listed, and chosen since
	last uint32          // the key that was chosen last
}

// next returns a key that no port had, as long as there are such, else one that no
// port has.
func (k *tunnelKeys) next(t *tx) (uint32, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for fresh := false; ; {
		if k.used == nil {
			if err := k.list(t); err != nil {
				return 0, err
			}
			fresh = true
		}
		for range topology.MaxTunnelKey {
			if k.last++; k.last > topology.MaxTunnelKey {
				k.last = 1
			}
			if k.used[k.last] {
				continue
			}
			k.used[k.last] = true
			ok, err := t.exists(t.paths.tunnelKey(k.last))
			if err != nil {
				return 0, err
			}
			if !ok {
				return k.last, nil
			}
		}
		if fresh {
			return 0, conflict("port", topology.ID{}, "all %d tunnel keys are in use", topology.MaxTunnelKey)
		}
		k.used = nil // ports may have gone since
	}
}

// list reads which keys are in use.
func (k *tunnelKeys) list(t *tx) error {
	names, err := t.session.Children(t.ctx, t.paths.top("gre"), nil)
	if err != nil {
		return err
	}
	used := make(map[uint32]bool, len(names))
	var greatest uint32
	for _, name := range names {
		n, err := strconv.ParseUint(name, 10, 32)
		if err != nil || n > topology.MaxTunnelKey {
			continue
		}
		used[uint32(n)] = true
		greatest = max(greatest, uint32(n))
	}
	if k.last == 0 {
		k.last = greatest
	}
	k.used = used
	return nil
}
