// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package epoll

import (
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// An acceptor rests after an error and goes on once accepting works again.
func TestAcceptorGoesOn(t *testing.T) {
	loop, err := New()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accepted, failed := make(chan netip.Addr, 8), make(chan error, 100)
	a, err := NewAcceptor(loop, l, func(fd int, peer netip.Addr) {
		unix.Close(fd)
		accepted <- peer
	}, func(err error) { failed <- err })
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- loop.Run() }() // received below
	address := l.Addr().String()
	dial := func() {
		t.Helper()
		c, err := net.Dial("tcp4", address)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	}

	dial()
	if got, want := <-accepted, netip.MustParseAddr("127.0.0.1"); got != want {
		t.Errorf("accepted %v, want %v", got, want)
	}
	if err := unix.Shutdown(a.fd, unix.SHUT_RDWR); err != nil { // it listens no more
		t.Fatal(err)
	}
	if err := <-failed; err == nil {
		t.Error("failed without an error")
	}
	if err := unix.Listen(a.fd, 8); err != nil {
		t.Fatal(err)
	}
	sa, err := unix.Getsockname(a.fd) // the port may be another
	if err != nil {
		t.Fatal(err)
	}
	address = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(sa.(*unix.SockaddrInet4).Port)).String()
	dial()
	<-accepted

	loop.Stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	a.Close() // after the loop, whose own descriptors are closed
	if _, err := net.Dial("tcp4", address); err == nil {
		t.Error("it listens after Close")
	}
}

// What has no descriptor is refused, and closed.
func TestAcceptorRefusesOtherListeners(t *testing.T) {
	loop, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer loop.close()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	type plain struct{ net.Listener }
	if _, err := NewAcceptor(loop, plain{l}, nil, nil); err == nil {
		t.Error("NewAcceptor() = nil, want an error")
	}
	if _, err := l.Accept(); err == nil {
		t.Error("the listener is open")
	}
}
