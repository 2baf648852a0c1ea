// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/kernel/epoll"
	"github.com/weir-io/weir/lttng"
)

const (
	// maxStrays bounds the datagrams of no known source that are looked at in
	// one round.
	maxStrays = 64
	// udpReceiveBuffer is what the kernel keeps of a session's datagrams.
	udpReceiveBuffer = 4 << 20
)

// listenUDP opens the UDP port beside a TCP port.
func listenUDP(l net.Listener) (*net.UDPConn, error) {
	t, ok := l.(*net.TCPListener)
	if !ok {
		return nil, fmt.Errorf("%T is not a TCP listener", l)
	}
	raw, err := t.SyscallConn()
	if err != nil {
		return nil, err
	}
	network, address := "udp", t.Addr().(*net.TCPAddr)
	if address.IP.To4() != nil {
		network = "udp4"
	} else if e := raw.Control(func(fd uintptr) {
		var only int
		if only, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_V6ONLY); only != 0 {
			network = "udp6"
		}
	}); e != nil || err != nil {
		return nil, errors.Join(e, err)
	}
	lc := net.ListenConfig{Control: func(network, _ string, raw syscall.RawConn) error {
		var err error
		if e := raw.Control(func(fd uintptr) { err = prepareUDP(int(fd), network == "udp6") }); e != nil {
			return e
		}
		return err
	}}
	c, err := lc.ListenPacket(context.Background(), network, address.String())
	if err != nil {
		return nil, err
	}
	return c.(*net.UDPConn), nil
}

// prepareUDP lets the sockets of sessions have the port, too, and datagrams
// tell which address they were sent to.
func prepareUDP(fd int, six bool) error {
	// Not SO_REUSEADDR, by which any user's process could have the port.
	err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	if six {
		return errors.Join(err, unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1))
	}
	return errors.Join(err, unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_PKTINFO, 1))
}

// udpPort takes the datagrams whose source no session has yet. The first good
// one gives the session a socket of its own, connected to that source: from
// then on the kernel brings the session's datagrams to its worker, and keeps
// those of others, and what a flood of them costs in buffers, here. It runs on
// the first worker.
type udpPort struct {
	server *Server
	fd     int
	port   uint16
	oob    []byte
}

// newUDPPort opens the UDP port beside a port for data.
func newUDPPort(s *Server, l net.Listener) (*udpPort, error) {
	c, err := listenUDP(l)
	if err != nil {
		return nil, err
	}
	fd, err := epoll.TakeFD(c)
	if err != nil {
		return nil, err
	}
	p := &udpPort{server: s, fd: fd, port: uint16(c.LocalAddr().(*net.UDPAddr).Port), oob: make([]byte, 128)}
	if err := s.workers[0].loop.Add(fd, p, epoll.Readable); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return p, nil
}

// Ready looks at what waits.
func (p *udpPort) Ready(bool, bool) {
	buf := p.server.workers[0].buf
	for range maxStrays {
		n, oobn, _, from, err := unix.Recvmsg(p.fd, buf, p.oob, unix.MSG_DONTWAIT)
		switch err {
		case nil:
			p.stray(buf[:n], p.oob[:oobn], from)
		case unix.EAGAIN:
			return
		default: // what an earlier datagram has met on its way
		}
	}
}

// udpSource is what the port knows of a session that takes datagrams.
type udpSource struct {
	// Immutable.
	session *session
	worker  *worker
	peer    netip.Addr // of the control connection
	any     bool       // datagrams may come from another address

	bound netip.AddrPort // owned by the first worker; source of the newest socket
}

// stray looks at one datagram.
func (p *udpPort) stray(b, oob []byte, from unix.Sockaddr) {
	s := p.server
	token, ok := lttng.DatagramToken(b)
	src := s.udpSource(token)
	at := addrPort(from)
	if !ok || src == nil || at.Addr() != src.peer && !src.any {
		s.counters.DatagramsForeign.Add(1)
		return
	}
	if _, err := lttng.ParseDatagram(b); err != nil {
		s.counters.DatagramsBad.Add(1)
		return
	}
	if at == src.bound {
		return // it came before the session's socket was there
	}
	fd, err := p.socketFor(from, oob)
	if err != nil {
		s.log.Warn("datagrams not taken", "session", src.session.store.ID(), "peer", at, "err", err)
		return
	}
	src.bound = at
	if err := src.worker.loop.Post(func() { src.session.udpBound(fd) }); err != nil {
		unix.Close(fd) // the worker has stopped
	}
}

// socketFor makes a socket for datagrams from one source to the address that
// the one at hand was sent to.
func (p *udpPort) socketFor(from unix.Sockaddr, oob []byte) (fd int, err error) {
	local, err := p.destination(oob)
	if err != nil {
		return -1, err
	}
	family := unix.AF_INET
	if _, six := local.(*unix.SockaddrInet6); six {
		family = unix.AF_INET6
	}
	fd, err = unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	defer func() {
		if err != nil {
			unix.Close(fd)
		}
	}()
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		return -1, err
	}
	// Without these more is lost, and it takes more calls.
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, udpReceiveBuffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, udpReceiveBuffer)
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_GRO, 1)
	if err := unix.Bind(fd, local); err != nil {
		return -1, fmt.Errorf("bind: %w", err)
	}
	if err := unix.Connect(fd, from); err != nil {
		return -1, fmt.Errorf("connect: %w", err)
	}
	return fd, nil
}

var errNoDestination = errors.New("datagram does not tell its destination")

// destination returns the port's address as the datagram's sender sees it.
func (p *udpPort) destination(oob []byte) (unix.Sockaddr, error) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	for _, m := range messages {
		switch {
		case m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_PKTINFO && len(m.Data) >= unix.SizeofInet4Pktinfo:
			return &unix.SockaddrInet4{Port: int(p.port), Addr: [4]byte(m.Data[4:8])}, nil
		case m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_PKTINFO && len(m.Data) >= unix.SizeofInet6Pktinfo:
			a := &unix.SockaddrInet6{Port: int(p.port), Addr: [16]byte(m.Data[:16])}
			if netip.AddrFrom16(a.Addr).IsLinkLocalUnicast() {
				a.ZoneId = binary.NativeEndian.Uint32(m.Data[16:])
			}
			return a, nil
		}
	}
	return nil, errNoDestination
}

// addrPort is an address as connections have it.
func addrPort(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port))
	}
	return netip.AddrPort{}
}

func (p *udpPort) close() {
	p.server.workers[0].loop.Remove(p.fd)
	unix.Close(p.fd)
}

// udpSource returns the session of a token, or nil.
func (s *Server) udpSource(token uint64) *udpSource {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.udpSources[token]
}
