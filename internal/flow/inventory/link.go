// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"context"
	"unicode"

	"github.com/weir-io/weir/internal/flow/topology"
)

// Link makes two unplugged ports peers.
func (v *Inventory) Link(ctx context.Context, port, peer topology.ID) error {
	return v.change(ctx, nil, func(t *tx) error {
		var a, b topology.Port
		if err := t.mustLoad(topology.KindPort, port, &a); err != nil {
			return err
		}
		if err := t.mustLoad(topology.KindPort, peer, &b); err != nil {
			return err
		}
		if err := t.checkLink(&a, &b); err != nil {
			return err
		}
		for _, p := range []struct {
			port *topology.Port
			peer topology.ID
		}{{&a, peer}, {&b, port}} {
			if err := t.setPeer(p.port, p.peer); err != nil {
				return err
			}
			if err := t.put(t.paths.port(p.port.ID), p.port); err != nil {
				return err
			}
		}
		return nil
	})
}

// mustLoad reads an object of the kinds that paths.object knows by their top, and gives
// an error if it is not there.
func (t *tx) mustLoad(k topology.Kind, id topology.ID, value any) error {
	path := map[topology.Kind]func(topology.ID) string{
		topology.KindPort: t.paths.port, topology.KindChain: t.paths.chain, topology.KindRouter: t.paths.router,
		topology.KindRule: t.paths.rule, topology.KindRoute: t.paths.route, topology.KindRequest: t.paths.trace,
		topology.KindPortGroup: t.paths.portGroup, topology.KindAddrGroup: t.paths.addrGroup,
		topology.KindHost: t.paths.host, topology.KindTunnelZone: t.paths.tunnelZone,
	}[k](id)
	ok, err := t.load(path, value)
	if err == nil && !ok {
		err = notFound(string(k), id)
	}
	return err
}

func (t *tx) checkLink(a, b *topology.Port) error {
	for _, p := range []*topology.Port{a, b} {
		switch {
		case p.Interior():
			return conflict("port", p.ID, "it is linked to another") // whose id may be another tenant's
		case p.Exterior():
			return conflict("port", p.ID, "it is bound to interface %q of host %v", p.Interface, p.Host)
		}
	}
	switch {
	case a.ID == b.ID:
		return invalid("port", a.ID, "peerId", "a port is not linked to itself")
	case a.Type == topology.BridgePort && b.Type == topology.BridgePort && (a.VLAN == 0) == (b.VLAN == 0):
		return invalid("port", a.ID, "peerId", "two bridges are linked by a port with a VLAN and one without, not VLAN %d and VLAN %d", a.VLAN, b.VLAN)
	}
	for _, p := range []*topology.Port{a, b} {
		if err := t.checkVLAN(p); err != nil {
			return err
		}
	}
	return nil
}

// checkVLAN returns an error if a bridge has an interior port of the same VLAN. Links
// of VLAN ports of a bridge come one after the other, so that this stays true.
func (t *tx) checkVLAN(p *topology.Port) error {
	if p.VLAN == 0 {
		return nil
	}
	at := t.paths.logicalPorts(p.Device)
	if err := t.touch(at); err != nil {
		return err
	}
	others, err := t.ids(at)
	if err != nil {
		return err
	}
	for _, id := range others {
		var other topology.Port
		if ok, err := t.load(t.paths.port(id), &other); err != nil {
			return err
		} else if ok && other.VLAN == p.VLAN {
			return conflict("port", p.ID, "VLAN %d of bridge %v is that of port %v", p.VLAN, p.Device, id)
		}
	}
	return nil
}

// Unlink makes a port and its peer unplugged. A port without a peer stays as it is.
func (v *Inventory) Unlink(ctx context.Context, port topology.ID) error {
	return v.change(ctx, nil, func(t *tx) error {
		var p topology.Port
		if err := t.mustLoad(topology.KindPort, port, &p); err != nil || !p.Interior() {
			return err
		}
		if err := t.unplug(&p); err != nil {
			return err
		}
		return t.put(t.paths.port(port), &p)
	})
}

