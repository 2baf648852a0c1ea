// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"context"

	"github.com/weir-io/weir/internal/flow/topology"
)

// filtered is what bridges, routers and ports have in common: they can have chains as
// filters, and be traced.
type filtered struct {
	kind    topology.Kind
	id      topology.ID
	in, out *topology.ID // fields of value
	value   any          // pointer to the object
	tenant  string       // empty for a port
}

// device reads a bridge, router or port in a transaction; nil if it is not there.
func (t *tx) device(k topology.Kind, id topology.ID) (*filtered, error) {
	var ok bool
	var err error
	f := &filtered{kind: k, id: id}
	switch k {
	case topology.KindBridge:
		b := new(topology.Bridge)
		ok, err = t.load(t.paths.bridge(id), b)
		f.in, f.out, f.value, f.tenant = &b.InboundFilter, &b.OutboundFilter, b, b.TenantID
	case topology.KindRouter:
		r := new(topology.Router)
		ok, err = t.load(t.paths.router(id), r)
		f.in, f.out, f.value, f.tenant = &r.InboundFilter, &r.OutboundFilter, r, r.TenantID
	default:
		p := new(topology.Port)
		ok, err = t.load(t.paths.port(id), p)
		f.in, f.out, f.value = &p.InboundFilter, &p.OutboundFilter, p
	}
	if err != nil || !ok {
		return nil, err
	}
	return f, nil
}

// save writes a device that was changed.
func (t *tx) save(f *filtered) error { return t.put(t.paths.device(f.kind, f.id), f.value) }

// setFilters makes chains know a device, and those that it had no more. Zero is none.
func (t *tx) setFilters(k topology.Kind, id, oldIn, oldOut, in, out topology.ID) error {
	for _, old := range []topology.ID{oldIn, oldOut} {
		if old != (topology.ID{}) && old != in && old != out {
			if err := t.remove(t.paths.ref(old, k, id)); err != nil {
				return err
			}
		}
	}
	for _, c := range []struct {
		property string
		id       topology.ID
	}{{"inboundFilterId", in}, {"outboundFilterId", out}} {
		if c.id == (topology.ID{}) {
			continue
		}
		if ok, err := t.exists(t.paths.chain(c.id)); err != nil {
			return err
		} else if !ok {
			if c.id == oldIn || c.id == oldOut { // removed by hand: that is no reason to refuse another change
				continue
			}
			return invalid(string(k), id, c.property, "there is no chain %v", c.id)
		}
		t.ensure(t.paths.ref(c.id, k, id))
	}
	return nil
}

// bridgeNodes and routerNodes are below each device.
var (
	bridgeNodes = []string{"ports", "logical-ports", "mac_ports", "vlans", "ip4_mac_map"}
	routerNodes = []string{"ports", "routes", "arp_table", "routing_table"}
)

// createDevice makes the nodes of a bridge or router.
func (t *tx) createDevice(f *filtered, nodes []string) error {
	path := t.paths.device(f.kind, f.id)
	if err := t.claim(f.id); err != nil {
		return err
	}
	if err := t.create(path, f.value); err != nil {
		return err
	}
	for _, name := range nodes {
		if err := t.create(path+"/"+name, nil); err != nil {
			return err
		}
	}
	return t.setFilters(f.kind, f.id, topology.ID{}, topology.ID{}, *f.in, *f.out)
}

// claim takes an id for a bridge, router or port. A store cannot check that something is
// not there, so that all who take an id write one node: of two that do at once, in
// whatever hubs, one finds it changed. It is read before the nodes of the three kinds, so
// that who reads it as another has left it finds the other's object, too.
func (t *tx) claim(id topology.ID) error {
	if err := t.put(t.paths.blocks(id), nil); err != nil {
		return err
	}
	return t.unused(id)
}

// release gives back an id that was claimed, with the NAT blocks that agents keep below.
func (t *tx) release(id topology.ID) error {
	path := t.paths.blocks(id)
	if ok, err := t.exists(path); err != nil || !ok { // one that was made before ids were claimed has none
		return err
	}
	return t.removeTree(path)
}

// unused returns the error of an id that a bridge, a router or a port has. Events, trace
// rules and tags name these by their ids alone: one that had the id of another tenant's
// would pass for it.
func (t *tx) unused(id topology.ID) error {
	for _, k := range []topology.Kind{topology.KindBridge, topology.KindRouter, topology.KindPort} {
		if ok, err := t.exists(t.paths.device(k, id)); err != nil {
			return err
		} else if ok {
			return &Error{Object: string(k), ID: id, Err: ErrExists}
		}
	}
	return nil
}

