// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/weir-io/weir/internal/flow/topology"
)

// deviceKind is what bridges and routers, which have the same members, differ in.
type deviceKind struct {
	noun, plural, media string
	trace               topology.DeviceType
	port                topology.PortType
	links               []string // members that are URIs below the device's own
	store               func(Inventory) deviceStore
}

var bridgeKind = deviceKind{
	noun: "bridge", plural: "bridges", media: "Bridge-v4", trace: topology.TraceBridge, port: topology.BridgePort,
	links: []string{"ports", "peer_ports", "mac_table", "arp_table"}, store: bridgeStore,
}

var routerKind = deviceKind{
	noun: "router", plural: "routers", media: "Router-v3", trace: topology.TraceRouter, port: topology.RouterPort,
	links: []string{"ports", "peer_ports", "routes"}, store: routerStore,
}

// linkMembers are the members that name resources below a device.
var linkMembers = map[string]string{
	"ports": "ports", "peer_ports": "peerPorts", "mac_table": "macTable", "arp_table": "arpTable", "routes": "routes",
}

// deviceStore is an inventory's methods of one kind of device.
type deviceStore struct {
	create func(context.Context, topology.Bridge) (topology.Bridge, error)
	get    func(context.Context, topology.ID) (topology.Bridge, error)
	list   func(context.Context) ([]topology.Bridge, error)
	update func(context.Context, topology.Bridge) error
	remove func(context.Context, topology.ID) error
}

func bridgeStore(v Inventory) deviceStore {
	return deviceStore{v.CreateBridge, v.Bridge, v.Bridges, v.UpdateBridge, v.DeleteBridge}
}

func routerStore(v Inventory) deviceStore {
	return deviceStore{
		create: func(ctx context.Context, b topology.Bridge) (topology.Bridge, error) {
			r, err := v.CreateRouter(ctx, topology.Router(b))
			return topology.Bridge(r), err
		},
		get: func(ctx context.Context, id topology.ID) (topology.Bridge, error) {
			r, err := v.Router(ctx, id)
			return topology.Bridge(r), err
		},
		list: func(ctx context.Context) ([]topology.Bridge, error) {
			routers, err := v.Routers(ctx)
			list := make([]topology.Bridge, len(routers))
			for i, r := range routers {
				list[i] = topology.Bridge(r)
			}
			return list, err
		},
		update: func(ctx context.Context, b topology.Bridge) error { return v.UpdateRouter(ctx, topology.Router(b)) },
		remove: v.DeleteRouter,
	}
}

func deviceRoutes(k deviceKind) []route {
	all, one := "/"+k.plural, "/"+k.plural+"/{id}"
	list := listing(all, k.media, "list-"+k.plural, "List "+k.plural, k.listDevices)
	list.params = []string{"tenant_id"}
	return tagged("devices",
		list,
		creation(all, k.media, "create-"+k.noun, "Make a "+k.noun, k.createDevice),
		reading(one, k.media, "get-"+k.noun, "One "+k.noun, k.getDevice),
		change(one, k.media, "update-"+k.noun, "Change a "+k.noun, k.updateDevice),
		removal(one, "delete-"+k.noun, "Delete a "+k.noun+" with its ports, routes and trace requests", k.deleteDevice),
	)
}

// device returns a device of the path that the caller owns.
func (k *deviceKind) device(q *request) (topology.Bridge, error) {
	id, err := q.id("id")
	if err != nil {
		return topology.Bridge{}, err
	}
	b, err := k.store(q.inventory()).get(q.ctx(), id)
	if err != nil {
		return b, err
	}
	return b, q.own(b.TenantID, k.noun, id)
}

func (k *deviceKind) listDevices(q *request) error {
	devices, err := k.store(q.inventory()).list(q.ctx())
	if err != nil {
		return err
	}
	see := func(b topology.Bridge) bool { return q.selects(b.TenantID) }
	return list(q, devices, see, func(b topology.Bridge) (json.RawMessage, error) { return k.represent(q, b) })
}

// selects reports whether a list has what a tenant owns: the caller's own, and of that
// what the parameter tenant_id asks for.
func (q *request) selects(tenant string) bool {
	if want := q.r.URL.Query(); want.Has("tenant_id") && want.Get("tenant_id") != tenant {
		return false
	}
	return q.who.owns(tenant)
}

