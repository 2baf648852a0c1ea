// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/weir-io/weir/internal/hosts"
	"github.com/weir-io/weir/internal/hoststat/fleet"
	"github.com/weir-io/weir/internal/hoststat/poll"
	"github.com/weir-io/weir/internal/hoststat/roster"
	"github.com/weir-io/weir/internal/hoststat/server"
)

// UseOwnHost makes this host known, whose statistics a daemon of this process
// serves.
func (h *Hub) UseOwnHost(r hosts.Registration) { h.own = &r }

// HostMessages calls yield with the last message of each host that is up, as
// metrics want them.
func (h *Hub) HostMessages(yield func(host string, message []byte) bool) {
	if h.fleet != nil {
		h.fleet.Messages(yield)
	}
}

// newHosts makes the registry of hosts, and what asks them.
func (h *Hub) newHosts() error {
	c := &h.cfg.Hosts
	allow, err := hosts.ParseNetworks(c.Allow)
	if err != nil {
		return fmt.Errorf("hosts.allow: %w", err)
	}
	if c.File != "" {
		h.hostsFile = roster.NewWatch([]string{c.File})
	}
	file, known, err := h.knownHosts()
	if err != nil {
		return err
	}
	h.registry = hosts.New(hosts.Options{Allow: allow, Forget: c.Forget, Max: c.Max, Log: h.log, Changed: h.hostsChanged})
	h.registry.Configure(known...)
	if c.Poll == 0 {
		return nil
	}
	o := fleet.Options{Hosts: h.registry.List, Delay: c.Poll, Rules: file.Alarms, Triggers: file.Triggers, Log: h.log}
	if h.authority != nil {
		o.Enrolled = h.asHub
	}
	if c.Metrics {
		o.Select = h.selectors
	}
	h.fleet, err = fleet.New(o)
	return err
}

// knownHosts returns the hosts that are configured, and the file of which some are.
func (h *Hub) knownHosts() (*roster.File, []hosts.Registration, error) {
	file := new(roster.File)
	if path := h.cfg.Hosts.File; path != "" {
		var err error
		if file, err = roster.Load(path, roster.Values{Place: poll.MetricByName, Stall: poll.StallCondition}); err != nil {
			return nil, nil, fmt.Errorf("hosts.file: %w", err)
		}
		for _, w := range file.Warnings {
			h.log.Warn("hosts file", "warning", w)
		}
		if !slices.Equal(h.hostsFile.Paths(), file.Paths) {
			h.hostsFile = roster.NewWatch(file.Paths)
		}
	}
	list := file.Hosts
	for _, text := range h.cfg.Hosts.Watch {
		some, err := roster.ParseList(text)
		if err != nil {
			return nil, nil, fmt.Errorf("hosts.watch: %w", err)
		}
		list = append(list, some...)
	}
	var known []hosts.Registration
	if h.own != nil {
		known = append(known, *h.own)
	}
	for _, one := range list {
		known = append(known, hosts.Registration{Name: one.Name, Address: one.Address, Group: one.Group, TLS: one.TLS})
	}
	return file, known, nil
}

// hostsLook is how often the hosts file is looked at.
const hostsLook = 2 * time.Second

// followHosts reads the hosts file anew when it has changed, until ctx ends.
func (h *Hub) followHosts(ctx context.Context) {
	every(ctx, hostsLook, func() {
		if !h.hostsFile.Changed() {
			return
		}
		file, known, err := h.knownHosts()
		if err != nil {
			// Those that are known are asked on: the file may be half written.
			h.log.Warn("hosts file", "err", err)
			return
		}
		h.registry.Configure(known...)
		if h.fleet != nil {
			h.fleet.SetAlarms(file.Alarms, file.Triggers)
		}
		h.log.Info("hosts file read anew", "hosts", len(file.Hosts), "alarms", len(file.Alarms))
	})
}

// hostsChanged has the hosts asked that are known now.
func (h *Hub) hostsChanged() {
	if h.fleet != nil {
		h.fleet.Update()
	}
}

// secureHosts makes a listener for agents one by TLS, if that is configured.
// Between weir's parts it is version 1.3.
func (h *Hub) secureHosts(ctx context.Context, all *listeners, l net.Listener) (net.Listener, error) {
	c := &h.cfg.Hosts
	if h.enrols(l) {
		return h.enrolListener(ctx, all, l)
	}
	cfg, err := server.LoadTLS(c.TLSCert, c.TLSKey, c.TLSClientCA)
	if err != nil {
		return nil, fmt.Errorf("hosts.tls_cert: %w", err)
	}
	if cfg == nil {
		return l, nil
	}
	cfg.MinVersion = tls.VersionTLS13
	return tls.NewListener(l, cfg), nil
}
