// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/weir-io/weir/internal/flow/inventory"
	"github.com/weir-io/weir/internal/flow/packet"
	"github.com/weir-io/weir/internal/flow/topology"
)

const (
	macPortMedia = "MacPort-v2"
	ip4MACMedia  = "IP4Mac-v1"
	macTablePath = "mac_table"
	arpTablePath = "arp_table"
)

// stationRoutes are for what bridges know of stations: what agents have learned, and
// what users say. An entry's name is its key and value, as MidoNet has them, MAC
// addresses with hyphens.
func stationRoutes() []route {
	return tagged("ports",
		listing("/bridges/{id}/mac_table", macPortMedia, "list-mac-table", "List the stations that a bridge has learned", listMACTable),
		creation("/bridges/{id}/mac_table", macPortMedia, "add-mac", "Say behind which port a station is, for good", addMAC),
		reading("/bridges/{id}/mac_table/{entry}", macPortMedia, "get-mac", "Behind which port a station is", getMAC),
		removal("/bridges/{id}/mac_table/{entry}", "remove-mac", "Forget that a station is behind a port; `MAC_PORT`, with hyphens in the MAC", removeMAC),
		listing("/bridges/{id}/arp_table", ip4MACMedia, "list-arp-table", "List the addresses that a bridge answers for", listARPTable),
		creation("/bridges/{id}/arp_table", ip4MACMedia, "add-arp", "Say which station has an address, for good", addARP),
		reading("/bridges/{id}/arp_table/{entry}", ip4MACMedia, "get-arp", "Which station has an address", getARP),
		removal("/bridges/{id}/arp_table/{entry}", "remove-arp", "Forget which station has an address; `IP_MAC`, with hyphens in the MAC", removeARP),
	)
}

// macPort is where a bridge has learned a station.
type macPort struct {
	VLAN uint16      `json:"vlanId"`
	MAC  packet.MAC  `json:"macAddr"`
	Port topology.ID `json:"portId"`
}

func hyphens(m packet.MAC) string { return strings.ReplaceAll(m.String(), ":", "-") }

func macURI(q *request, bridge topology.ID, e inventory.MACEntry) string {
	return q.uri("bridges", bridge.String(), macTablePath, hyphens(e.MAC)+"_"+e.Port.String())
}

func arpURI(q *request, bridge topology.ID, e inventory.ARPEntry) string {
	return q.uri("bridges", bridge.String(), arpTablePath, e.Addr.String()+"_"+hyphens(e.MAC))
}

func representMAC(q *request, bridge topology.ID, e inventory.MACEntry) (json.RawMessage, error) {
	return represent(macPort{e.VLAN, e.MAC, e.Port},
		member{"uri", macURI(q, bridge, e)}, member{"bridgeId", bridge}, member{"port", q.uri("ports", e.Port.String())})
}

func representARP(q *request, bridge topology.ID, e inventory.ARPEntry) (json.RawMessage, error) {
	return represent(e, member{"uri", arpURI(q, bridge, e)}, member{"bridgeId", bridge})
}

// macEntries returns what a bridge knows of stations, of all its VLANs.
func (q *request) macEntries(bridge topology.ID) (entries []inventory.MACEntry, err error) {
	vlans, err := bridgeVLANs(q, bridge)
	if err != nil {
		return nil, err
	}
	for _, vlan := range vlans {
		more, err := q.inventory().MACTable(q.ctx(), bridge, vlan)
		if err != nil {
			return nil, err
		}
		entries = append(entries, more...)
	}
	return entries, nil
}

func listMACTable(q *request) error {
	b, err := bridgeKind.device(q)
	if err != nil {
		return err
	}
	entries, err := q.macEntries(b.ID)
	if err != nil {
		return err
	}
	return list(q, entries, all, func(e inventory.MACEntry) (json.RawMessage, error) { return representMAC(q, b.ID, e) })
}

// bridgeVLANs returns the VLANs of a bridge: none, and those of its ports.
func bridgeVLANs(q *request, bridge topology.ID) ([]uint16, error) {
	ports, err := q.inventory().DevicePorts(q.ctx(), bridge)
	if err != nil {
		return nil, err
	}
	vlans := []uint16{0}
	for _, p := range ports {
		vlans = append(vlans, p.VLAN)
	}
	slices.Sort(vlans)
	return slices.Compact(vlans), nil
}

func addMAC(q *request) error {
	b, err := bridgeKind.device(q)
	if err != nil {
		return err
	}
	raw, err := q.rawBody()
	if err != nil {
		return err
	}
	var e inventory.MACEntry
	if e.MAC, err = macMember(raw, "macAddr"); err != nil {
		return err
	}
	if e.Port, err = idMember(raw, "portId"); err != nil {
		return err
	}
	if e.VLAN, err = q.vlanMember(raw, b.ID); err != nil {
		return err
	}
	if _, err := q.port(e.Port); err != nil {
		return err
	}
	if err := q.inventory().AddMAC(q.ctx(), nil, b.ID, e); err != nil {
		return err
	}
	answer, err := representMAC(q, b.ID, e)
	if err != nil {
		return err
	}
	return q.created(macURI(q, b.ID, e), answer)
}

