// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"

	"github.com/weir-io/weir/internal/config"
	"github.com/weir-io/weir/internal/daemon"
	"github.com/weir-io/weir/internal/enrol"
	"github.com/weir-io/weir/internal/identity"
)

// EnrolDir is where a hub keeps its authority.
func EnrolDir(stateDir string) string { return filepath.Join(stateDir, "enrol") }

// AdminSocket is where it takes what is for who runs the hub alone: the directory, and
// the socket, are nobody else's.
func AdminSocket(stateDir string) string { return filepath.Join(EnrolDir(stateDir), "hub.sock") }

// enrols tells whether agents join at a listener.
func (h *Hub) enrols(l net.Listener) bool {
	c := &h.cfg.Hosts
	switch {
	case c.TLSCert != "" || c.Enrol == config.EnrolNever:
		return false
	case c.Enrol == config.EnrolAlways:
		return true
	}
	at, ok := l.Addr().(*net.TCPAddr)
	return ok && !at.IP.IsLoopback()
}

// openAuthority opens the hub's authority, and the socket by which it is told whom to
// invite.
func (h *Hub) openAuthority(ctx context.Context, l *listeners) error {
	own, err := os.Hostname()
	if err != nil {
		h.log.Warn("this host has no name", "err", err)
	}
	dir := EnrolDir(h.cfg.Hub.StateDir)
	if err := os.MkdirAll(h.cfg.Hub.StateDir, 0o750); err != nil {
		return err
	}
	h.authority, err = enrol.Open(enrol.Options{
		Dir: dir, Name: own, Names: func() []string { return h.ownNames(own) }, Max: h.cfg.Hosts.Max, Log: h.log,
	})
	if err != nil {
		return err
	}
	path := AdminSocket(h.cfg.Hub.StateDir)
	admin, err := daemon.ListenUnix(ctx, path, 0o600, -1)
	if err != nil {
		return fmt.Errorf("socket %s (%d bytes, of which there may be 107): %w", path, len(path), err)
	}
	l.admin = append(l.admin, admin)
	return nil
}

// ownNames are the names and addresses of this host, that to which others connect most
// likely first.
func (h *Hub) ownNames(name string) []string {
	var names []string
	add := func(one string) {
		if one != "" && !slices.Contains(names, one) {
			names = append(names, one)
		}
	}
	if host, _, err := net.SplitHostPort(h.cfg.Hosts.Listen); err == nil {
		if ip := net.ParseIP(host); host != "" && (ip == nil || !ip.IsUnspecified()) {
			add(host)
		}
	}
	// No packet is sent: the address is the one of the way to everywhere.
	if conn, err := (&net.Dialer{}).DialContext(context.Background(), "udp", "192.0.2.1:9"); err == nil {
		if at, ok := conn.LocalAddr().(*net.UDPAddr); ok {
			add(at.IP.String())
		}
		conn.Close()
	}
	add(name)
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		h.log.Warn("addresses of this host", "err", err)
	}
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && !n.IP.IsLinkLocalUnicast() {
			add(n.IP.String())
		}
	}
	return names
}

// enrolAt returns the URLs at which others may reach the hub.
func (h *Hub) enrolAt(on []net.Listener) func() []string {
	return func() []string {
		own, _ := os.Hostname() // without one there are addresses
		var urls []string
		for _, l := range on {
			at, ok := l.Addr().(*net.TCPAddr)
			if !ok {
				continue
			}
			names := []string{at.IP.String()}
			if at.IP.IsUnspecified() {
				names = h.ownNames(own)
			}
			for _, name := range names {
				if ip := net.ParseIP(name); at.IP.IsUnspecified() && ip != nil && ip.IsLoopback() {
					continue
				}
				urls = append(urls, "https://"+net.JoinHostPort(name, fmt.Sprint(at.Port)))
			}
		}
		return urls
	}
}

// enrolListener makes a listener one at which agents join.
func (h *Hub) enrolListener(ctx context.Context, all *listeners, l net.Listener) (net.Listener, error) {
	if h.authority == nil {
		if err := h.openAuthority(ctx, all); err != nil {
			return nil, err
		}
	}
	return tls.NewListener(l, h.authority.Server()), nil
}

// asHub makes the configuration for calling a host that has joined.
func (h *Hub) asHub(name string) *tls.Config {
	return h.authority.Member().Client(identity.Expect(identity.Host, name))
}
