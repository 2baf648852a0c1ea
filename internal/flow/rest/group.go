// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"slices"

	"github.com/weir-io/weir/internal/flow/topology"
)

const (
	portGroupMedia  = "PortGroup-v1"
	groupPortMedia  = "PortGroupPort-v1"
	addrGroupMedia  = "IpAddrGroup-v1"
	groupAddrMedia  = "IpAddrGroupAddr-v1"
	portGroupPath   = "port_groups"
	addrGroupPath   = "ip_addr_groups"
	groupAddrPath   = "ip_addrs"
	addrGroupMember = "addr"
)

func portGroupRoutes() []route {
	groups := listing("/port_groups", portGroupMedia, "list-port-groups", "List port groups", listPortGroups)
	groups.params = []string{"tenant_id"}
	return tagged("groups",
		groups,
		creation("/port_groups", portGroupMedia, "create-port-group", "Make a port group", createPortGroup),
		reading("/port_groups/{id}", portGroupMedia, "get-port-group", "One port group", getPortGroup),
		removal("/port_groups/{id}", "delete-port-group", "Delete a port group", deletePortGroup),
		listing("/port_groups/{id}/ports", groupPortMedia, "list-group-ports", "List the ports of a group", listGroupPorts),
		creation("/port_groups/{id}/ports", groupPortMedia, "add-group-port", "Add a port to a group", addGroupPort),
		reading("/port_groups/{id}/ports/{port}", groupPortMedia, "get-group-port", "One port of a group", getGroupPort),
		removal("/port_groups/{id}/ports/{port}", "remove-group-port", "Remove a port from a group", removeGroupPort),
	)
}

func representPortGroup(q *request, g topology.PortGroup) (json.RawMessage, error) {
	id := g.ID.String()
	return represent(g,
		member{"uri", q.uri(portGroupPath, id)},
		member{"ports", q.uri(portGroupPath, id, "ports")})
}

func listPortGroups(q *request) error {
	groups, err := q.inventory().PortGroups(q.ctx())
	if err != nil {
		return err
	}
	see := func(g topology.PortGroup) bool { return q.selects(g.TenantID) }
	return list(q, groups, see, func(g topology.PortGroup) (json.RawMessage, error) { return representPortGroup(q, g) })
}

func createPortGroup(q *request) error {
	var g topology.PortGroup
	if err := q.body(&g); err != nil {
		return err
	}
	if err := q.claim(&g.TenantID); err != nil {
		return err
	}
	g, err := q.inventory().CreatePortGroup(q.ctx(), g)
	if err != nil {
		return err
	}
	return createdAs(q, q.uri(portGroupPath, g.ID.String()), g, representPortGroup)
}

// pathPortGroup returns the group of the path, which the caller owns.
func (q *request) pathPortGroup() (topology.PortGroup, error) {
	id, err := q.id("id")
	if err != nil {
		return topology.PortGroup{}, err
	}
	g, err := q.inventory().PortGroup(q.ctx(), id)
	if err != nil {
		return g, err
	}
	return g, q.own(g.TenantID, "port group", id)
}

func getPortGroup(q *request) error {
	g, err := q.pathPortGroup()
	if err != nil {
		return err
	}
	answer, err := representPortGroup(q, g)
	if err != nil {
		return err
	}
	return q.answer(answer)
}

func deletePortGroup(q *request) error {
	g, err := q.pathPortGroup()
	if err != nil {
		return err
	}
	if err := q.inventory().DeletePortGroup(q.ctx(), g.ID); err != nil {
		return err
	}
	return q.done()
}

// groupPort is a port in a group.
type groupPort struct {
	Group topology.ID `json:"portGroupId"`
	Port  topology.ID `json:"portId"`
}

func representGroupPort(q *request, m groupPort) (json.RawMessage, error) {
	group, port := m.Group.String(), m.Port.String()
	return represent(m,
		member{"uri", q.uri(portGroupPath, group, "ports", port)},
		member{"port", q.uri("ports", port)},
		member{"portGroup", q.uri(portGroupPath, group)})
}