// Binding is a port at an interface of a host.
type Binding struct {
	Host      topology.ID `json:"hostId"`
	Port      topology.ID `json:"portId"`
	Interface string      `json:"interfaceName"`
}

// bindingValue is the value of a binding's node.
type bindingValue struct {
	Interface string `json:"interfaceName"`
}

// maxInterfaceName is the length of the longest name that Linux gives an interface.
const maxInterfaceName = 15

// Bind binds an unplugged port to an interface of a host in a tunnel zone.
func (v *Inventory) Bind(ctx context.Context, b Binding) error {
	if !interfaceName(b.Interface) {
		return invalid("port", b.Port, "interfaceName", "got %q, want the name of an interface: 1 to %d characters without slashes and blanks", b.Interface, maxInterfaceName)
	}
	return v.change(ctx, []any{b.Host}, func(t *tx) error {
		var host topology.Host
		if err := t.mustLoad(topology.KindHost, b.Host, &host); err != nil {
			return err
		}
		var p topology.Port
		if err := t.mustLoad(topology.KindPort, b.Port, &p); err != nil {
			return err
		}
		if err := t.checkBinding(&p, b); err != nil {
			return err
		}
		p.Host, p.Interface = b.Host, b.Interface
		if err := t.put(t.paths.port(b.Port), &p); err != nil {
			return err
		}
		return t.create(t.paths.binding(b.Host, b.Port), bindingValue{b.Interface})
	})
}

func interfaceName(s string) bool {
	if s == "" || len(s) > maxInterfaceName || s == "." || s == ".." {
		return false
	}
	for _, r := range s {
		if r == '/' || unicode.IsSpace(r) || !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

func (t *tx) checkBinding(p *topology.Port, b Binding) error {
	switch {
	case p.Exterior():
		return conflict("port", p.ID, "it is bound to interface %q of host %v", p.Interface, p.Host)
	case p.Interior():
		return conflict("port", p.ID, "it is linked to another") // whose id may be another tenant's
	case p.VLAN != 0:
		return conflict("port", p.ID, "it is for VLAN %d, which ports with a peer are alone", p.VLAN)
	}
	zones, err := t.children(t.paths.hostZones(b.Host))
	if err != nil {
		return err
	}
	if len(zones) == 0 {
		return conflict("host", b.Host, "it is in no tunnel zone")
	}
	at := t.paths.bindings(b.Host)
	if err := t.touch(at); err != nil { // bindings of a host come one after the other
		return err
	}
	others, err := t.children(at)
	if err != nil {
		return err
	}
	for _, other := range others {
		var used bindingValue
		if ok, err := t.load(at+"/"+other, &used); err != nil {
			return err
		} else if ok && used.Interface == b.Interface {
			return conflict("host", b.Host, "port %s is bound to interface %q", other, b.Interface)
		}
	}
	return nil
}

// Unbind takes a port off its interface.
func (v *Inventory) Unbind(ctx context.Context, host, port topology.ID) error {
	return v.change(ctx, []any{host}, func(t *tx) error {
		var p topology.Port
		if err := t.mustLoad(topology.KindPort, port, &p); err != nil {
			return err
		}
		if !p.Exterior() || p.Host != host {
			return notFound("binding of port", port)
		}
		if err := t.unplug(&p); err != nil {
			return err
		}
		return t.put(t.paths.port(port), &p)
	})
}

// Bindings returns the ports that are bound to a host.
func (v *Inventory) Bindings(ctx context.Context, host topology.ID) ([]Binding, error) {
	ports, err := list[topology.Port](ctx, v, topology.KindPort, v.paths.bindings(host), v.paths.port)
	if err != nil {
		return nil, err
	}
	var bindings []Binding
	for _, p := range ports {
		if p.Host == host {
			bindings = append(bindings, Binding{host, p.ID, p.Interface})
		}
	}
	return bindings, nil
}
