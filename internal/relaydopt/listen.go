// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaydopt

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/weir-io/weir/lttng"
)

// Default ports of the three listeners.
const (
	defaultControlPort = 5342
	defaultDataPort    = 5343
	defaultLivePort    = 5344
)

const (
	defaultControlURL = "tcp://0.0.0.0:5342"
	defaultDataURL    = "tcp://0.0.0.0:5343"
	defaultLiveURL    = "tcp://localhost:5344"
)

// Resolver finds the addresses of a name; network is "ip4" or "ip6", as in
// net.Resolver.LookupNetIP.
type Resolver func(ctx context.Context, network, host string) ([]netip.Addr, error)

// Listen is the address of one listener, its name resolved.
type Listen struct {
	// Addr has port 0 when the system shall choose.
	Addr netip.AddrPort
}

// URL returns the listener in the form of the command line, with the address
// in place of a name: "tcp4://127.0.0.1:5342", "tcp6://[::1]:5342". The IPv6
// wildcard comes as tcp://: it takes IPv4 connections too, as in lttng-relayd.
func (l Listen) URL() string {
	switch {
	case l.Addr.Addr().Is4():
		return "tcp4://" + l.Addr.String()
	case l.Addr.Addr().IsUnspecified():
		return "tcp://" + l.Addr.String()
	}
	return "tcp6://" + l.Addr.String()
}

// resolveListen reads the URL of a listener and finds its address. A missing
// port becomes defaultPort, or 0 when dynamic is set; port 0 is refused unless
// dynamic is set.
func resolveListen(ctx context.Context, look Resolver, text string, defaultPort uint16, dynamic bool) (Listen, error) {
	u, err := lttng.ParseListenURL(text)
	if err != nil {
		return Listen{}, err
	}
	if dynamic {
		defaultPort = 0
	}
	port := u.Port.Or(defaultPort)
	if port == 0 && !dynamic {
		return Listen{}, fmt.Errorf("URL %q: invalid port number 0 without --%s", text, optDynamicPorts)
	}
	addr, err := findAddress(ctx, look, u)
	if err != nil {
		return Listen{}, fmt.Errorf("URL %q: %w", text, err)
	}
	return Listen{netip.AddrPortFrom(addr, port)}, nil
}

func findAddress(ctx context.Context, look Resolver, u lttng.URL) (netip.Addr, error) {
	addr, err := netip.ParseAddr(u.Host)
	if err != nil {
		family := strings.TrimPrefix(u.Scheme.Network(), "tcp")
		return lookUpFirst(ctx, look, u.Host, family)
	}
	if addr.Zone() != "" {
		return netip.Addr{}, fmt.Errorf("address %s has a zone, which LTTng's URLs do not", addr)
	}
	return addr.Unmap(), nil
}

// lookUpFirst prefers IPv4 when the family is open, as lttng-relayd, whose
// plain tcp:// is IPv4 alone; family is "4", "6" or "". localhost works
// without a name service.
func lookUpFirst(ctx context.Context, look Resolver, host, family string) (netip.Addr, error) {
	var last error
	for _, network := range []string{"ip4", "ip6"} {
		if !strings.HasSuffix(network, family) {
			continue
		}
		addrs, err := look(ctx, network, host)
		if err == nil && len(addrs) > 0 {
			return addrs[0].Unmap(), nil
		}
		if err == nil {
			err = fmt.Errorf("no address")
		}
		last = err
	}
	if strings.EqualFold(host, "localhost") {
		if family == "6" {
			return netip.IPv6Loopback(), nil
		}
		return netip.AddrFrom4([4]byte{127, 0, 0, 1}), nil
	}
	return netip.Addr{}, fmt.Errorf("bad host name %q: %w", host, last)
}
