// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"net"
	"strconv"
	"time"

	"github.com/weir-io/weir/lttng"
)

// Config says how to reach a relay and what to put up with. Address is
// required.
type Config struct {
	Address string // HOST or HOST:PORT; IPv6 addresses in brackets if a port follows
	Network string // "tcp", "tcp4" or "tcp6"; "" = "tcp"

	// Minor is the version that is announced, at most [lttng.MinorVersion],
	// which 0 stands for. Relays translate CTF 2 to older viewers or hide it
	// from them.
	Minor lttng.Minor

	Timeout      time.Duration // for connecting and for each reply; 0 = 30 s
	PollInterval time.Duration // longest pause between two questions about a stream; 0 = 10 ms

	MaxPacket   uint32 // bytes of a packet; larger ones are reported lost; 0 = 64 MiB
	MaxMetadata uint32 // bytes of one batch; 0 = 64 MiB
	MaxStreams  uint32 // announced and not ended; 0 = 65536

	// Dial opens connections; nil = those of package net.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Defaults and limits of Config.
const (
	defaultTimeout     = 30 * time.Second
	defaultPoll        = 10 * time.Millisecond
	defaultMaxPacket   = 64 << 20
	defaultMaxMetadata = 64 << 20
	defaultMaxStreams  = 1 << 16
)

// withDefaults fills in what the caller left out.
func (c Config) withDefaults() Config {
	if c.Network == "" {
		c.Network = "tcp"
	}
	if c.Minor == 0 || c.Minor > lttng.MinorVersion {
		c.Minor = lttng.MinorVersion
	}
	orDefault(&c.Timeout, defaultTimeout)
	orDefault(&c.PollInterval, defaultPoll)
	orDefault(&c.MaxPacket, defaultMaxPacket)
	orDefault(&c.MaxMetadata, defaultMaxMetadata)
	orDefault(&c.MaxStreams, defaultMaxStreams)
	if c.Dial == nil {
		c.Dial = new(net.Dialer).DialContext
	}
	c.Address = withPort(c.Address)
	return c
}

func orDefault[T time.Duration | uint32](v *T, def T) {
	if *v == 0 {
		*v = def
	}
}

// withPort adds the protocol's port to an address that has none.
func withPort(address string) string {
	if _, _, err := net.SplitHostPort(address); err == nil {
		return address
	}
	host := address
	if n := len(host); n > 1 && host[0] == '[' && host[n-1] == ']' {
		host = host[1 : n-1]
	}
	return net.JoinHostPort(host, strconv.Itoa(lttng.DefaultViewerPort))
}