// updateDevice replaces a bridge, router or port; trace rules follow its filter.
func (v *Inventory) updateDevice(ctx context.Context, f *filtered, check func(t *tx, old *filtered) error) error {
	return v.change(ctx, []any{f.id}, func(t *tx) error {
		old, err := t.device(f.kind, f.id)
		if err != nil {
			return err
		}
		if old == nil {
			return notFound(string(f.kind), f.id)
		}
		if err := check(t, old); err != nil {
			return err
		}
		in := *f.in
		if err := t.moveTraces(f, *old.in, &in); err != nil {
			return err
		}
		if err := t.setFilters(f.kind, f.id, *old.in, *old.out, in, *f.out); err != nil {
			return err
		}
		wanted := *f.in
		*f.in = in
		defer func() { *f.in = wanted }() // for the next try
		if same(old.value, f.value) {
			return nil
		}
		return t.save(f)
	})
}

// CreateBridge makes a bridge.
func (v *Inventory) CreateBridge(ctx context.Context, b topology.Bridge) (topology.Bridge, error) {
	b.ID = newID(b.ID)
	if err := valid("bridge", b.ID, b); err != nil {
		return b, err
	}
	f := &filtered{kind: topology.KindBridge, id: b.ID, in: &b.InboundFilter, out: &b.OutboundFilter, value: &b, tenant: b.TenantID}
	return b, v.change(ctx, []any{b.ID}, func(t *tx) error { return t.createDevice(f, bridgeNodes) })
}

// Bridge returns a bridge.
func (v *Inventory) Bridge(ctx context.Context, id topology.ID) (topology.Bridge, error) {
	return get[topology.Bridge](ctx, v, topology.KindBridge, v.paths.bridge(id), id)
}

// Bridges returns all bridges.
func (v *Inventory) Bridges(ctx context.Context) ([]topology.Bridge, error) {
	return list[topology.Bridge](ctx, v, topology.KindBridge, v.paths.top("bridges"), v.paths.bridge)
}

// UpdateBridge replaces a bridge. Its tenant stays.
func (v *Inventory) UpdateBridge(ctx context.Context, b topology.Bridge) error {
	if err := valid("bridge", b.ID, b); err != nil {
		return err
	}
	f := &filtered{kind: topology.KindBridge, id: b.ID, in: &b.InboundFilter, out: &b.OutboundFilter, value: &b, tenant: b.TenantID}
	return v.updateDevice(ctx, f, func(_ *tx, old *filtered) error { return sameTenant(f, old.tenant, b.TenantID) })
}

// CreateRouter makes a router.
func (v *Inventory) CreateRouter(ctx context.Context, r topology.Router) (topology.Router, error) {
	r.ID = newID(r.ID)
	if err := valid("router", r.ID, r); err != nil {
		return r, err
	}
	f := &filtered{kind: topology.KindRouter, id: r.ID, in: &r.InboundFilter, out: &r.OutboundFilter, value: &r, tenant: r.TenantID}
	return r, v.change(ctx, []any{r.ID}, func(t *tx) error { return t.createDevice(f, routerNodes) })
}

// Router returns a router.
func (v *Inventory) Router(ctx context.Context, id topology.ID) (topology.Router, error) {
	return get[topology.Router](ctx, v, topology.KindRouter, v.paths.router(id), id)
}

// Routers returns all routers.
func (v *Inventory) Routers(ctx context.Context) ([]topology.Router, error) {
	return list[topology.Router](ctx, v, topology.KindRouter, v.paths.top("routers"), v.paths.router)
}

// UpdateRouter replaces a router. Its tenant stays.
func (v *Inventory) UpdateRouter(ctx context.Context, r topology.Router) error {
	if err := valid("router", r.ID, r); err != nil {
		return err
	}
	f := &filtered{kind: topology.KindRouter, id: r.ID, in: &r.InboundFilter, out: &r.OutboundFilter, value: &r, tenant: r.TenantID}
	return v.updateDevice(ctx, f, func(_ *tx, old *filtered) error { return sameTenant(f, old.tenant, r.TenantID) })
}

func sameTenant(f *filtered, old, tenant string) error {
	if old == tenant {
		return nil
	}
	return invalid(string(f.kind), f.id, "tenantId", "got %q, but it is of %q and stays so", tenant, old)
}

