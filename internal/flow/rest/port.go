// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"encoding/json"
	"net/http"

	"github.com/weir-io/weir/internal/flow/topology"
)

const portMedia = "Port-v3"

func portRoutes() []route {
	linked := reading("/ports/{id}/link", "PortLink-v1", "get-link", "The peer of a port", getLink)
	groups := listing("/ports/{id}/port_groups", "PortGroupPort-v1", "list-groups-of-port", "List the groups of a port", listGroupsOfPort)
	ports := []route{
		listing("/ports", portMedia, "list-ports", "List ports", listPorts),
		reading("/ports/{id}", portMedia, "get-port", "One port", getPort),
		change("/ports/{id}", portMedia, "update-port", "Change a port", updatePort),
		removal("/ports/{id}", "delete-port", "Delete a port with its routes and trace requests", deletePort),
		linked,
		creation("/ports/{id}/link", "PortLink-v1", "link-port", "Link a port to another", linkPort),
		removal("/ports/{id}/link", "unlink-port", "Unlink a port from its peer", unlinkPort),
		groups,
	}
	for _, k := range []deviceKind{bridgeKind, routerKind} {
		all := "/" + k.plural + "/{id}/ports"
		ports = append(ports,
			listing(all, portMedia, "list-"+k.noun+"-ports", "List the ports of a "+k.noun, k.listPorts),
			creation(all, portMedia, "create-"+k.noun+"-port", "Make a port of a "+k.noun, k.createPort),
			listing("/"+k.plural+"/{id}/peer_ports", portMedia, "list-"+k.noun+"-peer-ports",
				"List the ports that ports of a "+k.noun+" are linked to", k.listPeerPorts),
		)
	}
	return tagged("ports", ports...)
}

// owner returns the tenant of a device of a kind that is not known.
func (q *request) owner(device topology.ID) (string, error) {
	b, err := q.inventory().Bridge(q.ctx(), device)
	if err != nil && q.server.fault(err).Status != http.StatusNotFound {
		return "", err
	}
	r, lost := q.inventory().Router(q.ctx(), device)
	switch {
	case lost == nil && err == nil && b.TenantID != r.TenantID: // by hand: the inventory makes no two with one id
		return "", faultf(http.StatusConflict, "%v is a bridge and a router", device)
	case err == nil:
		return b.TenantID, nil
	}
	return r.TenantID, lost
}

// portOwner returns the tenant of a port, which is that of its device.
func (q *request) portOwner(p *topology.Port) (string, error) {
	if p.Type == topology.RouterPort {
		return q.inventory().TenantOf(q.ctx(), topology.TraceRouter, p.Device)
	}
	return q.inventory().TenantOf(q.ctx(), topology.TraceBridge, p.Device)
}

// port returns a port that the caller owns.
func (q *request) port(id topology.ID) (topology.Port, error) {
	p, err := q.inventory().Port(q.ctx(), id)
	if err != nil {
		return p, err
	}
	tenant, err := q.portOwner(&p)
	if err != nil {
		return p, err
	}
	return p, q.own(tenant, "port", id)
}

// pathPort returns the port of the path.
func (q *request) pathPort() (topology.Port, error) {
	id, err := q.id("id")
	if err != nil {
		return topology.Port{}, err
	}
	return q.port(id)
}

// pluralOf returns the path of devices that have ports of a type.
func pluralOf(t topology.PortType) string {
	if t == topology.RouterPort {
		return routerKind.plural
	}
	return bridgeKind.plural
}

func representPort(q *request, p topology.Port) (json.RawMessage, error) {
	id := p.ID.String()
	p.InboundFilter, p.OutboundFilter = q.shown(p.InboundFilter), q.shown(p.OutboundFilter)
	active := false
	if p.Exterior() {
		var err error
		if active, err = q.inventory().Active(q.ctx(), p.ID); err != nil {
			return nil, err
		}
	}
	members := []member{
		{"uri", q.uri("ports", id)},
		{"device", q.uri(pluralOf(p.Type), p.Device.String())},
		{"portGroups", q.uri("ports", id, "port_groups")},
		{"link", q.uri("ports", id, "link")},
		{"active", active},
	}
	if p.Interior() {
		if _, err := q.port(p.Peer); err == nil {
			members = append(members, member{"peer", q.uri("ports", p.Peer.String())})
		} else if q.server.fault(err).Status == http.StatusForbidden {
			p.Peer = topology.ID{} // another tenant's
		}
	}
	return represent(p, append(members, q.filterURIs(p.InboundFilter, p.OutboundFilter)...)...)
}

// answerPorts answers with those ports that the caller may see.
func (q *request) answerPorts(ports []topology.Port) error {
	type device struct {
		kind topology.PortType
		id   topology.ID
	}
	owners := make(map[device]bool)
	see := func(p topology.Port) bool {
		of := device{p.Type, p.Device}
		seen, known := owners[of]
		if !known {
			tenant, err := q.portOwner(&p)
			seen = err == nil && q.who.owns(tenant)
			owners[of] = seen
		}
		return seen
	}
	return list(q, ports, see, func(p topology.Port) (json.RawMessage, error) { return representPort(q, p) })
}

