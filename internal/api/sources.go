// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/weir-io/weir/client"
	"github.com/weir-io/weir/internal/enrol"
	"github.com/weir-io/weir/internal/fdpool"
	"github.com/weir-io/weir/internal/feed"
	"github.com/weir-io/weir/internal/hosts"
	"github.com/weir-io/weir/internal/tracestore"
	"github.com/weir-io/weir/internal/version"
	"github.com/weir-io/weir/lttng"
)

// store is what is asked of the sessions that are being received.
// *tracestore.Store has it.
type store interface {
	Sessions() []*tracestore.Session
	StreamCount() int
	Counters() *tracestore.Counters
	ShortOfSpace() bool
}

// catalog is what is asked of the stored sessions. *tracestore.Catalog has it.
type catalog interface {
	List(ctx context.Context, maxAge time.Duration) (*tracestore.Inventory, error)
	RemoveSession(ctx context.Context, s tracestore.StoredSession) error
	RemoveChunk(ctx context.Context, s tracestore.StoredSession, c tracestore.StoredChunk) error
	OpenChunk(ctx context.Context, s tracestore.StoredSession, c tracestore.StoredChunk) (*tracestore.ChunkReader, error)
	Space() (tracestore.Space, error)
}

// retention is what is asked of the removal of old data.
// *tracestore.Retention has it.
type retention interface {
	Limits() tracestore.RetentionLimits
	Plan(ctx context.Context) ([]tracestore.Removal, error)
	RunOnce(ctx context.Context) ([]tracestore.Removal, error)
	Stats() tracestore.RetentionStats
}

// statistics is what is asked of hosts' figures. *fleet.Fleet has it.
type statistics interface {
	Statistics(name string) *client.HostStatistics
	All(values ...string) (map[string]*client.HostStatistics, error)
	Alarms() []client.HostAlarm
	AlarmsAfter(number uint64) (list []client.HostAlarm, last uint64, more <-chan struct{})
	Up(yield func(host string, up bool))
}

// Options are the services that the interface shows. Store, Catalog, Retention
// and Log are required.
type Options struct {
	Store     store
	Catalog   catalog
	Retention retention

	// Relay and Live return the servers' present figures; nil leaves them out.
	Relay func() RelayStats
	Live  func() LiveStats
	// Hop returns the figures of the passing on of connections; nil leaves them
	// out.
	Hop func() HopStats
	// Metadata returns what was found out about metadata, and MetadataErrors
	// what is wrong with that of an open session; nil leaves them out.
	Metadata       func() MetadataStats
	MetadataErrors func(*tracestore.Session) []client.MetadataError
	// Files returns the figures of the open-file budget; nil leaves them out.
	Files func() fdpool.Stats

	// Host makes the handlers of the figures of the host that the hub is on; nil
	// leaves them out.
	Host HostMetrics

	// Registry has the hosts that the hub knows; nil leaves them out.
	Registry *hosts.Registry
	// Statistics are what the hub finds out by asking them; nil: it does not ask.
	Statistics statistics

	// Enrol knows who has joined the hub, and EnrolAt returns the URLs at which others may
	// reach it, for who wants to; AsHub makes the configuration for calling a host that has
	// joined. nil leaves all of it out.
	Enrol   *enrol.Authority
	EnrolAt func() []string
	AsHub   func(host string) *tls.Config

	// Feeds serves the feeds of this host, see FeedsOf; nil leaves them out. Caller
	// tells who is at the other end of a connection.
	Feeds  Feeds
	Caller func(net.Conn) (feed.Caller, error)
	// Tokens are who may ask about feeds instead, wherever they call from.
	Tokens *Tokens
	// OwnHost is the name of this host, and FeedsTrust is whom the hub trusts that serves
	// the feeds of others; nil: the system's authorities.
	OwnHost    string
	FeedsTrust *tls.Config

	// Networks serves virtual networks below NetworksPath, with tokens, bodies and
	// errors of its own; nil leaves them out.
	Networks http.Handler
	// Ships returns what became of the records of traced packets that are brought to log
	// services, one for each; nil leaves it out.
	Ships func() []ShipStats

	// Console is the page at /, with its files; nil leaves it out.
	Console Console

	// Listens tells where the hub listens, Output where the stored traces are, Poll how
	// often hosts are asked.
	Listens func() client.HubListeners
	Output  string
	Poll    time.Duration

	// NotReady returns why the hub does not do its work, such as "starting"
	// or "stopping"; nil and no reasons mean that it does.
	NotReady func() []string

	// Hosts are names by which this hub may be called beside loopback and the
	// address that a connection came in on, without a port.
	Hosts []string

	Version     version.Info
	MaxArchives int              // archives written at the same time; default 2
	Now         func() time.Time // default time.Now
	Log         *slog.Logger
}

