// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"bytes"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/kernel/reread"
	"github.com/weir-io/weir/internal/kernel/rtlink"
	"github.com/weir-io/weir/xmlsysd"
)

// Details of proc/net/dev: what the cache of links has, and what a driver says.
const (
	needLinks need = 1 << iota
	needSpeed
	needClass // what hardly anyone wants
)

// netDevReader reads /proc/net/dev, with addresses from the cache of links.
type netDevReader struct {
	textReader
	engine *Engine
	names  *hostNames
	ports  *ports

	dev, iface, receive, transmit    xmlsysd.NodeID
	name, ip, host                   xmlsysd.NodeID
	rx, tx                           []xmlsysd.NodeID
	ifindex, mtu, speed, state       xmlsysd.NodeID
	changes, mac, addresses, address xmlsysd.NodeID
	broadcast, alias, duplex         xmlsysd.NodeID
	class                            []xmlsysd.NodeID // flags link link_mode group type queue_length carrier dormant carrier_up carrier_down
	addressIP, addressPrefix         xmlsysd.NodeID

	room       digitRoom
	ipText     []byte
	duplexText []byte
	node       unix.Utsname
}

func newNetDevReader(e *Engine) reader {
	const at = "proc/net/dev"
	m := e.model
	n := func(path string) xmlsysd.NodeID { return m.Must(at + "/interface/" + path) }
	d := &netDevReader{
		engine: e, names: newHostNames(e), ports: newPorts(e),
		dev: m.Must(at), iface: m.Must(at + "/interface"), receive: n("receive"), transmit: n("transmit"),
		name: n("name"), ip: n("ip"), host: n("host"),
		rx:      nodesOf(m, at+"/interface/receive", "bytes", "packets", "errs", "drop", "fifo", "frame", "compressed", "multicast"),
		tx:      nodesOf(m, at+"/interface/transmit", "bytes", "packets", "errs", "drop", "fifo", "collisions", "carrier", "compressed"),
		ifindex: n("ifindex"), mtu: n("mtu"), speed: n("speed"), state: n("operstate"), changes: n("carrier_changes"), mac: n("mac"),
		broadcast: n("broadcast"), alias: n("ifalias"), duplex: n("duplex"),
		class:     nodesOf(m, at+"/interface", classTags...),
		addresses: n("addresses"), address: n("addresses/address"), addressIP: n("addresses/address/ip"), addressPrefix: n("addresses/address/prefix"),
	}
	d.textReader = *newTextReader(e.prompt("net/dev", pageSize, reread.Lines), d.parseDev)
	return d
}

// parseDev reads, behind two lines of headings, lines "  eth0: 1 2 …" with sixteen
// numbers. There may be no blank behind the colon.
func (d *netDevReader) parseDev(r *request, text []byte) (bad error) {
	t := r.tape
	t.Open(d.dev, r.at)
	defer t.Close()
	links := d.engine.links.now()
	ordinal := uint64(0)
	for n := 0; len(text) > 0; n++ {
		var line []byte
		line, text = cutLine(text)
		if n < 2 || len(line) == 0 {
			continue
		}
		if !d.addInterface(r, links, ordinal, line) {
			if bad == nil {
				bad = unexpected("/proc/net/dev", line)
			}
			continue
		}
		ordinal++
	}
	return bad
}

func (d *netDevReader) addInterface(r *request, links *links, ordinal uint64, line []byte) bool {
	t := r.tape
	colon := bytes.LastIndexByte(line, ':') // an alias of Linux 2.4 has one in its name
	if colon < 0 {
		return false
	}
	name := trim(line[:colon])
	var counts [16]uint64
	if numbers(line[colon+1:], counts[:]) != len(counts) || len(name) == 0 {
		return false
	}
	kind, number := cutDigits(name)
	t.Open(d.iface, xmlsysd.Stamp{}, d.room.of(ordinal), kind, number)
	defer t.Close()
	t.Leaf(d.name, name)
	link := links.byName[string(name)]
	d.addAddress(r, link)
	t.Open(d.receive, xmlsysd.Stamp{})
	for i, n := range d.rx {
		t.Uint(n, counts[i])
	}
	t.Close()
	t.Open(d.transmit, xmlsysd.Stamp{})
	for i, n := range d.tx {
		t.Uint(n, counts[len(d.rx)+i])
	}
	t.Close()
	if link != nil && r.need&(needLinks|needSpeed|needClass) != 0 {
		d.addLink(r, link)
	}
	return true
}

