// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tcpowner

import (
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
)

const heading = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"

// The lines are as a kernel on a little-endian host has printed them.
func TestFind(t *testing.T) {
	const table = heading +
		"   0: 0100007F:2483 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 27083 1 0 100 0 0 10 0\n" +
		"   1: 0100007F:C36A 0100007F:2483 06 00000000:00000000 03:00000A2A 00000000     0        0 0 3 0\n" +
		"   2: 0100007F:C36C 0100007F:2483 01 00000000:00000000 00:00000000 00000000  1000        0 31337 1 0 20 4 30 10 -1\n" +
		"   3: 00000000000000000000000001000000:C36E 00000000000000000000000001000000:2483 01 00000000:00000000 00:00000000 00000000  1001        0 31338 1 0 20 4 30 10 -1\n" +
		"   4: 0000000000000000FFFF00000100007F:C370 0000000000000000FFFF00000100007F:2483 01 00000000:00000000 00:00000000 00000000  1002        0 31339 1 0 20 4 30 10 -1\n"
	for _, tt := range []struct {
		local, remote string
		uid           uint32
		found         bool
	}{
		{"127.0.0.1:50028", "127.0.0.1:9347", 1000, true},
		{"[::ffff:127.0.0.1]:50028", "[::ffff:127.0.0.1]:9347", 1000, true},
		{"127.0.0.1:50026", "127.0.0.1:9347", 0, false}, // its process has closed it
		{"[::1]:50030", "[::1]:9347", 1001, true},
		{"127.0.0.1:50032", "127.0.0.1:9347", 1002, true},
		{"127.0.0.1:50028", "127.0.0.1:9348", 0, false},
		{"127.0.0.2:50028", "127.0.0.1:9347", 0, false},
	} {
		uid, found, err := Find(strings.NewReader(table), netip.MustParseAddrPort(tt.local), netip.MustParseAddrPort(tt.remote))
		if uid != tt.uid || found != tt.found || err != nil {
			t.Errorf("Find(%s, %s) = %d, %t, %v, want %d, %t", tt.local, tt.remote, uid, found, err, tt.uid, tt.found)
		}
	}
}

func TestFindRefuses(t *testing.T) {
	for _, tt := range []struct{ line, want string }{
		{"0: 0100007F:2483 00000000:0000", "line 2: 3 columns"},
		{"0: 0100007:2483 00000000:0000 0A 0 0 0 0 0 0 0", "address"},
		{"0: 0100007F:24830 00000000:0000 0A 0 0 0 0 0 0 0", "port"},
		{"0: 0100007F:2483 00000000 0A 0 0 0 0 0 0 0", "port"},
	} {
		_, _, err := Find(strings.NewReader(heading+tt.line+"\n"), netip.AddrPort{}, netip.AddrPort{})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Find of %q: error %v, want one about %s", tt.line, err, tt.want)
		}
	}
}

// A connection of this process is found while it is open, and not after.
func TestOwner(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ours, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	address := func(a net.Addr) netip.AddrPort { return a.(*net.TCPAddr).AddrPort() }
	ask := func() (uint32, bool) {
		uid, found, err := Owner(address(theirs.RemoteAddr()), address(theirs.LocalAddr()))
		if err != nil {
			t.Fatal(err)
		}
		return uid, found
	}
	if uid, found := ask(); !found || uid != uint32(os.Geteuid()) {
		t.Errorf("owner is %d, %t, want %d", uid, found, os.Geteuid())
	}
	ours.Close()
	if uid, found := ask(); found {
		t.Errorf("owner of a closed connection is %d, want none", uid)
	}
}

func FuzzFind(f *testing.F) {
	f.Add(heading + "   2: 0100007F:C36C 0100007F:2483 01 00000000:00000000 00:00000000 00000000  1000        0 31337 1 0\n")
	a := netip.MustParseAddrPort("127.0.0.1:50028")
	f.Fuzz(func(t *testing.T, table string) {
		if _, found, err := Find(strings.NewReader(table), a, a); found && err != nil {
			t.Errorf("found, and %v", err)
		}
	})
}
