// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"encoding/json"
	"net/http"
	"net/netip"

	"github.com/weir-io/weir/internal/flow/topology"
)

const (
	tunnelZoneMedia = "TunnelZone-v1"
	tunnelHostMedia = "TunnelZoneHost-v1"
	tunnelZonePath  = "tunnel_zones"
)

func tunnelZoneRoutes() []route {
	return onlyAdmin(tagged("hosts",
		listing("/tunnel_zones", tunnelZoneMedia, "list-tunnel-zones", "List tunnel zones", listTunnelZones),
		creation("/tunnel_zones", tunnelZoneMedia, "create-tunnel-zone", "Make a tunnel zone", createTunnelZone),
		reading("/tunnel_zones/{id}", tunnelZoneMedia, "get-tunnel-zone", "One tunnel zone", getTunnelZone),
		change("/tunnel_zones/{id}", tunnelZoneMedia, "update-tunnel-zone", "Change the name of a tunnel zone", updateTunnelZone),
		removal("/tunnel_zones/{id}", "delete-tunnel-zone", "Delete a tunnel zone", deleteTunnelZone),
		listing("/tunnel_zones/{id}/hosts", tunnelHostMedia, "list-tunnel-hosts", "List the hosts of a tunnel zone", listTunnelHosts),
		creation("/tunnel_zones/{id}/hosts", tunnelHostMedia, "add-tunnel-host", "Add a host to a tunnel zone", addTunnelHost),
		reading("/tunnel_zones/{id}/hosts/{host}", tunnelHostMedia, "get-tunnel-host", "One host of a tunnel zone", getTunnelHost),
		removal("/tunnel_zones/{id}/hosts/{host}", "remove-tunnel-host", "Remove a host from a tunnel zone", removeTunnelHost),
	))
}

func representTunnelZone(q *request, z topology.TunnelZone) (json.RawMessage, error) {
	id := z.ID.String()
	return represent(z,
		member{"uri", q.uri(tunnelZonePath, id)},
		member{"hosts", q.uri(tunnelZonePath, id, "hosts")})
}

func listTunnelZones(q *request) error {
	zones, err := q.inventory().TunnelZones(q.ctx())
	if err != nil {
		return err
	}
	return list(q, zones, all, func(z topology.TunnelZone) (json.RawMessage, error) { return representTunnelZone(q, z) })
}

func createTunnelZone(q *request) error {
	var z topology.TunnelZone
	if err := q.body(&z); err != nil {
		return err
	}
	z, err := q.inventory().CreateTunnelZone(q.ctx(), z)
	if err != nil {
		return err
	}
	return createdAs(q, q.uri(tunnelZonePath, z.ID.String()), z, representTunnelZone)
}

func (q *request) pathTunnelZone() (topology.TunnelZone, error) {
	id, err := q.id("id")
	if err != nil {
		return topology.TunnelZone{}, err
	}
	return q.inventory().TunnelZone(q.ctx(), id)
}

func getTunnelZone(q *request) error {
	z, err := q.pathTunnelZone()
	if err != nil {
		return err
	}
	answer, err := representTunnelZone(q, z)
	if err != nil {
		return err
	}
	return q.answer(answer)
}

func updateTunnelZone(q *request) error {
	old, err := q.pathTunnelZone()
	if err != nil {
		return err
	}
	var z topology.TunnelZone
	if err := q.body(&z); err != nil {
		return err
	}
	z.ID = old.ID
	if err := q.inventory().UpdateTunnelZone(q.ctx(), z); err != nil {
		return err
	}
	return q.done()
}

func deleteTunnelZone(q *request) error {
	z, err := q.pathTunnelZone()
	if err != nil {
		return err
	}
	if err := q.inventory().DeleteTunnelZone(q.ctx(), z.ID); err != nil {
		return err
	}
	return q.done()
}

// tunnelHost is a host in a tunnel zone.
type tunnelHost struct {
	Zone    topology.ID `json:"tunnelZoneId"`
	Host    topology.ID `json:"hostId"`
	Address netip.Addr  `json:"ipAddress"`
}

func representTunnelHost(q *request, t tunnelHost) (json.RawMessage, error) {
	zone, host := t.Zone.String(), t.Host.String()
	return represent(t,
		member{"uri", q.uri(tunnelZonePath, zone, "hosts", host)},
		member{"tunnelZone", q.uri(tunnelZonePath, zone)},
		member{"host", q.uri("hosts", host)})
}

func listTunnelHosts(q *request) error {
	z, err := q.pathTunnelZone()
	if err != nil {
		return err
	}
	hosts, err := q.inventory().TunnelHosts(q.ctx(), z.ID)
	if err != nil {
		return err
	}
	members := make([]tunnelHost, 0, len(hosts))
	for _, id := range sortedIDs(hosts) {
		members = append(members, tunnelHost{z.ID, id, hosts[id]})
	}
	return list(q, members, all, func(t tunnelHost) (json.RawMessage, error) { return representTunnelHost(q, t) })
}

func addTunnelHost(q *request) error {
	z, err := q.pathTunnelZone()
	if err != nil {
		return err
	}
	raw, err := q.rawBody()
	if err != nil {
		return err
	}
	t := tunnelHost{Zone: z.ID}
	if t.Host, err = idMember(raw, "hostId"); err != nil {
		return err
	}
	if t.Address, err = addrMember(raw, "ipAddress"); err != nil {
		return err
	}
	if err := q.inventory().AddTunnelHost(q.ctx(), t.Zone, t.Host, t.Address); err != nil {
		return err
	}
	uri := q.uri(tunnelZonePath, t.Zone.String(), "hosts", t.Host.String())
	return createdAs(q, uri, t, representTunnelHost)
}

func (q *request) pathTunnelHost() (t tunnelHost, err error) {
	z, err := q.pathTunnelZone()
	if err != nil {
		return t, err
	}
	host, err := q.id("host")
	if err != nil {
		return t, err
	}
	hosts, err := q.inventory().TunnelHosts(q.ctx(), z.ID)
	if err != nil {
		return t, err
	}
	a, ok := hosts[host]
	if !ok {
		return t, faultf(http.StatusNotFound, "host %v is not in tunnel zone %v", host, z.ID)
	}
	return tunnelHost{z.ID, host, a}, nil
}

func getTunnelHost(q *request) error {
	t, err := q.pathTunnelHost()
	if err != nil {
		return err
	}
	answer, err := representTunnelHost(q, t)
	if err != nil {
		return err
	}
	return q.answer(answer)
}

func removeTunnelHost(q *request) error {
	t, err := q.pathTunnelHost()
	if err != nil {
		return err
	}
	if err := q.inventory().RemoveTunnelHost(q.ctx(), t.Zone, t.Host); err != nil {
		return err
	}
	return q.done()
}