// maxTogether is how many ports go in one transaction.
const maxTogether = 200

// DeleteBridge deletes a bridge with its ports and trace requests.
func (v *Inventory) DeleteBridge(ctx context.Context, id topology.ID) error {
	return v.deleteDevice(ctx, topology.KindBridge, id)
}

// DeleteRouter deletes a router with its ports, routes and trace requests.
func (v *Inventory) DeleteRouter(ctx context.Context, id topology.ID) error {
	return v.deleteDevice(ctx, topology.KindRouter, id)
}

// deleteDevice deletes a device with one transaction, or when it has many ports or
// routes those before it.
func (v *Inventory) deleteDevice(ctx context.Context, k topology.Kind, id topology.ID) error {
	for {
		more := false
		err := v.change(ctx, []any{id}, func(t *tx) error {
			more = false
			f, err := t.device(k, id)
			if err != nil {
				return err
			}
			if f == nil {
				return notFound(string(k), id)
			}
			if more, err = t.deleteSome(k, id); err != nil || more {
				return err
			}
			return t.deleteEmpty(f)
		})
		if err != nil || !more {
			return err
		}
	}
}

// belongings returns the ports of a device, and a router's routes.
func (t *tx) belongings(k topology.Kind, id topology.ID) (ports, routes []topology.ID, err error) {
	if k == topology.KindRouter {
		if ports, err = t.ids(t.paths.router(id) + "/ports"); err == nil {
			routes, err = t.ids(t.paths.routerRoutes(id))
		}
		return ports, routes, err
	}
	if ports, err = t.ids(t.paths.bridge(id) + "/ports"); err != nil {
		return nil, nil, err
	}
	interior, err := t.ids(t.paths.logicalPorts(id))
	return append(ports, interior...), nil, err
}

// deleteSome deletes what belongs to a device, as much as goes together, and reports
// whether that was not all.
func (t *tx) deleteSome(k topology.Kind, id topology.ID) (more bool, err error) {
	requests, err := t.requests(k, id)
	if err != nil {
		return false, err
	}
	if more = len(requests) > maxTogether; more {
		for _, r := range requests[:maxTogether] {
			if err := t.deleteTrace(r); err != nil {
				return false, err
			}
		}
		return true, nil
	}
	ports, routes, err := t.belongings(k, id)
	if err != nil {
		return false, err
	}
	if more = len(ports)+len(routes) > maxTogether; more {
		ports = ports[:min(len(ports), maxTogether)]
		routes = routes[:min(len(routes), maxTogether-len(ports))]
	}
	return more, t.deleteBelongings(ports, routes)
}

func (t *tx) deleteBelongings(ports, routes []topology.ID) error {
	for _, port := range ports {
		if err := t.deletePort(port); err != nil {
			return err
		}
	}
	for _, route := range routes {
		if err := t.deleteRoute(route); err != nil {
			return err
		}
	}
	return nil
}

// deleteEmpty deletes a device that has no ports and routes any more.
func (t *tx) deleteEmpty(f *filtered) error {
	if err := t.deleteTraces(f.kind, f.id); err != nil {
		return err
	}
	f, err := t.device(f.kind, f.id) // the filter of its traces is gone
	if err != nil {
		return err
	}
	if err := t.setFilters(f.kind, f.id, *f.in, *f.out, topology.ID{}, topology.ID{}); err != nil {
		return err
	}
	if err := t.release(f.id); err != nil {
		return err
	}
	return t.removeTree(t.paths.device(f.kind, f.id))
}

// TenantOf returns the tenant of a bridge, a router, or a port, which is that of its
// device.
func (v *Inventory) TenantOf(ctx context.Context, d topology.DeviceType, id topology.ID) (string, error) {
	switch d {
	case topology.TraceBridge:
		b, err := v.Bridge(ctx, id)
		return b.TenantID, err
	case topology.TraceRouter:
		r, err := v.Router(ctx, id)
		return r.TenantID, err
	case topology.TracePort:
		p, err := v.Port(ctx, id)
		if err != nil {
			return "", err
		}
		if p.Type == topology.RouterPort {
			return v.TenantOf(ctx, topology.TraceRouter, p.Device)
		}
		return v.TenantOf(ctx, topology.TraceBridge, p.Device)
	}
	return "", invalid("trace request", topology.ID{}, "deviceType", "got %q", d)
}
