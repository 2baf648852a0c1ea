// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package handover

import (
	"encoding/json"
	"time"
)

// Version is that of the orders below. Daemon and consumer are one executable;
// a consumer that outlives an update of it is told to end.
const Version = 1

// Op is what a message is about.
type Op string

// Orders, with their bodies and files.
const (
	OpHello      Op = "hello"      // Hello; a directory for the spool, if it has one
	OpChannel    Op = "channel"    // Channel; of a ring: the table of its events (Blob)
	OpStream     Op = "stream"     // Stream; of a ring: trace_pipe_raw, stats, ledger; of a shared one: memory, wake-up pipe; else a socket of packets
	OpTable      Op = "table"      // Channel.ID; the table of its events, with more of them (Blob)
	OpMetadata   Op = "metadata"   // Part; text to append (Blob)
	OpRegenerate Op = "regenerate" // Part; text that takes the place of all before (Blob)
	OpEndPart    Op = "end-part"   // Part; its streams are read to their end, and it is forgotten
	OpOutput     Op = "output"     // Output; a directory, or control and data socket; OpCommit or OpDrop follows
	OpCommit     Op = "commit"     // nothing; the output that was prepared takes the place of the one there is
	OpDrop       Op = "drop"       // nothing; the output that was prepared is not wanted
	OpStart      Op = "start"      // nothing
	OpStop       Op = "stop"       // Stop; drains, and waits until all is at its place; Stopped
	OpPause      Op = "pause"      // Pause; reads no further
	OpResume     Op = "resume"     // nothing
	OpFlush      Op = "flush"      // nothing; ends all packets
	OpRotate     Op = "rotate"     // Rotate; the new chunk's directory, if the output is one
	OpSnapshot   Op = "snapshot"   // Snapshot, files as of OpOutput; Status
	OpClear      Op = "clear"      // Rotate, as OpRotate; what was stored is dropped
	OpInject     Op = "inject"     // Inject; the events (Blob)
	OpStatus     Op = "status"     // nothing; Status
	OpPing       Op = "ping"       // nothing; answered at once, whatever else is being done
	OpEnd        Op = "end"        // End; the last order: nothing waits for room any more; Ended
)

// Notices.
const (
	NoticeLost  Op = "lost"  // Lost: the relay is gone, what comes is kept in the spool
	NoticeError Op = "error" // Failure
	NoticeLoss  Op = "loss"  // Loss; at most one a second for each channel
	NoticeSpool Op = "spool" // Spool; when its level has changed
	NoticeWell  Op = "well"  // nothing: the output works again
	NoticeStuck Op = "stuck" // Stuck: a call to the output's file system does not come back; NoticeWell when all have
	NoticeKept  Op = "kept"  // Ended: of an output that another one has replaced
)

// Hello begins a conversation.
type Hello struct {
	Version int    `json:"version"`
	Session string `json:"session"`
	Domain  string `json:"domain"`

	LiveTimer   time.Duration `json:"live_timer,omitempty"`
	Snapshot    bool          `json:"snapshot,omitempty"`     // read on order only
	Realtime    bool          `json:"realtime,omitempty"`     // drain with priority, if allowed
	SpoolMemory int64         `json:"spool_memory,omitempty"` // bytes, of each output
	Hang        time.Duration `json:"hang,omitempty"`         // calls to a file system that take longer are told; 0: 5 s
	// Keep is the name of a trace, below the directory of the spool, for packets
	// that no relay has got at the end.
	Keep string `json:"keep,omitempty"`
}

// FeedChannel is the number of the channel that is a feed.
const FeedChannel = 1<<32 - 1

// Channel makes a channel.
type Channel struct {
	ID             uint32        `json:"id"`
	Name           string        `json:"name"`
	Ring           bool          `json:"ring,omitempty"`   // of the kernel's
	Shared         bool          `json:"shared,omitempty"` // in memory of programs; neither: the source gives whole packets
	PacketBytes    int           `json:"packet_bytes,omitempty"`
	RingBytes      int64         `json:"ring_bytes,omitempty"` // of each stream
	Overwrite      bool          `json:"overwrite,omitempty"`
	SwitchTimer    time.Duration `json:"switch_timer,omitempty"`
	ReadTimer      time.Duration `json:"read_timer,omitempty"`
	TracefileBytes uint64        `json:"tracefile_bytes,omitempty"`
	TracefileCount uint64        `json:"tracefile_count,omitempty"`
	Filters        []Filter      `json:"filters,omitempty"`
	Tell           bool          `json:"tell,omitempty"` // notices of its events are wanted
	// Feed is true where the rings are for what contexts say of threads: nothing of
	// them is in the trace. Clock is of its time stamps. AskTasks has threads looked
	// up of which no event has told, AskOwners owners and priorities when an event
	// tells that they may have changed.
	Feed      bool   `json:"feed,omitempty"`
	Clock     string `json:"clock,omitempty"`
	AskTasks  bool   `json:"ask_tasks,omitempty"`
	AskOwners bool   `json:"ask_owners,omitempty"`
}

// Filter is what the source could not decide: events of these ids are kept only
// if one of the expressions that name them is true.
type Filter struct {
	Events     []uint32 `json:"events"`
	Expression string   `json:"expression"`
}

// Stream adds a stream to a channel.
type Stream struct {
	Channel     uint32 `json:"channel"`
	CPU         uint32 `json:"cpu"`
	SubbufBytes int    `json:"subbuf_bytes,omitempty"`
	// Class is the stream class of rings that are shared.
	Class uint32 `json:"class,omitempty"`
	Part  Part   `json:"part,omitzero"`
	// Resumed is true where another consumer has died over the stream: its ledger
	// tells how far that has come.
	Resumed bool `json:"resumed,omitempty"`
}