// answerGroupPorts answers with memberships of ports and groups that the caller owns.
func (q *request) answerGroupPorts(members []groupPort) error {
	see := func(m groupPort) bool {
		if q.who.Role == Admin {
			return true
		}
		g, err := q.inventory().PortGroup(q.ctx(), m.Group)
		if err != nil || !q.who.owns(g.TenantID) {
			return false
		}
		_, err = q.port(m.Port)
		return err == nil
	}
	return list(q, members, see, func(m groupPort) (json.RawMessage, error) { return representGroupPort(q, m) })
}

func listGroupPorts(q *request) error {
	g, err := q.pathPortGroup()
	if err != nil {
		return err
	}
	ports, err := q.inventory().GroupPorts(q.ctx(), g.ID)
	if err != nil {
		return err
	}
	members := make([]groupPort, len(ports))
	for i, port := range ports {
		members[i] = groupPort{g.ID, port}
	}
	return q.answerGroupPorts(members)
}

func listGroupsOfPort(q *request) error {
	p, err := q.pathPort()
	if err != nil {
		return err
	}
	groups, err := q.inventory().PortGroupsOf(q.ctx(), p.ID)
	if err != nil {
		return err
	}
	members := make([]groupPort, len(groups))
	for i, group := range groups {
		members[i] = groupPort{group, p.ID}
	}
	return q.answerGroupPorts(members)
}

func addGroupPort(q *request) error {
	g, err := q.pathPortGroup()
	if err != nil {
		return err
	}
	raw, err := q.rawBody()
	if err != nil {
		return err
	}
	port, err := idMember(raw, "portId")
	if err != nil {
		return err
	}
	if _, err := q.port(port); err != nil {
		return err
	}
	if err := q.inventory().AddGroupPort(q.ctx(), g.ID, port); err != nil {
		return err
	}
	uri := q.uri(portGroupPath, g.ID.String(), "ports", port.String())
	return createdAs(q, uri, groupPort{g.ID, port}, representGroupPort)
}

// pathGroupPort returns the group and the port of the path; the port is in the group.
func (q *request) pathGroupPort() (m groupPort, err error) {
	g, err := q.pathPortGroup()
	if err != nil {
		return m, err
	}
	port, err := q.id("port")
	if err != nil {
		return m, err
	}
	ports, err := q.inventory().GroupPorts(q.ctx(), g.ID)
	if err != nil {
		return m, err
	}
	if !slices.Contains(ports, port) {
		return m, faultf(http.StatusNotFound, "port %v is not in port group %v", port, g.ID)
	}
	return groupPort{g.ID, port}, nil
}

func getGroupPort(q *request) error {
	m, err := q.pathGroupPort()
	if err != nil {
		return err
	}
	answer, err := representGroupPort(q, m)
	if err != nil {
		return err
	}
	return q.answer(answer)
}

func removeGroupPort(q *request) error {
	m, err := q.pathGroupPort()
	if err != nil {
		return err
	}
	if err := q.inventory().RemoveGroupPort(q.ctx(), m.Group, m.Port); err != nil {
		return err
	}
	return q.done()
}

// addrGroupRoutes are for admins: address groups are not any tenant's.
func addrGroupRoutes() []route {
	return onlyAdmin(tagged("groups",
		listing("/ip_addr_groups", addrGroupMedia, "list-ip-addr-groups", "List address groups", listAddrGroups),
		creation("/ip_addr_groups", addrGroupMedia, "create-ip-addr-group", "Make an address group", createAddrGroup),
		reading("/ip_addr_groups/{id}", addrGroupMedia, "get-ip-addr-group", "One address group", getAddrGroup),
		removal("/ip_addr_groups/{id}", "delete-ip-addr-group", "Delete an address group", deleteAddrGroup),
		listing("/ip_addr_groups/{id}/ip_addrs", groupAddrMedia, "list-group-addrs", "List the addresses of a group", listGroupAddrs),
		creation("/ip_addr_groups/{id}/ip_addrs", groupAddrMedia, "add-group-addr", "Add an address to a group", addGroupAddr),
		reading("/ip_addr_groups/{id}/ip_addrs/{addr}", groupAddrMedia, "get-group-addr", "One address of a group", getGroupAddr),
		removal("/ip_addr_groups/{id}/ip_addrs/{addr}", "remove-group-addr", "Remove an address from a group", removeGroupAddr),
	))
}

