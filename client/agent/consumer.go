// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import "time"

// ConsumerState is where a session's consumer is in its life.
type ConsumerState string

// States of consumers; reference: the session daemon's design, consumer life cycle.
const (
	ConsumerNone       ConsumerState = "none"
	ConsumerTemplate   ConsumerState = "template"
	ConsumerConnecting ConsumerState = "connecting"
	ConsumerReady      ConsumerState = "ready"
	ConsumerStreaming  ConsumerState = "streaming"
	ConsumerSpooling   ConsumerState = "spooling"
	ConsumerDraining   ConsumerState = "draining"
	ConsumerDisabled   ConsumerState = "disabled"
	ConsumerFailed     ConsumerState = "failed"
)

// Consumer is what moves a session's packets.
type Consumer struct {
	State ConsumerState `json:"state"`
	Since time.Time     `json:"since"`
	URIs  []string      `json:"uris,omitempty"` // canonical
	// Options are those that it was enabled with.
	Options   EnableConsumer `json:"options,omitzero"`
	Packets   uint64         `json:"packets"`
	Bytes     uint64         `json:"bytes"`
	Confirmed uint64         `json:"packets_confirmed,omitempty"` // by the relay
	Lost      uint64         `json:"packets_lost,omitempty"`

	SpoolBytes  int64         `json:"spool_bytes,omitempty"`
	SpoolOldest time.Time     `json:"spool_oldest,omitzero"`
	SpoolFull   bool          `json:"spool_full,omitempty"`
	LastError   string        `json:"last_error,omitempty"`
	RetryIn     time.Duration `json:"retry_in,omitempty"`
}

// DestinationType is the kind of a URI's address.
type DestinationType string

// Kinds of addresses, LTTNG_DST_* of the network consumer's proposal.
const (
	DestinationIPv4 DestinationType = "ipv4"
	DestinationIPv6 DestinationType = "ipv6"
	DestinationHost DestinationType = "host"
	DestinationPath DestinationType = "path"
)

// URIType is what a URI stands for, LTTNG_URI_* of the proposal.
type URIType string

// What URIs stand for. Hops come before their destination.
const (
	Hop         URIType = "hop"
	Destination URIType = "destination"
)

// StreamType is what goes to a URI, LTTNG_STREAM_* of the proposal.
type StreamType string

// What goes to a URI.
const (
	ControlStream StreamType = "control"
	DataStream    StreamType = "data"
	BothStreams   StreamType = "both"
)

// Protocol carries a stream.
type Protocol string

// Protocols.
const (
	TCP Protocol = "tcp"
	UDP Protocol = "udp"
)

// URI is one element of a consumer's destination.
type URI struct {
	DestinationType DestinationType   `json:"destination_type"`
	Type            URIType           `json:"type"`
	Stream          StreamType        `json:"stream"`
	Protocol        Protocol          `json:"protocol,omitempty"`
	Family          int               `json:"family,omitempty"`  // 4, 6 or 0 for both
	Address         string            `json:"address,omitempty"` // IPv4, IPv6 or host name
	Port            uint16            `json:"port,omitempty"`
	Subdir          string            `json:"subdir,omitempty"`
	Path            string            `json:"path,omitempty"` // absolute
	Options         map[string]string `json:"options,omitempty"`
}

// EnableConsumer are the options of enabling.
type EnableConsumer struct {
	SpoolBytes       int64         `json:"spool_bytes,omitempty"`       // on disk; 0: the default
	ReconnectTimeout time.Duration `json:"reconnect_timeout,omitempty"` // 0: for ever
	NoReconnect      bool          `json:"no_reconnect,omitempty"`
	AllowSplit       bool          `json:"allow_split,omitempty"` // control and data at different addresses
	Timeout          time.Duration `json:"timeout,omitempty"`     // of connecting; 0: 10 s
}
