// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/client"
	"github.com/weir-io/weir/internal/enrol"
	"github.com/weir-io/weir/internal/hosts"
	"github.com/weir-io/weir/internal/identity"
	"github.com/weir-io/weir/internal/version"
)

// hubTLS are the flags of TLS to a hub.
type hubTLS struct{ ca, cert, key string }

// config makes the configuration for a hub at an https URL: between weir's parts
// it is TLS 1.3.
func (h *hubTLS) config() (*tls.Config, error) {
	return clientTLS(h.ca, h.cert, h.key, tls.VersionTLS13)
}

// clientTLS reads the certificates of a client: of whom it trusts, and its own.
func clientTLS(ca, cert, key string, least uint16) (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: least}
	if ca != "" {
		text, err := os.ReadFile(ca)
		if err != nil {
			return nil, err
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%s has no certificate", ca)
		}
	}
	if (cert == "") != (key == "") {
		return nil, errors.New("a certificate and its key go together")
	}
	if cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, err
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}

// announceFlags are the flags of daemons that register their host with a hub.
type announceFlags struct {
	url, name, group string
	tls              hubTLS
	join             joinFlags

	keeper *enrol.Keeper // of one that has joined the hub; nil: it has not
}

func (a *announceFlags) add(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&a.url, "hub", "", "register this host with the hub at `URL`, where monitors find it")
	f.StringVar(&a.name, "hub-name", "", "register as `NAME`; default: the kernel's name of this host")
	f.StringVar(&a.group, "hub-group", "", "have monitors show this host in `GROUP`")
	f.StringVar(&a.tls.ca, "hub-ca", "", "trust the hub if `FILE` has signed its certificate")
	f.StringVar(&a.tls.cert, "hub-cert", "", "own certificate for the hub: `FILE`")
	f.StringVar(&a.tls.key, "hub-key", "", "its key: `FILE`")
	a.join.add(f)
}

// become joins the hub, or takes up what was kept in dir or in --hub-identity. Always says
// that a hub that was joined is registered with though none is named.
func (a *announceFlags) become(ctx context.Context, dir string, always bool, log *slog.Logger) error {
	if a.url == "" && a.join.token == "" && !always {
		return nil
	}
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("name of this host: %w", err)
	}
	m := &member{
		joinFlags: a.join, fallback: dir, url: a.url, name: a.name, host: host, role: identity.Host,
		files: a.tls != hubTLS{},
	}
	a.keeper, err = m.keeper(ctx, log)
	if err != nil && a.url == "" && a.join.token == "" {
		// An agent does more than this, and was not told of a hub.
		log.Error("this host is not registered with the hub that it has joined", "err", err)
		return nil
	}
	return err
}

// member is who this process is for the hub; nil: it has not joined it.
func (a *announceFlags) member() *identity.Member {
	if a.keeper == nil {
		return nil
	}
	return a.keeper.Member()
}

// announcer returns what keeps the host registered, whose statistics are served by
// listeners; nil if no hub is named.
func (a *announceFlags) announcer(listeners []net.Listener, secure bool, feeds *remoteFeeds, log *slog.Logger) (*announcement, error) {
	if a.url == "" && a.keeper == nil {
		return nil, nil
	}
	r := client.HostRegistration{Address: statisticsAddress(listeners), TLS: secure, Group: a.group, Version: version.Number}
	if feeds != nil && feeds.listener != nil {
		r.Feeds, r.FeedsTLS = statisticsAddress([]net.Listener{feeds.listener}), feeds.secure
		r.FeedsEnrolled = feeds.secure && feeds.cert == ""
	}
	if a.keeper != nil {
		if !secure && !onLoopback(r.Address) {
			r.TLS, r.Enrolled = true, true
		}
		one := &announcement{hosts.Announcer{
			Hub: a.keeper, Name: a.keeper.Member().Peer().Name, Registration: r, Log: log,
			Answered: func(h client.Host) { refuse(a.keeper, h.Refuse, log) },
		}, a.keeper.Client(), a.keeper}
		return one, nil
	}
	cfg, err := a.tls.config()
	if err != nil {
		return nil, usageErrorf("--hub: %w", err)
	}
	api, err := client.NewTLS(a.url, cfg)
	if err != nil {
		return nil, usageErrorf("--hub: %w", err)
	}
	name := a.name
	if name == "" {
		if name, err = os.Hostname(); err != nil {
			return nil, fmt.Errorf("name of this host: %w", err)
		}
	}
	return &announcement{hosts.Announcer{Hub: api, Name: name, Registration: r, Log: log}, api, nil}, nil
}

// refuse takes the hub's word of whom it has expelled.
func refuse(k *enrol.Keeper, list []string, log *slog.Logger) {
	keys := make([]identity.Fingerprint, len(list))
	for i, text := range list {
		if err := keys[i].UnmarshalText([]byte(text)); err != nil {
			log.Warn("what the hub refuses is not understood", "err", err)
			return
		}
	}
	k.Refuse(keys)
}

// onLoopback tells whether an address is one of loopback, or none.
func onLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return err != nil || ip != nil && ip.IsLoopback()
}

// announcement is an announcer with its client.
type announcement struct {
	hosts.Announcer
	api    *client.Client
	keeper *enrol.Keeper // nil: this host has not joined the hub
}

// run keeps the host registered, and its certificate fresh, until ctx ends.
func (a *announcement) run(ctx context.Context) error {
	var renewing sync.WaitGroup
	if a.keeper != nil {
		renewing.Go(func() { a.keeper.Run(ctx) }) // waited for below
	}
	a.Run(ctx)
	renewing.Wait()
	a.api.Close()
	return nil
}

// start runs it beside others of this process. The function that it returns ends it
// and waits.
func (a *announcement) start(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() { // stop ends it and waits
		defer close(ended)
		_ = a.run(ctx) // it does not fail
	}()
	return func() {
		cancel()
		<-ended
	}
}

// statisticsAddress is what a hub is told of listeners: one that other hosts reach
// rather than one of loopback. Without a host the hub takes the one that it sees.
func statisticsAddress(listeners []net.Listener) string {
	loopback := ""
	for _, l := range listeners {
		at, ok := l.Addr().(*net.TCPAddr)
		switch {
		case !ok:
		case at.IP.IsUnspecified():
			return fmt.Sprintf(":%d", at.Port)
		case !at.IP.IsLoopback():
			return at.String()
		case loopback == "":
			loopback = at.String()
		}
	}
	return loopback
}

// registration is what the hub of this process knows of this host; ok is false when
// its statistics are not served.
func (h *hostStat) registration() (r hosts.Registration, ok bool) {
	address := statisticsAddress(h.listeners)
	name, err := os.Hostname()
	if address == "" || err != nil {
		return r, false
	}
	if address[0] == ':' {
		address = "127.0.0.1" + address
	}
	return hosts.Registration{Name: name, Address: address, Version: version.Number}, true
}
