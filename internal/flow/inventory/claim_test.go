// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"github.com/google/uuid"

	"github.com/weir-io/weir/internal/flow/topology"
	"github.com/weir-io/weir/internal/store"
)

// testOneID: two hubs give an id to objects of different kinds at once. One of them has it.
func testOneID(s *stand) {
	lan := s.newBridge()
	kinds := map[topology.Kind]func(v *Inventory, id topology.ID) error{
		topology.KindBridge: func(v *Inventory, id topology.ID) error {
			_, err := v.CreateBridge(s.ctx, topology.Bridge{ID: id})
			return err
		},
		topology.KindRouter: func(v *Inventory, id topology.ID) error {
			_, err := v.CreateRouter(s.ctx, topology.Router{ID: id})
			return err
		},
		topology.KindPort: func(v *Inventory, id topology.ID) error {
			_, err := v.CreatePort(s.ctx, topology.Port{ID: id, Type: topology.BridgePort, Device: lan.ID})
			return err
		},
		"import": func(v *Inventory, id topology.ID) error {
			return v.Import(s.ctx, &topology.Snapshot{Routers: map[topology.ID]*topology.Router{id: {ID: id}}})
		},
	}
	var meddle func()
	other := s.another(meddled{s.store, func([]store.Op) {
		f := meddle
		meddle = func() {}
		f()
	}})
	for first, create := range kinds {
		for second, createToo := range kinds {
			if first == second || first == "import" && second == topology.KindRouter || first == topology.KindRouter && second == "import" {
				continue // an import may be of what is there
			}
			for _, left := range []bool{false, true} {
				id := uuid.New()
				if left { // by a hub that gives no ids back
					must(s.raw().Multi(s.ctx, store.Create(s.paths.blocks(id), nil, store.Persistent)))(s)
				}
				meddle = func() { s.ok(create(s.Inventory, id)) }
				if err := createToo(other, id); err == nil {
					s.Errorf("%v: made by %s and by %s (a node is left: %v)", id, first, second, left)
				}
			}
		}
	}
}

// testUnclaimed: devices of a hub that claims no ids are told from others, and deleted.
func testUnclaimed(s *stand) {
	b := s.newBridge()
	p := s.newBridgePort(b.ID)
	must(s.raw().Multi(s.ctx,
		store.Delete(s.paths.blocks(b.ID), store.AnyVersion), store.Delete(s.paths.blocks(p.ID), store.AnyVersion)))(s)
	for _, id := range []topology.ID{b.ID, p.ID} {
		_, err := s.CreateRouter(s.ctx, topology.Router{ID: id})
		s.want("a router of the same id", err, ErrExists)
	}
	s.ok(s.Import(s.ctx, &topology.Snapshot{Bridges: map[topology.ID]*topology.Bridge{b.ID: {ID: b.ID, TenantID: b.TenantID, Name: "again"}}}))
	s.ok(s.DeletePort(s.ctx, p.ID))
	s.ok(s.DeleteBridge(s.ctx, b.ID))
}

// testBlocks: what agents keep for a device goes with it.
func testBlocks(s *stand) {
	r := s.newRouter()
	p := s.newRouterPort(r.ID, "10.0.0.1/24")
	for _, id := range []topology.ID{r.ID, p.ID} {
		must(s.raw().Multi(s.ctx, store.Create(s.paths.blocks(id)+"/10.0.0.9", nil, store.Persistent)))(s)
	}
	s.ok(s.DeletePort(s.ctx, p.ID))
	s.ok(s.DeleteRouter(s.ctx, r.ID))
	s.checkTree()
}
