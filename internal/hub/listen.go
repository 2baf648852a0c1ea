// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"fmt"
	"net"

	"github.com/weir-io/weir/internal/config"
)

// listeners are the hub's open sockets.
type listeners struct {
	control, data, live, http, hop, hosts, admin []net.Listener
}

// listen opens what was not given.
func (h *Hub) listen(ctx context.Context) (*listeners, error) {
	l := new(listeners)
	for _, p := range []struct {
		name string
		urls []string
		to   *[]net.Listener
	}{
		{"control", h.cfg.Relay.ControlURL, &l.control},
		{"data", h.cfg.Relay.DataURL, &l.data},
		{"live", h.cfg.Relay.LiveURL, &l.live},
		{"http", addressURLs(h.cfg.HTTP.Listen), &l.http},
		{"hop", addressURLs(h.cfg.Hop.Listen), &l.hop},
		{"hosts", addressURLs(h.cfg.Hosts.Listen), &l.hosts},
	} {
		if given, ok := h.given[p.name]; ok {
			if given != nil {
				*p.to = append(*p.to, given)
			}
			continue
		}
		for _, url := range p.urls {
			one, err := listenURL(ctx, url)
			if err != nil {
				l.close()
				return nil, fmt.Errorf("%s port: %w", p.name, err)
			}
			*p.to = append(*p.to, one)
		}
	}
	for i, one := range l.hosts {
		secure, err := h.secureHosts(ctx, l, one)
		if err != nil {
			l.close()
			return nil, err
		}
		l.hosts[i] = secure
	}
	return l, nil
}

func addressURLs(address string) []string {
	if address == "" {
		return nil
	}
	return []string{"tcp://" + address}
}

func listenURL(ctx context.Context, url string) (net.Listener, error) {
	network, address, err := config.SplitURL(url)
	if err != nil {
		return nil, err
	}
	var lc net.ListenConfig
	return lc.Listen(ctx, network, address)
}

func (l *listeners) close() {
	for _, all := range [][]net.Listener{l.control, l.data, l.live, l.http, l.hop, l.hosts, l.admin} {
		for _, one := range all {
			one.Close()
		}
	}
}

func (l *listeners) addresses(output string) Addresses {
	of := func(all []net.Listener) []string {
		var names []string
		for _, one := range all {
			names = append(names, one.Addr().String())
		}
		return names
	}
	return Addresses{Control: of(l.control), Data: of(l.data), Live: of(l.live), HTTP: of(l.http), Hop: of(l.hop), Hosts: of(l.hosts), Output: output}
}
