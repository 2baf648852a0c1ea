// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import "time"

// State is whether a session records.
type State string

// States of sessions.
const (
	Inactive State = "inactive"
	Active   State = "active"
	Failed   State = "failed" // its consumer process died again and again
	// OutputError is Active while what is recorded cannot be written: the disk is
	// full. Nothing is read from the rings, which count what they lose, until there
	// is room again.
	OutputError State = "output error"
)

// Mode is what a session is for. It is fixed when the session is created.
type Mode string

// Modes.
const (
	Normal   Mode = "normal"
	Snapshot Mode = "snapshot" // kept in memory, recorded on order
	Live     Mode = "live"
	NoOutput Mode = "no-output"
)

// Session is a tracing session.
type Session struct {
	Name      string        `json:"name"`
	ID        uint64        `json:"id"`
	UID       uint32        `json:"uid"` // of its creator
	GID       uint32        `json:"gid"`
	Mode      Mode          `json:"mode"`
	State     State         `json:"state"`
	Created   time.Time     `json:"created"`
	LiveTimer time.Duration `json:"live_timer,omitempty"`
	// Hostname, Clock and Naming are as they were chosen, "" for the defaults;
	// TraceSelf that weir's own threads are not left out.
	Hostname  string `json:"hostname,omitempty"`
	Clock     string `json:"clock,omitempty"`
	Naming    string `json:"naming,omitempty"`
	TraceSelf bool   `json:"trace_self,omitempty"`
	// HashPointers says that the kernel's addresses are replaced by hashes.
	HashPointers bool `json:"hash_pointers,omitempty"`
	// Output is the consumer's destination in canonical form, such as
	// "tcp4://127.0.0.1:5342/ [data: 5343]" or a directory; "" for none.
	Output   string           `json:"output,omitempty"`
	Consumer Consumer         `json:"consumer"`
	Domains  []Domain         `json:"domains"`
	Rotation RotationSchedule `json:"rotation,omitzero"`
	Chunks   uint64           `json:"chunks"` // rotated away
	// Warnings are what the user should know about the session as it is.
	Warnings []string `json:"warnings,omitempty"`
}

// Domain is what a session records of one source.
type Domain struct {
	// Name is "kernel", "ust", "weir", "stat" or "fs", or one of loggers, "python", "jul"
	// or "log4j": the channel of these is that of the same name of "ust", where its
	// settings are.
	Name     string    `json:"name"`
	Channels []Channel `json:"channels"`
	// PIDs are the tracked processes, nil for all.
	PIDs []int32 `json:"pids,omitzero"`
	// UIDs and GIDs are the tracked users and groups, nil for all. Whose a thread
	// is is looked up when its events are read: one that ended before may be
	// missed.
	UIDs []int64 `json:"uids,omitzero"`
	GIDs []int64 `json:"gids,omitzero"`
}

// Channel is a set of rings with the same properties.
type Channel struct {
	ChannelSettings

	Name     string          `json:"name"`
	Enabled  bool            `json:"enabled"`
	Events   []EventRule     `json:"events"`
	Contexts []string        `json:"contexts,omitempty"`
	Streams  []ChannelStream `json:"streams,omitempty"`
}

// ChannelSettings are fixed once an event rule is in the channel. Zero values
// stand for the defaults of the domain.
type ChannelSettings struct {
	Overwrite      bool          `json:"overwrite,omitempty"`
	SubbufBytes    uint64        `json:"subbuf_bytes,omitempty"`
	SubbufCount    uint64        `json:"subbuf_count,omitempty"`
	SwitchTimer    time.Duration `json:"switch_timer,omitempty"`
	ReadTimer      time.Duration `json:"read_timer,omitempty"`
	MonitorTimer   time.Duration `json:"monitor_timer,omitempty"`
	TracefileBytes uint64        `json:"tracefile_bytes,omitempty"`
	TracefileCount uint64        `json:"tracefile_count,omitempty"`
	// BlockingTimeout is how long applications that allow it wait for room in a ring
	// before they discard an event; [Forever]: until there is some.
	BlockingTimeout time.Duration `json:"blocking_timeout,omitempty"`
	// Buffers is whose rings those of applications are; "" stands for those that the
	// session has already, or else [BuffersUID]. It is the same in all channels of a domain.
	Buffers Buffers `json:"buffers,omitempty"`
}

// Buffers is whose rings are.
type Buffers string

// Rings are a user's, for all of their programs, or each program has some of its own.
const (
	BuffersUID Buffers = "uid"
	BuffersPID Buffers = "pid"
)

// Forever is a time without an end.
const Forever time.Duration = -1

// ChannelStream counts what one ring has given.
type ChannelStream struct {
	CPU       uint32 `json:"cpu"`
	Packets   uint64 `json:"packets"`
	Bytes     uint64 `json:"bytes"`
	Events    uint64 `json:"events"`
	Discarded uint64 `json:"discarded"`
	Lost      uint64 `json:"packets_lost,omitempty"`
	// Unknown are events of which nobody told what they are like, Bad records that
	// could not be read: neither is in the trace. Clamped are events that are, with a
	// time that did not go back.
	Unknown uint64 `json:"unknown_events,omitempty"`
	Bad     uint64 `json:"bad_records,omitempty"`
	Clamped uint64 `json:"clamped,omitempty"`
	// UsageBytes is how much of the ring is filled, of RingBytes; all of it for a
	// second after events were lost.
	UsageBytes uint64 `json:"usage_bytes,omitempty"`
	RingBytes  uint64 `json:"ring_bytes,omitempty"`
}

// EventType is a kind of event rule.
type EventType string

// Kinds of event rules.
const (
	Tracepoint     EventType = "tracepoint"
	Syscall        EventType = "syscall"
	Probe          EventType = "probe"
	Function       EventType = "function"
	UserspaceProbe EventType = "userspace-probe"
	AllEvents      EventType = "all" // tracepoints and system calls
)

// EventRule chooses events.
type EventRule struct {
	Type       EventType `json:"type"`
	Pattern    string    `json:"pattern"` // name, with * anywhere
	Filter     string    `json:"filter,omitempty"`
	Exclusions []string  `json:"exclusions,omitempty"`
	Location   string    `json:"location,omitempty"` // of a probe
	// Period is how often events are made that are samples; 0: each second. Other
	// events have none.
	Period time.Duration `json:"period,omitempty"`
	// LogLevel is the least severe level of events of applications, such as
	// TRACE_WARNING, or of messages of loggers, such as WARNING, or with LogLevelOnly
	// the only one; "": any.
	LogLevel     string `json:"log_level,omitempty"`
	LogLevelOnly bool   `json:"log_level_only,omitempty"`
	Enabled      bool   `json:"enabled"`
	// FilteredBy tells who evaluates the filter: "kernel", "consumer" or both, or
	// "application".
	FilteredBy string `json:"filtered_by,omitempty"`
	Matches    int    `json:"matches"`           // events that it chooses now
	Refused    int    `json:"refused,omitempty"` // events that it chooses and the kernel does not enable
}

// RotationSchedule says when a session is rotated by itself.
type RotationSchedule struct {
	Period time.Duration `json:"period,omitempty"`
	Bytes  uint64        `json:"bytes,omitempty"`
}