func listPorts(q *request) error {
	ports, err := q.inventory().Ports(q.ctx())
	if err != nil {
		return err
	}
	return q.answerPorts(ports)
}

func (k *deviceKind) listPorts(q *request) error {
	b, err := k.device(q)
	if err != nil {
		return err
	}
	ports, err := q.inventory().DevicePorts(q.ctx(), b.ID)
	if err != nil {
		return err
	}
	return q.answerPorts(ports)
}

func (k *deviceKind) listPeerPorts(q *request) error {
	b, err := k.device(q)
	if err != nil {
		return err
	}
	ports, err := q.inventory().PeerPorts(q.ctx(), b.ID)
	if err != nil {
		return err
	}
	return q.answerPorts(ports)
}

// createPort makes a port. What says where a port is comes by bindings and links.
func (k *deviceKind) createPort(q *request) error {
	b, err := k.device(q)
	if err != nil {
		return err
	}
	var p topology.Port
	if err := q.body(&p); err != nil {
		return err
	}
	if p.Type != "" && p.Type != k.port {
		return violation("type", "got %s, want %s below %s", p.Type, k.port, q.r.URL.Path)
	}
	p.Type, p.Device = k.port, b.ID
	p.Host, p.Interface, p.Peer, p.TunnelKey, p.Workload = topology.ID{}, "", topology.ID{}, 0, nil
	if err := p.Validate(); err != nil {
		return err
	}
	if err := q.ownFilters(p.InboundFilter, p.OutboundFilter); err != nil {
		return err
	}
	if p, err = q.inventory().CreatePort(q.ctx(), p); err != nil {
		return err
	}
	return createdAs(q, q.uri("ports", p.ID.String()), p, representPort)
}

func getPort(q *request) error {
	p, err := q.pathPort()
	if err != nil {
		return err
	}
	answer, err := representPort(q, p)
	if err != nil {
		return err
	}
	return q.answer(answer)
}

// updatePort replaces what a client may set of a port.
func updatePort(q *request) error {
	old, err := q.pathPort()
	if err != nil {
		return err
	}
	var p topology.Port
	if err := q.body(&p); err != nil {
		return err
	}
	if p.Type != "" && p.Type != old.Type {
		return violation("type", "got %s of a port that is %s", p.Type, old.Type)
	}
	p.ID, p.Type, p.Device = old.ID, old.Type, old.Device
	p.Host, p.Interface, p.Peer, p.TunnelKey, p.Workload = old.Host, old.Interface, old.Peer, old.TunnelKey, old.Workload
	if p.PortMAC.IsZero() {
		p.PortMAC = old.PortMAC
	}
	if err := p.Validate(); err != nil {
		return err
	}
	if err := q.ownFilters(p.InboundFilter, p.OutboundFilter); err != nil {
		return err
	}
	q.keepHidden(&p.InboundFilter, old.InboundFilter)
	q.keepHidden(&p.OutboundFilter, old.OutboundFilter)
	if err := q.inventory().UpdatePort(q.ctx(), p); err != nil {
		return err
	}
	return q.done()
}

func deletePort(q *request) error {
	p, err := q.pathPort()
	if err != nil {
		return err
	}
	if err := q.inventory().DeletePort(q.ctx(), p.ID); err != nil {
		return err
	}
	return q.done()
}

// link is a pair of ports as a client sees it.
type link struct {
	Port topology.ID `json:"portId"`
	Peer topology.ID `json:"peerId"`
}

func (q *request) representLink(l link) (json.RawMessage, error) {
	return represent(l,
		member{"uri", q.uri("ports", l.Port.String(), "link")},
		member{"port", q.uri("ports", l.Port.String())},
		member{"peer", q.uri("ports", l.Peer.String())},
	)
}

func getLink(q *request) error {
	p, err := q.pathPort()
	if err != nil {
		return err
	}
	if !p.Interior() {
		return faultf(http.StatusNotFound, "port %v has no peer", p.ID)
	}
	if _, err := q.port(p.Peer); err != nil {
		if q.server.fault(err).Status == http.StatusForbidden {
			return faultf(http.StatusForbidden, "the peer of port %v belongs to another tenant", p.ID)
		}
		return err
	}
	answer, err := q.representLink(link{p.ID, p.Peer})
	if err != nil {
		return err
	}
	return q.answer(answer)
}

// linkPort links a port of the caller's to another of the caller's.
func linkPort(q *request) error {
	p, err := q.pathPort()
	if err != nil {
		return err
	}
	raw, err := q.rawBody()
	if err != nil {
		return err
	}
	peer, err := idMember(raw, "peerId")
	if err != nil {
		return err
	}
	if _, err := q.port(peer); err != nil {
		return err
	}
	if err := q.inventory().Link(q.ctx(), p.ID, peer); err != nil {
		return err
	}
	answer, err := q.representLink(link{p.ID, peer})
	if err != nil {
		return err
	}
	return q.created(q.uri("ports", p.ID.String(), "link"), answer)
}

func unlinkPort(q *request) error {
	p, err := q.pathPort()
	if err != nil {
		return err
	}
	if err := q.inventory().Unlink(q.ctx(), p.ID); err != nil {
		return err
	}
	return q.done()
}

// all sees everything.
func all[T any](T) bool { return true }
