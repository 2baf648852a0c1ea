// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/kernel/epoll"
	"github.com/weir-io/weir/xmlsysd"
)

const (
	maxDials    = 256             // at a time
	dialTimeout = 3 * time.Second // of finding the address, and of connecting
)

// enqueue puts a host in line to be dialled.
func (c *Cluster) enqueue(h *Host) {
	if h.queued || h.link != nil || h.gone {
		return
	}
	h.queued = true
	c.queue = append(c.queue, h)
	c.dialNext()
}

// dialed notes that an attempt is over.
func (c *Cluster) dialed() {
	c.dialing--
	c.dialNext()
}

// dialNext dials as many of those in line as may be at once.
func (c *Cluster) dialNext() {
	for c.dialing < maxDials && len(c.queue) > 0 {
		h := c.queue[0]
		c.queue = c.queue[1:]
		h.queued = false
		if h.gone || h.link != nil {
			continue
		}
		c.dialing++
		c.dial(h)
	}
}

// dial begins to connect. A host by TLS has a goroutine; a name is resolved by one.
func (c *Cluster) dial(h *Host) {
	l := &link{c: c, h: h, fd: -1}
	h.link = l
	h.deadline = time.Now().Add(dialTimeout)
	switch {
	case h.Problem != "":
		l.later(func() { c.fail(h, Down, h.Problem) })
	case h.TLS:
		l.dialSecure()
	case strings.Contains(h.Address, "/"):
		l.connect(&unix.SockaddrUnix{Name: h.Address}, unix.AF_UNIX)
	default:
		l.lookUp()
	}
}

// lookUp finds the address of a host and connects to it.
func (l *link) lookUp() {
	host, port, err := net.SplitHostPort(l.h.Address)
	if err != nil {
		host, port = strings.Trim(l.h.Address, "[]"), strconv.Itoa(xmlsysd.Port)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		l.later(func() { l.c.fail(l.h, Down, "no port: "+port) })
		return
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		l.connectTo(addr, int(number))
		return
	}
	c := l.c
	c.resolved.Go(func() { // ends with the resolver's time or the cluster's
		ctx, cancel := context.WithTimeout(c.ctx, dialTimeout)
		defer cancel()
		addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		l.later(func() {
			switch {
			case err != nil:
				c.fail(l.h, Down, reasonOf(err))
			case len(addrs) == 0:
				c.fail(l.h, Down, "has no address")
			default:
				l.connectTo(first(addrs), int(number))
			}
		})
	})
}

// first prefers IPv4, which is what hosts of a cluster know each other by.
func first(addrs []netip.Addr) netip.Addr {
	for _, a := range addrs {
		if a.Unmap().Is4() {
			return a
		}
	}
	return addrs[0]
}

// later runs fn on the loop, unless the attempt is over by then.
func (l *link) later(fn func()) {
	l.c.post(func() {
		if l.h.link == l {
			fn()
		}
	})
}

func (l *link) connectTo(addr netip.Addr, port int) {
	if addr = addr.Unmap(); addr.Is4() {
		l.connect(&unix.SockaddrInet4{Port: port, Addr: addr.As4()}, unix.AF_INET)
		return
	}
	l.connect(&unix.SockaddrInet6{Port: port, Addr: addr.As16(), ZoneId: zone(addr.Zone())}, unix.AF_INET6)
}

// zone returns the number of an interface that an address names.
func zone(name string) uint32 {
	if n, err := strconv.ParseUint(name, 10, 32); err == nil {
		return uint32(n)
	}
	if i, err := net.InterfaceByName(name); err == nil && name != "" {
		return uint32(i.Index)
	}
	return 0
}

// connect begins to connect without waiting. What fails at once fails as late as
// the rest, so that whoever dials need not expect it.
func (l *link) connect(to unix.Sockaddr, family int) {
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		l.later(func() { l.c.fail(l.h, Down, err.Error()) })
		return
	}
	l.fd = fd
	if family != unix.AF_UNIX {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) // a hint
	}
	err = unix.Connect(fd, to)
	if err == nil || err == unix.EINPROGRESS {
		err = l.c.loop.Add(fd, l, epoll.Readable|epoll.Writable)
	}
	if err != nil {
		l.later(func() { l.c.fail(l.h, Down, err.Error()) })
	}
}

// reasonOf makes an error of the resolver short.
func reasonOf(err error) string {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns.Err
	}
	return err.Error()
}
