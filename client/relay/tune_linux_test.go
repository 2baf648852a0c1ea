// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// The kernel is told to notice a dead peer, on both connections, also of a
// session that was adopted.
func TestKernelNoticesDeadPeers(t *testing.T) {
	s := newPeer().openTCP(t, Options{})
	check := func(s *Session) {
		t.Helper()
		for _, l := range []*link{s.control, s.data} {
			raw, err := l.conn.(*net.TCPConn).SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range []struct {
				name                string
				level, option, want int
			}{
				{"SO_KEEPALIVE", unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
				{"TCP_KEEPIDLE", unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 10},
				{"TCP_KEEPINTVL", unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 5},
				{"TCP_KEEPCNT", unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 3},
				{"TCP_USER_TIMEOUT", unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 20000},
				{"TCP_NODELAY", unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
			} {
				var got int
				var gotErr error
				if err := raw.Control(func(fd uintptr) { got, gotErr = unix.GetsockoptInt(int(fd), o.level, o.option) }); err != nil {
					t.Fatal(err)
				}
				if got != o.want || gotErr != nil {
					t.Errorf("%s: %s is %d (error %v), want %d", l.end, o.name, got, gotErr, o.want)
				}
			}
		}
	}
	check(s)
	h, err := s.Detach(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s, err = Adopt(h); err != nil {
		t.Fatal(err)
	}
	defer s.Abort()
	check(s)
}
