// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hosts

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	loopback = netip.MustParseAddr("127.0.0.1")
	ten7     = netip.MustParseAddr("10.0.0.7")
	ten8     = netip.MustParseAddr("::ffff:10.0.0.8")
	stranger = netip.MustParseAddr("192.0.2.1")
)

// registry returns one with a clock that is set by hand.
func registry(t *testing.T, o Options) (*Registry, *time.Time) {
	t.Helper()
	now := time.Unix(1000, 0)
	networks, err := ParseNetworks([]string{"10.0.0.0/8"})
	if err != nil {
		t.Fatal(err)
	}
	o.Allow, o.Now, o.Log = networks, func() time.Time { return now }, slog.New(slog.DiscardHandler)
	return New(o), &now
}

func TestPlace(t *testing.T) {
	networks, err := ParseNetworks([]string{"10.0.0.0/8", "2001:db8::/32"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		given string
		peer  netip.Addr
		want  string // an address, a problem, or ! for a refusal
	}{
		{"", ten7, "it does not answer monitors"},
		{":7887", ten7, "10.0.0.7:7887"},
		{":7887", ten8, "10.0.0.8:7887"},
		{"0.0.0.0:1", ten7, "10.0.0.7:1"},
		{"[::]:1", netip.MustParseAddr("2001:db8::5"), "[2001:db8::5]:1"},
		{"10.0.0.7:7887", ten7, "10.0.0.7:7887"},
		{"10.9.9.9:7887", ten7, "10.9.9.9:7887"},
		{"127.0.0.1:7887", ten7, "it answers monitors on its own loopback only"},
		{"127.0.0.1:7887", loopback, "127.0.0.1:7887"},
		{"node7.example:7887", loopback, "node7.example:7887"},
		{"192.0.2.9:7887", loopback, "192.0.2.9:7887"},
		{"192.0.2.9:7887", ten7, "!"},
		{"node7.example:7887", ten7, "!"},
		{"10.0.0.7", ten7, "!"},
		{":0", ten7, "!"},
		{":70000", ten7, "!"},
		{":x", ten7, "!"},
	} {
		address, problem, err := networks.place(tt.given, tt.peer)
		got := address + problem
		if err != nil {
			got = "!"
			if !errors.Is(err, ErrAddress) {
				t.Errorf("%q: %v", tt.given, err)
			}
		}
		if got != tt.want {
			t.Errorf("%q from %v: %q, want %q", tt.given, tt.peer, got, tt.want)
		}
	}
}

func TestNetworks(t *testing.T) {
	var none Networks
	anyone, err := ParseNetworks([]string{"any"})
	if err != nil {
		t.Fatal(err)
	}
	one, err := ParseNetworks([]string{"::ffff:10.0.0.8"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		n    Networks
		ip   netip.Addr
		want bool
	}{
		{none, loopback, true},
		{none, netip.MustParseAddr("::1"), true},
		{none, ten7, false},
		{none, netip.Addr{}, false},
		{anyone, stranger, true},
		{anyone, netip.Addr{}, false},
		{one, ten8, true},
		{one, ten7, false},
	} {
		if got := tt.n.Contain(tt.ip); got != tt.want {
			t.Errorf("%v contains %v: %v", tt.n, tt.ip, got)
		}
	}
	for _, bad := range []string{"", "10.0.0.0/33", "everyone"} {
		if _, err := ParseNetworks([]string{bad}); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// A host registers, renews, is lost, comes back, is lost for long and forgotten.
func TestLife(t *testing.T) {
	changes := 0
	r, now := registry(t, Options{Changed: func() { changes++ }})
	reg := Registration{Name: "n7", Address: ":7887", Version: "1", Peer: ten7}
	h, err := r.Register(reg)
	if err != nil || h.Address != "10.0.0.7:7887" || h.State != Registered || h.Since != *now || changes != 1 {
		t.Fatalf("%+v, %v, %d changes", h, err, changes)
	}
	*now = now.Add(20 * time.Second)
	if h, err := r.Register(reg); err != nil || h.Since == *now || h.Seen != *now || changes != 1 {
		t.Errorf("renewed: %+v, %v, %d changes", h, err, changes)
	}
	*now = now.Add(31 * time.Second)
	if h, _ := r.Get("n7"); h.State != Lost {
		t.Errorf("silent: %+v", h)
	}
	reg.Address = ":7888"
	if h, err := r.Register(reg); err != nil || h.State != Registered || h.Address != "10.0.0.7:7888" || changes != 2 {
		t.Errorf("moved: %+v, %v, %d changes", h, err, changes)
	}
	*now = now.Add(DefaultForget)
	if r.Expire(); len(r.List()) != 1 {
		t.Error("forgotten too early")
	}
	*now = now.Add(DefaultLease + time.Second)
	if r.Expire(); len(r.List()) != 0 || changes != 3 {
		t.Errorf("not forgotten: %+v, %d changes", r.List(), changes)
	}
}

func TestRefusals(t *testing.T) {
	r, now := registry(t, Options{Max: 2})
	r.Configure(Registration{Name: "fixed", Address: "10.0.0.1:1"})
	register := func(name string, peer netip.Addr) error {
		_, err := r.Register(Registration{Name: name, Address: ":7887", Peer: peer})
		return err
	}
	if err := register("n7", ten7); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		what string
		err  error
		want error
	}{
		{"another's name", register("n7", ten8.Unmap()), ErrTaken},
		{"a stranger", register("s", stranger), ErrForeign},
		{"no name", register("", ten7), ErrName},
		{"a way out", register("..", ten7), ErrName},
		{"a blank", register("a b", ten7), ErrName},
		{"a long name", register(strings.Repeat("x", 254), ten7), ErrName},
		{"a foreign removal", r.Remove("n7", ten8), ErrForeign},
		{"nobody", r.Remove("none", loopback), ErrUnknown},
		{"a configured one", r.Remove("fixed", loopback), ErrFixed},
		{"a configured one, from outside", r.Remove("fixed", ten7), ErrForeign},
		{"a second", register("n8", ten8), nil},
		{"too many", register("n9", ten7), ErrFull},
		{"a renewal", register("n8", ten8), nil},
	} {
		if !errors.Is(tt.err, tt.want) || tt.want == nil && tt.err != nil {
			t.Errorf("%s: %v, want %v", tt.what, tt.err, tt.want)
		}
	}
	if n := r.Refused.Load(); n != 7 {
		t.Errorf("%d counted as refused", n)
	}
	*now = now.Add(time.Minute)
	if err := register("n7", ten8); err != nil {
		t.Errorf("the name of a lost host: %v", err)
	}
	if err := r.Remove("n7", ten8); err != nil {
		t.Error(err)
	}
	if err := register("n9", ten7); err != nil {
		t.Errorf("in the place of one that was removed: %v", err)
	}
}

// A configured host stays what it is, whatever its agent says.
func TestConfigured(t *testing.T) {
	r, now := registry(t, Options{})
	r.Configure(Registration{Name: "n7", Address: "node7:7887", Group: "rack1"})
	h, err := r.Register(Registration{Name: "n7", Address: ":1", Group: "other", Version: "2", Peer: ten7})
	if err != nil || h.Address != "node7:7887" || h.Group != "rack1" || h.Version != "2" || h.State != Configured {
		t.Errorf("%+v, %v", h, err)
	}
	*now = now.Add(24 * time.Hour)
	if r.Expire(); len(r.List()) != 1 {
		t.Error("forgotten")
	}
}

func TestListIsSorted(t *testing.T) {
	r, _ := registry(t, Options{})
	for i := range 50 {
		if _, err := r.Register(Registration{Name: fmt.Sprintf("n%02d", (i*7)%50), Peer: ten7}); err != nil {
			t.Fatal(err)
		}
	}
	for i, h := range r.List() {
		if want := fmt.Sprintf("n%02d", i); h.Name != want || h.Problem == "" {
			t.Errorf("%d: %+v", i, h)
		}
	}
}

// Hosts of the configuration that change come and go; those that stay, and those of
// agents, are not disturbed.
func TestConfigureAnew(t *testing.T) {
	r, now := registry(t, Options{})
	a, b := Registration{Name: "a", Address: "10.0.0.1:1"}, Registration{Name: "b", Address: "10.0.0.2:1"}
	r.Configure(a, b)
	if _, err := r.Register(Registration{Name: "c", Address: ":7887", Peer: ten7}); err != nil {
		t.Fatal(err)
	}
	began := *now
	*now = now.Add(time.Second)
	b.Group = "rack1"
	r.Configure(b, a)
	for name, since := range map[string]time.Time{"a": began, "b": *now, "c": began} {
		if h, ok := r.Get(name); !ok || !h.Since.Equal(since) || name == "b" && h.Group != "rack1" {
			t.Errorf("%s: %+v, want it since %v", name, h, since)
		}
	}
	r.Configure(b)
	if _, ok := r.Get("a"); ok || len(r.List()) != 2 {
		t.Errorf("hosts %+v", r.List())
	}
}
