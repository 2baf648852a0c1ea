// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package rtlink

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Link is a network interface.
type Link struct {
	Index          uint32
	Name           string // any bytes but blanks, slashes, colons and the zero
	MTU            uint32
	OperState      string // as in /sys/class/net/NAME/operstate
	CarrierChanges uint32
	CarrierUp      uint32 // changes of CarrierChanges to a carrier, and from one
	CarrierDown    uint32
	Up             bool   // switched on by the administrator, whatever the state
	Carrier        bool   // of use where it is up
	Dormant        bool   // likewise
	Flags          uint32 // as in /sys/class/net/NAME/flags
	Lower          uint32 // index of the link below, else its own
	Mode           uint8  // of the operational state
	Group          uint32
	Type           uint16 // of the hardware, ARPHRD_…
	QueueLength    uint32
	Hardware       []byte // address, empty for links without
	Broadcast      []byte // its counterpart for all stations
	Alias          string // what the administrator calls it
	Addresses      []Address
}

// Address is an address of a link.
type Address struct {
	IP        netip.Addr
	Prefix    int
	Secondary bool
	Global    bool // of use beyond the link
}

// operStates are the names of the states in RFC 2863, by their numbers.
var operStates = [...]string{"unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up"}

// errInterrupted says that the interfaces changed while they were listed.
var errInterrupted = errors.New("dump was interrupted")

// Dump returns the links of this process's network name space in the order of the
// kernel, with their addresses.
func Dump() ([]Link, error) {
	c, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
	if err != nil {
		return nil, fmt.Errorf("routing socket: %w", err)
	}
	defer c.Close()
	var list []Link
	for range 4 {
		if list, err = dump(c); !errors.Is(err, errInterrupted) {
			break
		}
	}
	return list, err
}

func dump(c *netlink.Conn) ([]Link, error) {
	links, err := request(c, unix.RTM_GETLINK, make([]byte, unix.SizeofIfInfomsg))
	if err != nil {
		return nil, fmt.Errorf("dump of links: %w", err)
	}
	list := make([]Link, 0, len(links))
	at := make(map[uint32]int, len(links))
	for _, m := range links {
		l, err := parseLink(m.Data)
		if err != nil {
			return nil, err
		}
		at[l.Index] = len(list)
		list = append(list, l)
	}
	addresses, err := request(c, unix.RTM_GETADDR, make([]byte, unix.SizeofIfAddrmsg))
	if err != nil {
		return nil, fmt.Errorf("dump of addresses: %w", err)
	}
	for _, m := range addresses {
		index, a, err := parseAddress(m.Data)
		if err != nil {
			return nil, err
		}
		if i, ok := at[index]; ok && a.IP.IsValid() {
			list[i].Addresses = append(list[i].Addresses, a)
		}
	}
	return list, nil
}

func request(c *netlink.Conn, kind netlink.HeaderType, body []byte) ([]netlink.Message, error) {
	messages, err := c.Execute(netlink.Message{Header: netlink.Header{Type: kind, Flags: netlink.Request | netlink.Dump}, Data: body})
	for _, m := range messages {
		if m.Header.Flags&netlink.DumpInterrupted != 0 {
			return nil, errInterrupted
		}
	}
	return messages, err
}