// RelayStats are the producers' server's figures. Those named Open rise and
// fall, the rest only grows.
type RelayStats struct {
	ControlOpen, DataOpen   int64
	ControlTotal, DataTotal uint64
	Refused                 uint64 // connections above a limit
	Displaced               uint64 // silent connections that made room for new ones
	TimedOut                uint64 // connections silent for too long
	ProtocolErrors          uint64 // messages that ended their connection
	AcceptErrors            uint64
	Commands                uint64
	ReceivedBytes           uint64 // on both ports, headers included
	PartialMemoryOpen       int64  // bytes of messages that have not arrived whole
	MemoryShort             uint64 // times a connection waited for memory
	// PendingOpen is the number of packets of which the data or the index has
	// not arrived; below 0 it is not known and left out.
	PendingOpen    int64
	PendingRefused uint64 // packets and indexes refused because too many waited

	// Of packets that come by UDP.
	Datagrams, DatagramsAgain uint64 // of sessions; of them, those that were sent before
	DatagramsDuplicate        uint64 // that had come before
	DatagramsDropped          uint64 // for want of room, or too late
	DatagramsBad              uint64 // changed on their way, or against the rules
	DatagramsForeign          uint64 // of no session
	DatagramMemoryOpen        int64  // bytes of packets in pieces
	PacketsAbandoned          uint64 // given up by producers
}

// MetadataStats are the figures of the check of metadata. WaitingOpen rises and
// falls, the rest only grows.
type MetadataStats struct {
	WaitingOpen int64  // traces with metadata that was not checked
	Bytes       uint64 // found good
	Errors      uint64 // traces with broken metadata
	Unchecked   uint64 // traces with more metadata than is checked
}

// HopStats are the figures of the passing on of connections. Open rises and
// falls, the rest only grows.
type HopStats struct {
	Open                                    int64
	Total                                   uint64
	Refused, Displaced                      uint64 // at a limit
	Passed, Denied, Failed, TimedOut, Loops uint64 // by answer
	IdleClosed, AcceptErrors                uint64
	Bytes                                   uint64 // passed on, in both directions
}

// ShipStats are what became of the records that are brought to a log service. Waiting
// rises and falls, the rest only grows.
type ShipStats struct {
	Service                    string
	Taken, Sent, Refused, Lost uint64
	Waiting                    int
}

// LiveStats are the viewers' server's figures. Those named Open rise and fall,
// the rest only grows.
type LiveStats struct {
	ViewersOpen    int // connections
	AttachedOpen   int // sessions being read, one for each viewer of it
	Total, Refused uint64
	Displaced      uint64 // silent connections that made room for new ones
	AcceptErrors   uint64

	Requests        map[lttng.ViewerCommand]uint64
	UnknownCommands uint64

	Packets, PacketBytes uint64
	MetadataBytes        uint64
	Skipped              uint64 // packets removed before a viewer had read them
	Paced, Held          uint64 // answers delayed; withheld
	EmptyPackets         uint64 // made to tell old viewers of new streams
	Untranslated         uint64 // traces and classes that viewers of CTF 1.8 cannot be told of
	RefusedPackets       uint64 // packets that such a viewer could not have read
	ProtocolErrors       uint64
	ReadErrors           uint64 // files that could not be read

	// Viewers counts the attached viewers of a relay session; nil when that is
	// not known.
	Viewers map[lttng.SessionID]int
}

func (o *Options) relay() (RelayStats, bool) {
	if o.Relay == nil {
		return RelayStats{}, false
	}
	return o.Relay(), true
}

func (o *Options) live() (LiveStats, bool) {
	if o.Live == nil {
		return LiveStats{}, false
	}
	return o.Live(), true
}
