// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"context"
	"net"
	"time"

	"github.com/weir-io/weir/lttng"
)

// Options describes a session. Session and Hostname are required.
type Options struct {
	Session  string // its name
	Hostname string // that is traced

	// BasePath is the session's directory below that of the host, instead of one
	// that the relay makes of name and time; "" = the control URL's subdirectory.
	BasePath string

	// UUID and SessionID tell the relay which of its sessions belong together,
	// as those of kernel and applications do. UUID is that of the session
	// daemon and must not be zero; a zero one is replaced by a random one.
	UUID      [16]byte
	SessionID uint64

	Created     time.Time     // the zero time = now
	NameHasTime bool          // the name contains the time of creation
	LiveTimer   time.Duration // longest silence of a stream; 0 = not live
	Snapshot    bool          // packets go without indexes
	CTF2        bool          // needs a relay of 2.15

	// Minor is the version that is announced, at most [lttng.MinorVersion],
	// which 0 stands for.
	Minor lttng.Minor

	Timeout      time.Duration // for all of Dial; 0 = 10 s
	ReplyTimeout time.Duration // for each answer; 0 = 15 s
	StallTimeout time.Duration // for each progress of a write; 0 = 20 s
	Window       int           // unanswered indexes; 0 = 256

	// Dial opens connections; nil = those of package net. One that takes long is
	// asked for again beside it.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// SameRelay checks that both connections end at one relay, [ErrSplit] if
	// not, where the relay cannot tell itself, as weir's do; nil = no check. It
	// must leave nothing unread.
	SameRelay func(ctx context.Context, control, data net.Conn) error

	// UDP says how packets go in datagrams, when the data URL says that they do.
	UDP UDP

	// Plain asks for none of weir's extensions of the protocol.
	Plain bool
}

// Defaults of Options.
const (
	defaultTimeout      = 10 * time.Second
	defaultReplyTimeout = 15 * time.Second
	defaultStallTimeout = 20 * time.Second
	defaultWindow       = 256
)

// withDefaults fills in what the caller left out.
func (o Options) withDefaults() Options {
	if o.Minor == 0 || o.Minor > lttng.MinorVersion {
		o.Minor = lttng.MinorVersion
	}
	if o.UUID == [16]byte{} {
		o.UUID = newUUID()
	}
	if o.Created.IsZero() {
		o.Created = time.Now()
	}
	orDefault(&o.Timeout, defaultTimeout)
	orDefault(&o.ReplyTimeout, defaultReplyTimeout)
	orDefault(&o.StallTimeout, defaultStallTimeout)
	orDefault(&o.Window, defaultWindow)
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	return o
}

func orDefault[T time.Duration | int](v *T, def T) {
	if *v <= 0 {
		*v = def
	}
}

// request is the CREATE_SESSION that the options make.
func (o Options) request() lttng.CreateSession {
	m := lttng.CreateSession{
		Name: o.Session, Hostname: o.Hostname, BasePath: o.BasePath, Snapshot: o.Snapshot,
		NameHasTime: o.NameHasTime, SessiondUUID: o.UUID, SessiondSessionID: o.SessionID,
		CreationTime: uint64(o.Created.Unix()), TraceFormat: lttng.FormatCTF1,
	}
	if o.LiveTimer > 0 {
		m.LiveTimer = uint32(min(max(o.LiveTimer.Microseconds(), 1), 1<<32-1))
	}
	if o.CTF2 {
		m.TraceFormat = lttng.FormatCTF2
	}
	return m
}

// legacyRoot is the directory of the session in the stream paths of minors below
// 11, where the producer makes it.
func (o Options) legacyRoot() string {
	switch {
	case o.BasePath != "":
		return "/" + o.Hostname + "/" + o.BasePath
	case o.NameHasTime:
		return "/" + o.Hostname + "/" + o.Session
	}
	return "/" + o.Hostname + "/" + o.Session + "-" + o.Created.Format("20060102-150405")
}