// Part is one of several traces that a domain records: its place below that of the
// domain, "" for that itself, and its identity, if it is not that of the domain's tables.
type Part struct {
	Place string   `json:"place,omitempty"`
	UUID  [16]byte `json:"uuid,omitzero"`
}

// Kinds of outputs.
const (
	OutputNone      = "none"
	OutputDirectory = "directory"
	OutputRelay     = "relay"
)

// Output says where packets go from OpCommit on. It takes the place of another one
// at the next packet boundary of each stream, in which nothing can fail but the
// process.
type Output struct {
	Kind string `json:"kind"`
	// Number is by which notices name the output, if it is a relay.
	Number uint64 `json:"number,omitempty"`
	Chunk  Chunk  `json:"chunk"`
	// Relay is a relay.Handle of package client/relay, Trace the place of the
	// domain's streams in the session there, such as "kernel".
	Relay json.RawMessage `json:"relay,omitempty"`
	Trace string          `json:"trace,omitempty"`
	// SpoolDisk is how many bytes may wait for the relay on disk.
	SpoolDisk int64 `json:"spool_disk,omitempty"`
	// Known is true where the relay has streams of a consumer that died.
	Known bool `json:"known,omitempty"`
	// Resume is true where the relay is to have what the spool holds.
	Resume bool `json:"resume,omitempty"`
}

// Chunk is a trace chunk.
type Chunk struct {
	ID    uint64    `json:"id"`
	Begin time.Time `json:"begin"`
}

// Rotate begins a new chunk.
type Rotate struct {
	Chunk Chunk `json:"chunk"`
}

// Stop tells how long to wait for the output.
type Stop struct {
	Settle time.Duration `json:"settle"`
}

// Stopped tells whether everything is at its place: why not, or nothing.
type Stopped struct {
	Unsettled string `json:"unsettled,omitempty"`
}

// End tells how long to wait for a relay that is there, once more.
type End struct {
	Settle time.Duration `json:"settle"`
	Halted bool          `json:"halted,omitempty"` // nothing is recorded any more: rings are read to their end
}

// Ended tells what became of packets that are not at their place.
type Ended struct {
	Kept   uint64   `json:"kept,omitempty"`
	Places []string `json:"places,omitempty"` // of those that are kept: Hello.Keep, or with a number behind it
	Lost   uint64   `json:"lost,omitempty"`   // since the order came
	Events uint64   `json:"events,omitempty"` // that were left in rings
	Error  string   `json:"error,omitempty"`  // first reason
	// Stuck is why it is not known what became of packets of an output's that does not
	// answer.
	Stuck string `json:"stuck,omitempty"`
}

// Pause tells what to do with what has been read.
type Pause struct {
	Now bool `json:"now,omitempty"` // it is not sent
}

// Snapshot records what the rings hold.
type Snapshot struct {
	Output   Output `json:"output"`
	MaxBytes int64  `json:"max_bytes,omitempty"` // the newest packets up to that; 0: all
}

// Inject is a number of events of the daemon's own, such as the state dump.
type Inject struct {
	Channel uint32 `json:"channel"`
}

// Lost tells why the relay is gone, and of which output.
type Lost struct {
	Output uint64 `json:"output"`
	Error  string `json:"error"`
}

// Loss tells what a channel has lost since the last notice: events of which its
// packets tell, and packets.
type Loss struct {
	Channel string `json:"channel"`
	Events  uint64 `json:"events,omitempty"`
	Packets uint64 `json:"packets,omitempty"`
}

// Spool tells how much waits for the relay.
type Spool struct {
	Bytes int64 `json:"bytes"`
	Limit int64 `json:"limit"`
	Full  bool  `json:"full,omitempty"` // nothing is read
}

// Stuck is what the consumer does that does not come to an end.
type Stuck struct {
	What  string    `json:"what"`
	Since time.Time `json:"since"`
}

// Failure is what went wrong without an order.
type Failure struct {
	Error string `json:"error"`
}

// Status is a consumer's account. Counters are from its start.
type Status struct {
	Streams []StreamStatus `json:"streams"`

	Output      string    `json:"output"`                // kind
	Connected   bool      `json:"connected,omitempty"`   // to the relay
	LostAt      time.Time `json:"lost_at,omitzero"`      // of the relay
	LastError   string    `json:"last_error,omitempty"`  // of the output
	SpoolBytes  int64     `json:"spool_bytes,omitempty"` // not confirmed
	SpoolOldest time.Time `json:"spool_oldest,omitzero"`
	SpoolFull   bool      `json:"spool_full,omitempty"`
	Stuck       []Stuck   `json:"stuck,omitempty"` // what does not come back from a file system
}

// StreamStatus is the account of one stream.
type StreamStatus struct {
	Channel   uint32 `json:"channel"`
	CPU       uint32 `json:"cpu"`
	Packets   uint64 `json:"packets"`
	Bytes     uint64 `json:"bytes"`
	Events    uint64 `json:"events"`
	Discarded uint64 `json:"discarded"`
	Lost      uint64 `json:"packets_lost,omitempty"`
	Confirmed uint64 `json:"packets_confirmed,omitempty"`
	Unknown   uint64 `json:"unknown_events,omitempty"`
	Bad       uint64 `json:"bad_records,omitempty"`
	Clamped   uint64 `json:"clamped,omitempty"`
	RingBytes uint64 `json:"ring_bytes,omitempty"`
	Usage     uint64 `json:"usage_bytes,omitempty"` // of the ring
}