// parseLink reads a message of RTM_NEWLINK: family, kind, index, flags and changed
// flags in 16 bytes, then attributes.
func parseLink(b []byte) (Link, error) {
	const typeAt, indexAt, flagsAt = 2, 4, 8
	if len(b) < unix.SizeofIfInfomsg {
		return Link{}, fmt.Errorf("link: %d bytes, want %d and attributes", len(b), unix.SizeofIfInfomsg)
	}
	l := Link{Index: binary.NativeEndian.Uint32(b[indexAt:]), OperState: operStates[0]}
	l.Lower, l.Type = l.Index, binary.NativeEndian.Uint16(b[typeAt:])
	l.takeFlags(binary.NativeEndian.Uint32(b[flagsAt:]))
	ad, err := netlink.NewAttributeDecoder(b[unix.SizeofIfInfomsg:])
	if err != nil {
		return Link{}, fmt.Errorf("link %d: %w", l.Index, err)
	}
	for ad.Next() {
		switch ad.Type() {
		case unix.IFLA_IFNAME:
			l.Name = ad.String()
		case unix.IFLA_MTU:
			l.MTU = ad.Uint32()
		case unix.IFLA_ADDRESS:
			l.Hardware = ad.Bytes()
		case unix.IFLA_BROADCAST:
			l.Broadcast = ad.Bytes()
		case unix.IFLA_IFALIAS:
			l.Alias = ad.String()
		case unix.IFLA_CARRIER_CHANGES:
			l.CarrierChanges = ad.Uint32()
		case unix.IFLA_CARRIER_UP_COUNT:
			l.CarrierUp = ad.Uint32()
		case unix.IFLA_CARRIER_DOWN_COUNT:
			l.CarrierDown = ad.Uint32()
		case unix.IFLA_CARRIER:
			l.Carrier = ad.Uint8() != 0
		case unix.IFLA_LINK:
			l.Lower = ad.Uint32()
		case unix.IFLA_LINKMODE:
			l.Mode = ad.Uint8()
		case unix.IFLA_GROUP:
			l.Group = ad.Uint32()
		case unix.IFLA_TXQLEN:
			l.QueueLength = ad.Uint32()
		case unix.IFLA_PROMISCUITY:
			if ad.Uint32() > 0 {
				l.Flags |= unix.IFF_PROMISC
			}
		case unix.IFLA_ALLMULTI:
			if ad.Uint32() > 0 {
				l.Flags |= unix.IFF_ALLMULTI
			}
		case unix.IFLA_OPERSTATE:
			if n := int(ad.Uint8()); n < len(operStates) {
				l.OperState = operStates[n]
			}
		}
	}
	if err := ad.Err(); err != nil {
		return Link{}, fmt.Errorf("link %d: %w", l.Index, err)
	}
	return l, nil
}

// takeFlags takes flags. What the kernel makes of the state is no part of those that a
// link has.
func (l *Link) takeFlags(flags uint32) {
	const ofState = unix.IFF_RUNNING | unix.IFF_LOWER_UP | unix.IFF_DORMANT
	l.Up, l.Dormant, l.Flags = flags&unix.IFF_UP != 0, flags&unix.IFF_DORMANT != 0, flags&^ofState
}

// parseAddress reads a message of RTM_NEWADDR: family, prefix, flags and scope of a
// byte each, index of 4, then attributes.
func parseAddress(b []byte) (index uint32, a Address, err error) {
	const prefixAt, flagsAt, scopeAt, indexAt = 1, 2, 3, 4
	if len(b) < unix.SizeofIfAddrmsg {
		return 0, a, fmt.Errorf("address: %d bytes, want %d and attributes", len(b), unix.SizeofIfAddrmsg)
	}
	a.Prefix = int(b[prefixAt])
	a.Secondary = b[flagsAt]&unix.IFA_F_SECONDARY != 0
	a.Global = b[scopeAt] == unix.RT_SCOPE_UNIVERSE
	index = binary.NativeEndian.Uint32(b[indexAt:])
	ad, err := netlink.NewAttributeDecoder(b[unix.SizeofIfAddrmsg:])
	if err != nil {
		return 0, a, fmt.Errorf("address of link %d: %w", index, err)
	}
	var peer, local []byte
	for ad.Next() {
		switch ad.Type() {
		case unix.IFA_ADDRESS: // of the other end, where there is one
			peer = ad.Bytes()
		case unix.IFA_LOCAL:
			local = ad.Bytes()
		}
	}
	if local == nil {
		local = peer
	}
	a.IP, _ = netip.AddrFromSlice(local)
	return index, a, ad.Err()
}