func representAddrGroup(q *request, g topology.AddrGroup) (json.RawMessage, error) {
	id := g.ID.String()
	return represent(g,
		member{"uri", q.uri(addrGroupPath, id)},
		member{"addrs", q.uri(addrGroupPath, id, groupAddrPath)})
}

func listAddrGroups(q *request) error {
	groups, err := q.inventory().AddrGroups(q.ctx())
	if err != nil {
		return err
	}
	return list(q, groups, all, func(g topology.AddrGroup) (json.RawMessage, error) { return representAddrGroup(q, g) })
}

func createAddrGroup(q *request) error {
	var g topology.AddrGroup
	if err := q.body(&g); err != nil {
		return err
	}
	g, err := q.inventory().CreateAddrGroup(q.ctx(), g)
	if err != nil {
		return err
	}
	return createdAs(q, q.uri(addrGroupPath, g.ID.String()), g, representAddrGroup)
}

func (q *request) pathAddrGroup() (topology.AddrGroup, error) {
	id, err := q.id("id")
	if err != nil {
		return topology.AddrGroup{}, err
	}
	return q.inventory().AddrGroup(q.ctx(), id)
}

func getAddrGroup(q *request) error {
	g, err := q.pathAddrGroup()
	if err != nil {
		return err
	}
	answer, err := representAddrGroup(q, g)
	if err != nil {
		return err
	}
	return q.answer(answer)
}

func deleteAddrGroup(q *request) error {
	g, err := q.pathAddrGroup()
	if err != nil {
		return err
	}
	if err := q.inventory().DeleteAddrGroup(q.ctx(), g.ID); err != nil {
		return err
	}
	return q.done()
}

// groupAddr is an address in a group.
type groupAddr struct {
	Group topology.ID `json:"ipAddrGroupId"`
	Addr  netip.Addr  `json:"addr"`
}

func representGroupAddr(q *request, m groupAddr) (json.RawMessage, error) {
	return represent(m,
		member{"uri", q.uri(addrGroupPath, m.Group.String(), groupAddrPath, m.Addr.String())},
		member{"ipAddrGroup", q.uri(addrGroupPath, m.Group.String())})
}

func listGroupAddrs(q *request) error {
	g, err := q.pathAddrGroup()
	if err != nil {
		return err
	}
	addrs, err := q.inventory().GroupAddrs(q.ctx(), g.ID)
	if err != nil {
		return err
	}
	return list(q, addrs, all, func(a netip.Addr) (json.RawMessage, error) {
		return representGroupAddr(q, groupAddr{g.ID, a})
	})
}

func addGroupAddr(q *request) error {
	g, err := q.pathAddrGroup()
	if err != nil {
		return err
	}
	raw, err := q.rawBody()
	if err != nil {
		return err
	}
	a, err := addrMember(raw, addrGroupMember)
	if err != nil {
		return err
	}
	if err := q.inventory().AddGroupAddr(q.ctx(), g.ID, a); err != nil {
		return err
	}
	uri := q.uri(addrGroupPath, g.ID.String(), groupAddrPath, a.String())
	return createdAs(q, uri, groupAddr{g.ID, a}, representGroupAddr)
}

// pathGroupAddr returns the address of the path, which is in the group of the path.
func (q *request) pathGroupAddr() (m groupAddr, err error) {
	g, err := q.pathAddrGroup()
	if err != nil {
		return m, err
	}
	addrs, err := q.inventory().GroupAddrs(q.ctx(), g.ID)
	if err != nil {
		return m, err
	}
	a, err := netip.ParseAddr(q.vars["addr"])
	if err != nil || !slices.Contains(addrs, a) {
		return m, faultf(http.StatusNotFound, "%.60q is not in address group %v", q.vars["addr"], g.ID)
	}
	return groupAddr{g.ID, a}, nil
}

func getGroupAddr(q *request) error {
	m, err := q.pathGroupAddr()
	if err != nil {
		return err
	}
	answer, err := representGroupAddr(q, m)
	if err != nil {
		return err
	}
	return q.answer(answer)
}

func removeGroupAddr(q *request) error {
	m, err := q.pathGroupAddr()
	if err != nil {
		return err
	}
	if err := q.inventory().RemoveGroupAddr(q.ctx(), m.Group, m.Addr); err != nil {
		return err
	}
	return q.done()
}