func (k *deviceKind) represent(q *request, b topology.Bridge) (json.RawMessage, error) {
	id := b.ID.String()
	b.InboundFilter, b.OutboundFilter = q.shown(b.InboundFilter), q.shown(b.OutboundFilter)
	members := []member{{"uri", q.uri(k.plural, id)}}
	for _, link := range k.links {
		members = append(members, member{linkMembers[link], q.uri(k.plural, id, link)})
	}
	return represent(b, append(members, q.filterURIs(b.InboundFilter, b.OutboundFilter)...)...)
}

// shown returns the chain, unless it is another tenant's: an administrator may have made
// it a filter.
func (q *request) shown(chain topology.ID) topology.ID {
	if chain == (topology.ID{}) || q.who.Role == Admin {
		return chain
	}
	if _, err := q.chain(chain); err != nil {
		return topology.ID{}
	}
	return chain
}

// keepHidden puts a filter back that the caller did not name because he is not shown it.
func (q *request) keepHidden(filter *topology.ID, old topology.ID) {
	if *filter == (topology.ID{}) && q.shown(old) == (topology.ID{}) {
		*filter = old
	}
}

// filterURIs returns the members that name the filters of a device or port.
func (q *request) filterURIs(inbound, outbound topology.ID) (members []member) {
	if inbound != (topology.ID{}) {
		members = append(members, member{"inboundFilter", q.uri("chains", inbound.String())})
	}
	if outbound != (topology.ID{}) {
		members = append(members, member{"outboundFilter", q.uri("chains", outbound.String())})
	}
	return members
}

func (k *deviceKind) createDevice(q *request) error {
	var b topology.Bridge
	if err := q.body(&b); err != nil {
		return err
	}
	if err := q.claim(&b.TenantID); err != nil {
		return err
	}
	if err := q.ownFilters(b.InboundFilter, b.OutboundFilter); err != nil {
		return err
	}
	b, err := k.store(q.inventory()).create(q.ctx(), b)
	if err != nil {
		return err
	}
	return createdAs(q, q.uri(k.plural, b.ID.String()), b, k.represent)
}

// createdAs answers that an object was made, with its representation.
func createdAs[T any](q *request, uri string, object T, represent func(*request, T) (json.RawMessage, error)) error {
	b, err := represent(q, object)
	if err != nil {
		return err
	}
	return q.created(uri, b)
}

// claim checks the tenant that a new object is to belong to. Who is no admin makes
// objects of his own tenants, of the first if he names none.
func (q *request) claim(tenant *string) error {
	if *tenant == "" && q.who.Role != Admin && len(q.who.Tenants) > 0 {
		*tenant = q.who.Tenants[0]
	}
	if !q.who.owns(*tenant) {
		return faultf(http.StatusForbidden, "tenant %q is another than yours", *tenant)
	}
	return nil
}

// ownFilters refuses chains of other tenants as filters. Chains that are not there are
// the inventory's to refuse.
func (q *request) ownFilters(chains ...topology.ID) error {
	if q.who.Role == Admin {
		return nil
	}
	for _, id := range chains {
		if id == (topology.ID{}) {
			continue
		}
		c, err := q.inventory().Chain(q.ctx(), id)
		if err != nil {
			return err
		}
		if err := q.own(c.TenantID, "chain", id); err != nil {
			return err
		}
	}
	return nil
}

func (k *deviceKind) getDevice(q *request) error {
	b, err := k.device(q)
	if err != nil {
		return err
	}
	answer, err := k.represent(q, b)
	if err != nil {
		return err
	}
	return q.answer(answer)
}

func (k *deviceKind) updateDevice(q *request) error {
	old, err := k.device(q)
	if err != nil {
		return err
	}
	var b topology.Bridge
	if err := q.body(&b); err != nil {
		return err
	}
	b.ID = old.ID
	if b.TenantID == "" {
		b.TenantID = old.TenantID
	}
	if err := q.claim(&b.TenantID); err != nil {
		return err
	}
	if err := q.ownFilters(b.InboundFilter, b.OutboundFilter); err != nil {
		return err
	}
	q.keepHidden(&b.InboundFilter, old.InboundFilter)
	q.keepHidden(&b.OutboundFilter, old.OutboundFilter)
	if err := k.store(q.inventory()).update(q.ctx(), b); err != nil {
		return err
	}
	return q.done()
}

func (k *deviceKind) deleteDevice(q *request) error {
	b, err := k.device(q)
	if err != nil {
		return err
	}
	if err := k.store(q.inventory()).remove(q.ctx(), b.ID); err != nil {
		return err
	}
	return q.done()
}