// cutDigits takes the decimal digits at the end of a name off: kind and number of
// an interface, which together are its name.
func cutDigits(name []byte) (kind, number []byte) {
	i := len(name)
	for i > 0 && name[i-1] >= '0' && name[i-1] <= '9' {
		i--
	}
	return name[:i], name[i:]
}

var localhost = []byte("localhost")

// addAddress adds the primary address and its name. They are empty for interfaces
// without; while a name is not known it is that of the host.
func (d *netDevReader) addAddress(r *request, link *linkInfo) {
	var ip netip.Addr
	if link != nil {
		ip = link.primary
	}
	if !ip.IsValid() {
		r.tape.Leaf(d.ip, nil)
		r.tape.Leaf(d.host, nil)
		return
	}
	d.ipText = ip.AppendTo(d.ipText[:0])
	r.tape.Leaf(d.ip, d.ipText)
	name := localhost
	if !ip.IsLoopback() {
		name = d.names.of(ip, r.now)
	}
	if len(name) == 0 && unix.Uname(&d.node) == nil {
		name = cString(d.node.Nodename[:])
	}
	r.tape.Leaf(d.host, name)
}

// addLink adds what was not there in 2002.
func (d *netDevReader) addLink(r *request, link *linkInfo) {
	t := r.tape
	t.Uint(d.ifindex, uint64(link.Index))
	t.Uint(d.mtu, uint64(link.MTU))
	var port rtlink.Port
	if r.need&needSpeed != 0 {
		port = d.ports.of(r.now)[link.Name]
	}
	if port.Speed != 0 {
		t.Uint(d.speed, uint64(port.Speed))
	}
	t.Leaf(d.state, link.state)
	t.Uint(d.changes, uint64(link.CarrierChanges))
	t.Leaf(d.mac, link.mac)
	t.Leaf(d.broadcast, link.broadcast)
	t.Leaf(d.alias, link.alias)
	if port.Duplex != "" {
		d.duplexText = append(d.duplexText[:0], port.Duplex...)
		t.Leaf(d.duplex, d.duplexText)
	}
	if r.need&needClass != 0 {
		d.addClass(t, link)
	}
	t.Open(d.addresses, xmlsysd.Stamp{})
	for i, a := range link.Addresses {
		t.Open(d.address, xmlsysd.Stamp{}, d.room.of(uint64(i)))
		t.Leaf(d.addressIP, link.ips[i])
		t.Uint(d.addressPrefix, uint64(a.Prefix))
		t.Close()
	}
	t.Close()
}

// classTags are the leaves of what /sys/class/net has beyond the rest.
var classTags = []string{"flags", "link", "link_mode", "group", "type", "queue_length", "carrier", "dormant", "carrier_up", "carrier_down"}

// addClass adds it. A link that is down has no carrier to tell of.
func (d *netDevReader) addClass(t *xmlsysd.Tape, link *linkInfo) {
	for i, n := range [...]uint32{link.Flags, link.Lower, uint32(link.Mode), link.Group, uint32(link.Type), link.QueueLength} {
		t.Uint(d.class[i], uint64(n))
	}
	if link.Up {
		t.Uint(d.class[6], bit(link.Carrier))
		t.Uint(d.class[7], bit(link.Dormant))
	}
	t.Uint(d.class[8], uint64(link.CarrierUp))
	t.Uint(d.class[9], uint64(link.CarrierDown))
}
