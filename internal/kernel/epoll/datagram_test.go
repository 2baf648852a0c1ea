// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package epoll_test

import (
	"bytes"
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/kernel/epoll"
)

func TestRecvSegments(t *testing.T) {
	l, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.DialUDP("udp4", nil, l.LocalAddr().(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	raw, err := l.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	within := func(do func(fd int)) {
		t.Helper()
		if err := raw.Control(func(fd uintptr) { do(int(fd)) }); err != nil {
			t.Fatal(err)
		}
	}
	b := make([]byte, 64<<10)
	within(func(fd int) {
		if n, _, err := epoll.RecvSegments(fd, b); err != unix.EAGAIN {
			t.Errorf("empty socket: %d bytes, error %v, want %v", n, err, unix.EAGAIN)
		}
	})
	if _, err := c.Write([]byte("one")); err != nil {
		t.Fatal(err)
	}
	within(func(fd int) { // loopback delivers within the call that sends
		if n, segment, err := epoll.RecvSegments(fd, b); err != nil || n != 3 || segment != 3 {
			t.Errorf("one datagram: %d bytes in pieces of %d, error %v", n, segment, err)
		}
	})
	joined := true
	within(func(fd int) { joined = unix.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_GRO, 1) == nil })
	sender, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := sender.Control(func(fd uintptr) {
		joined = joined && unix.SetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT, 1000) == nil
	}); err != nil || !joined {
		t.Logf("this kernel joins no datagrams (%v)", err)
		return
	}
	sent := bytes.Repeat([]byte("0123456789"), 250)
	if _, err := c.Write(sent); err != nil {
		t.Fatal(err)
	}
	got := 0
	within(func(fd int) {
		for got < len(sent) {
			n, segment, err := epoll.RecvSegments(fd, b)
			if err != nil || !bytes.Equal(b[:n], sent[got:got+n]) || segment > 1000 {
				t.Fatalf("%d bytes in pieces of %d at %d, error %v", n, segment, got, err)
			}
			got += n
		}
	})
}
