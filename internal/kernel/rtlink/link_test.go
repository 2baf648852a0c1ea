// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package rtlink

import (
	"net"
	"os"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The standard library lists the same links and addresses.
func TestDumpLikeNet(t *testing.T) {
	links, err := Dump()
	if err != nil {
		t.Fatal(err)
	}
	others, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	byIndex := make(map[int]Link)
	for _, l := range links {
		byIndex[int(l.Index)] = l
	}
	for _, o := range others {
		l, ok := byIndex[o.Index]
		if !ok || l.Name != o.Name || int(l.MTU) != o.MTU || net.HardwareAddr(l.Hardware).String() != o.HardwareAddr.String() && o.HardwareAddr != nil {
			t.Errorf("%+v, want %+v", l, o)
		}
		if up := o.Flags&net.FlagUp != 0; l.Up != up {
			t.Errorf("%s is up: %v, want %v", l.Name, l.Up, up)
		}
		for file, got := range map[string]string{"broadcast": net.HardwareAddr(l.Broadcast).String(), "ifalias": l.Alias} {
			if want, err := os.ReadFile("/sys/class/net/" + o.Name + "/" + file); err == nil && got != strings.TrimSuffix(string(want), "\n") {
				t.Errorf("%s: %s %q, want %q", l.Name, file, got, want)
			}
		}
		addresses, err := o.Addrs()
		if err != nil {
			t.Fatal(err)
		}
		if len(addresses) != len(l.Addresses) {
			t.Errorf("%s: addresses %v, want %v", l.Name, l.Addresses, addresses)
			continue
		}
		for i, a := range addresses {
			ones, _ := a.(*net.IPNet).Mask.Size()
			if got := l.Addresses[i]; got.IP.String() != a.(*net.IPNet).IP.String() || got.Prefix != ones {
				t.Errorf("%s: address %v, want %v", l.Name, got, a)
			}
		}
	}
	if len(links) != len(others) {
		t.Errorf("%d links, want %d", len(links), len(others))
	}
}

func TestWatchEnds(t *testing.T) {
	w, err := NewWatch()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { // ends with Close
		for {
			if err := w.Wait(); err != nil {
				done <- err
				return
			}
		}
	}()
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Error("Wait goes on after Close")
	}
}

func TestLayoutOfStructs(t *testing.T) {
	if n := unsafe.Sizeof(ethtoolCmd{}); n != 44 {
		t.Errorf("ethtool_cmd has %d bytes, want 44", n)
	}
	if n := unsafe.Offsetof(ethtoolCmd{}.speed); n != 12 {
		t.Errorf("speed is at %d, want 12", n)
	}
	if n := unsafe.Offsetof(ethtoolCmd{}.duplex); n != 14 {
		t.Errorf("duplex is at %d, want 14", n)
	}
	if n := unsafe.Offsetof(ethtoolCmd{}.speedHigh); n != 28 {
		t.Errorf("speed_hi is at %d, want 28", n)
	}
	if n := unsafe.Offsetof(ifreqData{}.data); n != unix.IFNAMSIZ {
		t.Errorf("ifr_data is at %d, want %d", n, unix.IFNAMSIZ)
	}
}

func TestPortOfNothing(t *testing.T) {
	for _, name := range []string{"lo", "no-such-link", "a name that is too long"} {
		if p, ok := PortOf(name); ok {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

// The files of /sys say the same of ports that are up.
func TestPortLikeSysfs(t *testing.T) {
	links, err := Dump()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		duplex, err := os.ReadFile("/sys/class/net/" + l.Name + "/duplex")
		if p, ok := PortOf(l.Name); l.Up && (ok != (err == nil) || ok && p.Duplex != strings.TrimSpace(string(duplex))) {
			t.Errorf("%s: %+v (%v), want duplex %q (%v)", l.Name, p, ok, duplex, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(make([]byte, unix.SizeofIfInfomsg+8))
	f.Fuzz(func(_ *testing.T, b []byte) {
		_, _ = parseLink(b)
		_, _, _ = parseAddress(b)
	})
}
