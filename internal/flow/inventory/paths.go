// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"fmt"
	"net/netip"

	"github.com/weir-io/weir/internal/flow/topology"
)

// tops are the nodes below the root that objects are in.
var tops = []string{
	"bridges", "routers", "ports", "routes", "chains", "rules", "filters", "port_groups", "ip_addr_groups",
	"hosts", "tunnel_zones", "traces", "gre",
}

// paths builds the paths of the tree, which docs/format/control-store.md shows.
type paths struct{ root string }

func (p paths) top(name string) string { return p.root + "/" + name }

func (p paths) object(top string, id topology.ID) string {
	return p.root + "/" + top + "/" + id.String()
}

func (p paths) bridge(id topology.ID) string     { return p.object("bridges", id) }
func (p paths) router(id topology.ID) string     { return p.object("routers", id) }
func (p paths) port(id topology.ID) string       { return p.object("ports", id) }
func (p paths) route(id topology.ID) string      { return p.object("routes", id) }
func (p paths) chain(id topology.ID) string      { return p.object("chains", id) }
func (p paths) rule(id topology.ID) string       { return p.object("rules", id) }
func (p paths) portGroup(id topology.ID) string  { return p.object("port_groups", id) }
func (p paths) addrGroup(id topology.ID) string  { return p.object("ip_addr_groups", id) }
func (p paths) host(id topology.ID) string       { return p.object("hosts", id) }
func (p paths) tunnelZone(id topology.ID) string { return p.object("tunnel_zones", id) }
func (p paths) trace(id topology.ID) string      { return p.object("traces", id) }

// blocks is the node that says that a bridge, router or port has an id. Agents keep NAT
// blocks below it.
func (p paths) blocks(id topology.ID) string { return p.object("filters", id) }

// device is the node of a bridge, router or port.
func (p paths) device(k topology.Kind, id topology.ID) string {
	switch k {
	case topology.KindBridge:
		return p.bridge(id)
	case topology.KindRouter:
		return p.router(id)
	default:
		return p.port(id)
	}
}

// rules is the list of a chain's rules.
func (p paths) rules(chain topology.ID) string { return p.chain(chain) + "/rules" }

// refs are the devices that have a chain as a filter.
func (p paths) refs(chain topology.ID) string { return p.chain(chain) + "/refs" }

func (p paths) ref(chain topology.ID, k topology.Kind, id topology.ID) string {
	return p.refs(chain) + "/" + string(k) + ":" + id.String()
}

// devicePorts are the exterior and unplugged ports of a device.
func (p paths) devicePorts(t topology.PortType, device topology.ID) string {
	if t == topology.RouterPort {
		return p.router(device) + "/ports"
	}
	return p.bridge(device) + "/ports"
}

// logicalPorts are the interior ports of a bridge.
func (p paths) logicalPorts(bridge topology.ID) string { return p.bridge(bridge) + "/logical-ports" }

// ofDevice is the node of a port among those of its device.
func (p paths) ofDevice(port *topology.Port) string {
	at := p.devicePorts(port.Type, port.Device)
	if port.Type == topology.BridgePort && port.Interior() {
		at = p.logicalPorts(port.Device)
	}
	return at + "/" + port.ID.String()
}

// traces are the trace requests for a device.
func (p paths) traces(k topology.Kind, device topology.ID) string {
	return p.device(k, device) + "/traces"
}

func (p paths) portRoutes(port topology.ID) string { return p.port(port) + "/routes" }

func (p paths) groupsOf(port topology.ID) string { return p.port(port) + "/port_groups" }

func (p paths) routerRoutes(router topology.ID) string { return p.router(router) + "/routes" }

func (p paths) groupPorts(group topology.ID) string { return p.portGroup(group) + "/ports" }

func (p paths) groupAddrs(group topology.ID) string { return p.addrGroup(group) + "/addrs" }

func (p paths) groupAddr(group topology.ID, a netip.Addr) string {
	return p.groupAddrs(group) + "/" + a.String()
}

// bindings are the ports that are bound to a host.
func (p paths) bindings(host topology.ID) string { return p.host(host) + "/vrnMappings/ports" }

func (p paths) binding(host, port topology.ID) string {
	return p.bindings(host) + "/" + port.String()
}

func (p paths) interfaces(host topology.ID) string { return p.host(host) + "/interfaces" }

func (p paths) hostZones(host topology.ID) string { return p.host(host) + "/tunnel_zones" }

func (p paths) memberships(zone topology.ID) string { return p.tunnelZone(zone) + "/memberships" }

func (p paths) membership(zone, host topology.ID) string {
	return p.memberships(zone) + "/" + host.String()
}

func (p paths) tunnelKey(key uint32) string { return fmt.Sprintf("%s/%010d", p.top("gre"), key) }
