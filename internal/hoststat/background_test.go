// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"context"
	"errors"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/weir-io/weir/internal/kernel/rtlink"
	"github.com/weir-io/weir/internal/wait"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Nobody waits for the name of an address; it is asked for once in ten minutes, and
// once in one if there is none.
func TestHostNames(t *testing.T) {
	e := files{}.engine(t)
	h := newHostNames(e)
	var asked atomic.Int32
	answer := make(chan struct{})
	h.lookup = func(_ context.Context, a netip.Addr) ([]string, error) {
		asked.Add(1)
		<-answer
		if a.As4()[3] == 1 {
			return []string{"golem.example.", "other."}, nil
		}
		return nil, errors.New("no name")
	}
	named, nameless := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	now := time.Now()
	for range 3 {
		if name := h.of(named, now); name != nil {
			t.Errorf("name %q before there is an answer", name)
		}
		h.of(nameless, now)
	}
	close(answer)
	wait.Until(t, "the name", func() bool { return string(h.of(named, now)) == "golem.example" })
	wait.Until(t, "no name", func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return !h.names[nameless].pending
	})
	if n := asked.Load(); n != 2 {
		t.Errorf("asked %d times, want 2", n)
	}
	now = time.Now().Add(noNameAge + time.Second)
	h.of(named, now)
	h.of(nameless, now)
	wait.Until(t, "the second question", func() bool { return asked.Load() == 3 })
	h.of(named, time.Now().Add(nameAge+time.Second))
	wait.Until(t, "the third question", func() bool { return asked.Load() == 4 })
	for i := range maxHosts {
		h.of(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), now)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := len(h.names); n > maxHosts {
		t.Errorf("%d names are kept, want at most %d", n, maxHosts)
	}
}

func TestLinks(t *testing.T) {
	link := func(name string, addresses ...rtlink.Address) rtlink.Link {
		return rtlink.Link{Name: name, Hardware: []byte{2, 0, 0x5e, 0x10, 0, 1}, OperState: "up", Addresses: addresses}
	}
	address := func(s string, secondary, global bool) rtlink.Address {
		return rtlink.Address{IP: netip.MustParseAddr(s), Prefix: 24, Secondary: secondary, Global: global}
	}
	lo := link("lo", address("127.0.0.1", false, false))
	six := link("eth0", address("fe80::1", false, false), address("2001:db8::1", false, true))
	four := link("eth1", address("192.0.2.9", true, true), address("192.0.2.1", false, true))
	l := newLinks([]rtlink.Link{lo, six, four})
	if got := string(l.byName["eth1"].mac); got != "02:00:5e:10:00:01" {
		t.Errorf("hardware address %s", got)
	}
	if got := l.byName["eth1"].primary; got.String() != "192.0.2.1" {
		t.Errorf("primary address %v", got)
	}
	for _, tt := range []struct {
		links *links
		want  string
	}{
		{l, "192.0.2.9"}, {newLinks([]rtlink.Link{lo, six}), "2001:db8::1"}, {newLinks([]rtlink.Link{lo}), "invalid IP"}, {noLinks, "invalid IP"},
	} {
		if got, _ := tt.links.global(); got.String() != tt.want {
			t.Errorf("global address %v, want %s", got, tt.want)
		}
	}
}

// The links of this host, from the kernel and as the section has them.
func TestLinksOfThisHost(t *testing.T) {
	e := newEngine(t, Options{MinInterval: -1})
	v := sectionOf(t, e, "proc/net/dev")
	want(t, v, "proc/net/dev/interface[0][lo][]", map[string]string{"/ip": "127.0.0.1", "/host": "localhost", "/addresses/address[0]/prefix": "8"})
	if _, ok := v["proc/net/dev/interface[0][lo][]/speed"]; ok {
		t.Error("the loopback has a speed")
	}
}

// The first question waits for what drivers say, but not for long, and no other does.
func TestFirstPorts(t *testing.T) {
	e, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	p := newPorts(e)
	begin := time.Now()
	p.of(begin)
	if took := time.Since(begin); p.current.Load() == nil && took < firstPorts {
		t.Errorf("no answers, after %v", took)
	}
	synctest.Test(t, func(t *testing.T) {
		hung := newPorts(small.engine(t))
		hung.turn = make(chan struct{}) // whoever asks the drivers does not return
		for _, want := range [...]time.Duration{firstPorts, 0} {
			begin := time.Now()
			if m := hung.of(begin); m != nil || time.Since(begin) != want {
				t.Errorf("%v, after %v, want none after %v", m, time.Since(begin), want)
			}
		}
	})
}
