// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"net"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/hoststat"
	"github.com/weir-io/weir/internal/peer"
)

func TestAccess(t *testing.T) {
	tests := []struct {
		list    string
		allowed []string
		not     []string
	}{
		{"", []string{"127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"}, []string{"10.0.0.1", "fe80::1", "0.0.0.0"}},
		{"any", []string{"10.0.0.1", "::1", "2001:db8::1"}, nil},
		{"10.0.0.0/8, 2001:db8::/32", []string{"10.255.0.1", "::ffff:10.0.0.1", "2001:db8::7"}, []string{"11.0.0.1", "127.0.0.1", "2001:db9::1"}},
		{"10.1.2.3", []string{"10.1.2.3"}, []string{"10.1.2.4"}},
		{"10.1.2.3/8", []string{"10.9.9.9"}, nil},
		{"fe80::/10", []string{"fe80::1%eth0"}, []string{"10.1.2.3"}},
	}
	for _, tt := range tests {
		var a Access
		if tt.list != "" {
			var err error
			if a, err = ParseAccess(tt.list); err != nil {
				t.Errorf("ParseAccess(%q) = %v", tt.list, err)
			}
		}
		for want, peers := range map[bool][]string{true: tt.allowed, false: tt.not} {
			for _, p := range peers {
				at, err := net.ResolveTCPAddr("tcp", net.JoinHostPort(p, "1"))
				if err != nil {
					t.Fatal(err)
				}
				if got := a.Allows(at); got != want {
					t.Errorf("%q allows %s: %v, want %v", tt.list, p, got, want)
				}
			}
		}
	}
	for _, bad := range []string{"", ",", "10.0.0.0/33", "all", "10.0.0", "any,nonsense"} {
		if _, err := ParseAccess(bad); err == nil {
			t.Errorf("ParseAccess(%q) takes it", bad)
		}
	}
	if !(Access{}).Allows(&net.UnixAddr{Name: "x"}) {
		t.Error("a Unix socket's peer is not let in")
	}
}

// outside makes a network of this test's thread with an address that is not
// loopback, and returns that.
func outside(t *testing.T) string {
	t.Helper()
	peer.Root(t, "to make a network namespace")
	runtime.LockOSThread() // for good: the thread ends with the test
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		peer.Lack(t, "a network namespace: %v", err)
	}
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(s)
	up, err := unix.NewIfreq("lo")
	if err == nil {
		up.SetUint16(unix.IFF_UP | unix.IFF_RUNNING | unix.IFF_LOOPBACK)
		err = unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, up)
	}
	if err != nil {
		t.Fatal(err)
	}
	address, err := unix.NewIfreq("lo:1")
	if err == nil {
		if err = address.SetInet4Addr([]byte{10, 77, 0, 1}); err == nil {
			err = unix.IoctlIfreq(s, unix.SIOCSIFADDR, address)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return "10.77.0.1"
}

func TestAccessFromOutside(t *testing.T) {
	address := outside(t)
	for _, tt := range []struct {
		allow string
		let   bool
	}{{"127.0.0.0/8", false}, {"10.77.0.0/16", true}, {"any", true}} {
		access, err := ParseAccess(tt.allow)
		if err != nil {
			t.Fatal(err)
		}
		listeners, err := Listen(t.Context(), access, 0, address)
		if err != nil {
			t.Fatal(err)
		}
		h := startOn(t, Options{Access: access, Engine: newEngine(t, hoststat.Options{})}, listeners[0])
		c := h.dial(t)
		if tt.let {
			if body := c.ask("init\nsend\n"); !strings.Contains(body, "<xmlsysd init=\"1\">") {
				t.Errorf("allow %s: %s", tt.allow, body)
			}
		} else if got := c.gone(); got != "" || h.Refused.Access.Load() != 1 || h.engine.Traffic.Connections.Load() != 0 {
			t.Errorf("allow %s: got %q, %d refused, %d sessions", tt.allow, got, h.Refused.Access.Load(), h.engine.Traffic.Connections.Load())
		}
	}
}

func TestListen(t *testing.T) {
	open, err := Listen(t.Context(), Access{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(open)
	for _, l := range open {
		at := l.Addr().(*net.TCPAddr)
		if !at.IP.IsLoopback() || at.Port != open[0].Addr().(*net.TCPAddr).Port {
			t.Errorf("listens at %v", at)
		}
	}
	for _, tt := range []struct {
		address string
		allow   string
		reach   bool // refused for its reach
		bad     bool
	}{
		{address: "127.0.0.1:0"},
		{address: "localhost:0"},
		{address: "0.0.0.0:0", reach: true},
		{address: ":0", reach: true},
		{address: "[::]:0", reach: true},
		{address: ":0", allow: "10.0.0.0/8"},
		{address: "127.0.0.1:none", bad: true},
		{address: "127.0.0.1:70000", bad: true},
	} {
		var a Access
		if tt.allow != "" {
			if a, err = ParseAccess(tt.allow); err != nil {
				t.Fatal(err)
			}
		}
		all, err := Listen(t.Context(), a, 0, tt.address)
		closeAll(all)
		_, reach := errors.AsType[*ReachError](err)
		_, bad := errors.AsType[*AddressError](err)
		if reach != tt.reach || bad != tt.bad || (err != nil) != (reach || bad) {
			t.Errorf("Listen(%q) = %v", tt.address, err)
		}
	}
	taken := open[0].Addr().(*net.TCPAddr).Port
	if all, err := Listen(t.Context(), Access{}, taken); err == nil {
		closeAll(all)
		t.Error("a taken port is taken again")
	}
}
