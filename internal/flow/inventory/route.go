// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"context"

	"github.com/weir-io/weir/internal/flow/topology"
)

// CreateRoute makes a route of a router.
func (v *Inventory) CreateRoute(ctx context.Context, r topology.Route) (topology.Route, error) {
	r.ID = newID(r.ID)
	if err := valid("route", r.ID, r); err != nil {
		return r, err
	}
	return r, v.change(ctx, nil, func(t *tx) error {
		var router topology.Router
		if err := t.mustLoad(topology.KindRouter, r.Router, &router); err != nil {
			return err
		}
		if ok, err := t.exists(t.paths.route(r.ID)); err != nil {
			return err
		} else if ok {
			return &Error{Object: "route", ID: r.ID, Err: ErrExists}
		}
		if r.NextHopPort != (topology.ID{}) {
			var p topology.Port
			if ok, err := t.load(t.paths.port(r.NextHopPort), &p); err != nil {
				return err
			} else if !ok || p.Device != r.Router {
				return invalid("route", r.ID, "nextHopPort", "router %v has no port %v", r.Router, r.NextHopPort)
			}
		}
		return t.createRoute(&r)
	})
}

func (t *tx) createRoute(r *topology.Route) error {
	if err := t.create(t.paths.route(r.ID), r); err != nil {
		return err
	}
	t.ensure(t.paths.routerRoutes(r.Router) + "/" + r.ID.String())
	if r.NextHopPort != (topology.ID{}) {
		t.ensure(t.paths.portRoutes(r.NextHopPort))
		t.ensure(t.paths.portRoutes(r.NextHopPort) + "/" + r.ID.String())
	}
	return nil
}

// Route returns a route.
func (v *Inventory) Route(ctx context.Context, id topology.ID) (topology.Route, error) {
	return get[topology.Route](ctx, v, topology.KindRoute, v.paths.route(id), id)
}

// Routes returns the routes of a router.
func (v *Inventory) Routes(ctx context.Context, router topology.ID) ([]topology.Route, error) {
	if _, err := v.Router(ctx, router); err != nil {
		return nil, err
	}
	return list[topology.Route](ctx, v, topology.KindRoute, v.paths.routerRoutes(router), v.paths.route)
}

// DeleteRoute deletes a route.
func (v *Inventory) DeleteRoute(ctx context.Context, id topology.ID) error {
	return v.change(ctx, nil, func(t *tx) error {
		var r topology.Route
		if err := t.mustLoad(topology.KindRoute, id, &r); err != nil {
			return err
		}
		return t.deleteRoute(id)
	})
}

// deleteRoute does nothing if there is no such route.
func (t *tx) deleteRoute(id topology.ID) error {
	var r topology.Route
	if ok, err := t.load(t.paths.route(id), &r); err != nil || !ok {
		return err
	}
	paths := []string{t.paths.route(id), t.paths.routerRoutes(r.Router) + "/" + id.String()}
	if r.NextHopPort != (topology.ID{}) {
		paths = append(paths, t.paths.portRoutes(r.NextHopPort)+"/"+id.String())
	}
	for _, path := range paths {
		if err := t.remove(path); err != nil {
			return err
		}
	}
	return nil
}
