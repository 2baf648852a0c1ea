// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/xmlsysd"
)

// timeReader tells the local time: "2:34:21 pm".
type timeReader struct {
	node xmlsysd.NodeID
	text []byte
}

func newTimeReader(e *Engine) reader { return &timeReader{node: e.model.Must("system/time")} }

func (t *timeReader) read(r *request) error {
	t.text = r.now.Local().AppendFormat(t.text[:0], "3:04:05 pm")
	r.tape.LeafAt(t.node, r.at, t.text)
	return nil
}

// versionReader tells the kernel's release: the element is named for /proc/version,
// but has this only.
type versionReader struct {
	node xmlsysd.NodeID
	name unix.Utsname
}

func newVersionReader(e *Engine) reader { return &versionReader{node: e.model.Must("proc/version")} }

func (v *versionReader) read(r *request) error {
	if err := unix.Uname(&v.name); err != nil {
		return err
	}
	r.tape.Leaf(v.node, cString(v.name.Release[:]))
	return nil
}

// cString returns what is before the first zero.
func cString(b []byte) []byte {
	for i, c := range b {
		if c == 0 {
			return b[:i]
		}
	}
	return b
}

// identityReader tells who the host is.
type identityReader struct {
	engine   *Engine
	identity xmlsysd.NodeID
	leaves   []xmlsysd.NodeID // hostname hostip
	name     unix.Utsname

	ip    []byte    // text
	at    time.Time // when the kernel was asked for it
	links *links    // of which moment
}

// addressAge is how old the host's address may be where changes are not seen: a
// route may change without an address.
const addressAge = 10 * time.Second

func newIdentityReader(e *Engine) reader {
	const at = "system/identity"
	return &identityReader{engine: e, identity: e.model.Must(at), leaves: nodesOf(e.model, at, "hostname", "hostip")}
}

func (i *identityReader) read(r *request) error {
	if err := unix.Uname(&i.name); err != nil {
		return err
	}
	if l := i.engine.links.now(); i.ip == nil || l != i.links || r.now.Sub(i.at) > addressAge {
		i.ip, i.at, i.links = hostAddress(l).AppendTo(i.ip[:0]), r.now, l
	}
	r.tape.Open(i.identity, xmlsysd.Stamp{})
	r.tape.Leaf(i.leaves[0], cString(i.name.Nodename[:]))
	r.tape.Leaf(i.leaves[1], i.ip)
	r.tape.Close()
	return nil
}

// hostAddress returns the address from which the host speaks to the world, else one
// that it has, else that of the loopback.
func hostAddress(l *links) netip.Addr {
	if a, ok := sourceAddress(); ok {
		return a
	}
	if a, ok := l.global(); ok {
		return a
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

// sourceAddress returns the IPv4 address that the kernel picks for the default
// route. Connecting a datagram socket sends nothing.
func sourceAddress() (netip.Addr, bool) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return netip.Addr{}, false
	}
	defer unix.Close(fd)
	documentation := unix.SockaddrInet4{Port: 9, Addr: [4]byte{198, 51, 100, 1}}
	if unix.Connect(fd, &documentation) != nil {
		return netip.Addr{}, false
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return netip.Addr{}, false
	}
	sa, ok := name.(*unix.SockaddrInet4)
	if !ok {
		return netip.Addr{}, false
	}
	a := netip.AddrFrom4(sa.Addr)
	return a, a.IsValid() && !a.IsUnspecified()
}
