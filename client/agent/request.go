// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import "time"

// CreateSession asks for a session. URIs are nil for the default directory of
// the caller; Mode NoOutput and Snapshot take none.
type CreateSession struct {
	Name      string        `json:"name,omitempty"` // "": auto-YYYYMMDD-HHMMSS
	Mode      Mode          `json:"mode,omitempty"` // "": Normal
	LiveTimer time.Duration `json:"live_timer,omitempty"`
	URIs      []URI         `json:"uris,omitempty"`
	Hostname  string        `json:"hostname,omitempty"`
	Clock     string        `json:"clock,omitempty"`  // "": mono
	Naming    string        `json:"naming,omitempty"` // "lttng" or "tracefs"
	TraceSelf bool          `json:"trace_self,omitempty"`
	// HashPointers has the values of fields that are pointers of the kernel's
	// replaced by a hash with a key of the session's own: equal where they are.
	HashPointers bool `json:"hash_pointers,omitempty"`
	// Home is where the default directory weir-traces is; the client's.
	Home string `json:"home,omitempty"`
}

// EnableChannel makes a channel, or enables one that is disabled.
type EnableChannel struct {
	ChannelSettings

	Domain string `json:"domain"`
	Name   string `json:"name"`
}

// EnableEvents adds event rules to a channel, or enables disabled ones.
type EnableEvents struct {
	Domain  string      `json:"domain"`
	Channel string      `json:"channel,omitempty"` // made if it is not there; "": the only one, or channel0
	Rules   []EventRule `json:"rules"`
}

// DisableEvents disables rules: those of the given types and patterns, or all.
type DisableEvents struct {
	Domain   string    `json:"domain"`
	Channel  string    `json:"channel,omitempty"`
	Type     EventType `json:"type,omitempty"`
	Patterns []string  `json:"patterns,omitempty"`
	All      bool      `json:"all,omitempty"`
}

// AddContext adds contexts to a channel, or to all of the domain.
type AddContext struct {
	Domain  string   `json:"domain"`
	Channel string   `json:"channel,omitempty"`
	Types   []string `json:"types"`
}

// Track adds or removes tracked processes and users.
type Track struct {
	Domain string  `json:"domain"`
	PIDs   []int32 `json:"pids,omitempty"`
	UIDs   []int64 `json:"uids,omitempty"`
	GIDs   []int64 `json:"gids,omitempty"`
	All    bool    `json:"all,omitempty"`
	Of     TrackOf `json:"of,omitempty"` // with All: of what; "": of processes
}

// TrackOf is an attribute of processes, other than their numbers, by which they
// are tracked.
type TrackOf string

// Attributes.
const (
	TrackUID TrackOf = "uid"
	TrackGID TrackOf = "gid"
)

// SnapshotOutput is a place for snapshots.
type SnapshotOutput struct {
	ID       uint32 `json:"id,omitempty"`
	Name     string `json:"name,omitempty"`
	MaxBytes uint64 `json:"max_bytes,omitempty"` // 0: all
	Pause    bool   `json:"pause,omitempty"`     // nothing is recorded while the rings are read; for one snapshot
	URIs     []URI  `json:"uris,omitempty"`
}

// Trigger does something when something happens.
type Trigger struct {
	Name      string           `json:"name"`
	Condition TriggerCondition `json:"condition"`
	Actions   []TriggerAction  `json:"actions"`
	Fired     uint64           `json:"fired,omitempty"`
}

// TriggerCondition is when a trigger fires. Type is one of event-rule-matches,
// channel-buffer-usage-ge, channel-buffer-usage-le, session-consumed-size-ge,
// session-rotation-starts and session-rotation-finishes.
type TriggerCondition struct {
	Type    string     `json:"type"`
	Session string     `json:"session,omitempty"`
	Channel string     `json:"channel,omitempty"`
	Rule    *EventRule `json:"rule,omitempty"`
	Ratio   float64    `json:"ratio,omitempty"` // of the ring
	Bytes   uint64     `json:"bytes,omitempty"`
}

// TriggerAction is what a trigger does. Type is one of notify, start-session,
// stop-session, rotate-session and snapshot-session.
type TriggerAction struct {
	Type    string `json:"type"`
	Session string `json:"session,omitempty"`
}

// KernelEvent is an event that the kernel offers.
type KernelEvent struct {
	Name   string        `json:"name"`   // of the LTTng dialect
	System string        `json:"system"` // of tracefs
	Event  string        `json:"event"`  // of tracefs
	Type   EventType     `json:"type"`
	Fields []KernelField `json:"fields,omitempty"`
}

// KernelField is a field of an event.
type KernelField struct {
	Name string `json:"name"`
	Type string `json:"type"` // in TSDL
}

// StatEvent is an event of the host's statistics.
type StatEvent struct {
	Name    string      `json:"name"`             // the path of an element: "proc/stat/cpu"
	Section string      `json:"section"`          // what is read at once, by its short name
	Class   string      `json:"class"`            // selections that have it without naming it: legacy, default, all; by name
	Source  string      `json:"source"`           // files, for people
	Slow    bool        `json:"slow,omitempty"`   // is read every few seconds, whatever the period
	Hidden  bool        `json:"hidden,omitempty"` // is not exposed by the daemon
	Fields  []StatField `json:"fields,omitempty"`
}

// StatField is a field that such an event may have.
type StatField struct {
	Name string `json:"name"`
	Type string `json:"type"` // for people
}

// UserEvent is an event that an application has.
type UserEvent struct {
	PID      int32       `json:"pid"`
	UID      uint32      `json:"uid"`
	Process  string      `json:"process"` // how it was called, or its short name where that is not known
	Name     string      `json:"name"`
	LogLevel string      `json:"log_level,omitempty"`
	Fields   []UserField `json:"fields,omitempty"`
}

// UserField is a field of such an event.
type UserField struct {
	Name string `json:"name"`
	Type string `json:"type"` // integer, enum, float, string or other
	// NotWritten is true of a field that only filters see.
	NotWritten bool `json:"not_written,omitempty"`
}

// Logger is a logger of a Python or Java program.
type Logger struct {
	PID     int32  `json:"pid"`
	UID     uint32 `json:"uid"`
	Process string `json:"process"` // how it was called
	Name    string `json:"name"`
}

// Done is what a command has done beside its answer: warnings do not undo it.
type Done struct {
	Warnings []Problem `json:"warnings,omitempty"`
	// Names are of what was made: a session, a chunk's or snapshot's directory.
	Names []string `json:"names,omitempty"`
	// Losses are what channels had lost when the session was stopped or ended; those that
	// lost nothing are not there.
	Losses []ChannelLoss `json:"losses,omitempty"`
}

// ChannelLoss is what a channel has lost since the session began.
type ChannelLoss struct {
	Domain    string `json:"domain"`
	Channel   string `json:"channel"`
	Discarded uint64 `json:"discarded"`    // events
	Lost      uint64 `json:"lost_packets"` // overwritten, or not written
}

// Notice is something that happened in a session.
type Notice struct {
	Time    time.Time `json:"time"`
	Session string    `json:"session,omitempty"`
	Type    string    `json:"type"` // state, consumer, loss, spool, rotation, trigger, error
	Text    string    `json:"text"`
}