func macMember(raw json.RawMessage, name string) (packet.MAC, error) {
	s, err := textMember(raw, name)
	if err != nil {
		return packet.MAC{}, err
	}
	m, err := packet.ParseMAC(s)
	if err != nil {
		return m, violation(name, "%v", err)
	}
	return m, nil
}

// vlanMember returns the VLAN of an entry, which is one of the bridge; 0 for none.
func (q *request) vlanMember(raw json.RawMessage, bridge topology.ID) (uint16, error) {
	var body struct {
		VLAN json.RawMessage `json:"vlanId"`
	}
	var vlan uint16
	if err := json.Unmarshal(raw, &body); err != nil {
		return 0, violation("vlanId", "%v", err)
	}
	if body.VLAN == nil {
		return 0, nil
	}
	vlans, err := bridgeVLANs(q, bridge)
	if err != nil {
		return 0, err
	}
	if json.Unmarshal(body.VLAN, &vlan) != nil || !slices.Contains(vlans, vlan) {
		return 0, violation("vlanId", "got %.60s, want 0 or the VLAN of a port of the bridge", body.VLAN)
	}
	return vlan, nil
}

// pathMAC returns the entries of the path, which are of several VLANs at most.
func (q *request) pathMAC() (bridge topology.ID, named []inventory.MACEntry, err error) {
	b, err := bridgeKind.device(q)
	if err != nil {
		return bridge, nil, err
	}
	entries, err := q.macEntries(b.ID)
	if err != nil {
		return b.ID, nil, err
	}
	for _, e := range entries {
		if q.vars["entry"] == hyphens(e.MAC)+"_"+e.Port.String() {
			named = append(named, e)
		}
	}
	if named == nil {
		return b.ID, nil, faultf(http.StatusNotFound, "there is no %s", q.r.URL.Path)
	}
	return b.ID, named, nil
}

// getMAC answers with the entry of the lowest VLAN.
func getMAC(q *request) error {
	bridge, entries, err := q.pathMAC()
	if err != nil {
		return err
	}
	answer, err := representMAC(q, bridge, entries[0])
	if err != nil {
		return err
	}
	return q.answer(answer)
}

// removeMAC removes the entries of a station and port in all VLANs.
func removeMAC(q *request) error {
	bridge, entries, err := q.pathMAC()
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := q.inventory().RemoveMAC(q.ctx(), bridge, e); err != nil {
			return err
		}
	}
	return q.done()
}

func listARPTable(q *request) error {
	b, err := bridgeKind.device(q)
	if err != nil {
		return err
	}
	entries, err := q.inventory().ARPTable(q.ctx(), b.ID)
	if err != nil {
		return err
	}
	return list(q, entries, all, func(e inventory.ARPEntry) (json.RawMessage, error) { return representARP(q, b.ID, e) })
}

func addARP(q *request) error {
	b, err := bridgeKind.device(q)
	if err != nil {
		return err
	}
	raw, err := q.rawBody()
	if err != nil {
		return err
	}
	var e inventory.ARPEntry
	if e.Addr, err = addrMember(raw, "ip"); err != nil {
		return err
	}
	if e.MAC, err = macMember(raw, "mac"); err != nil {
		return err
	}
	if err := q.inventory().AddARP(q.ctx(), nil, b.ID, e); err != nil {
		return err
	}
	answer, err := representARP(q, b.ID, e)
	if err != nil {
		return err
	}
	return q.created(arpURI(q, b.ID, e), answer)
}

// pathARP returns the entry of the path.
func (q *request) pathARP() (bridge topology.ID, e inventory.ARPEntry, err error) {
	b, err := bridgeKind.device(q)
	if err != nil {
		return bridge, e, err
	}
	entries, err := q.inventory().ARPTable(q.ctx(), b.ID)
	if err != nil {
		return b.ID, e, err
	}
	for _, e := range entries {
		if q.vars["entry"] == e.Addr.String()+"_"+hyphens(e.MAC) {
			return b.ID, e, nil
		}
	}
	return b.ID, e, faultf(http.StatusNotFound, "there is no %s", q.r.URL.Path)
}

func getARP(q *request) error {
	bridge, e, err := q.pathARP()
	if err != nil {
		return err
	}
	answer, err := representARP(q, bridge, e)
	if err != nil {
		return err
	}
	return q.answer(answer)
}

func removeARP(q *request) error {
	bridge, e, err := q.pathARP()
	if err != nil {
		return err
	}
	if err := q.inventory().RemoveARP(q.ctx(), bridge, e); err != nil {
		return err
	}
	return q.done()
}
