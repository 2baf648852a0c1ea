// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"os"
	"time"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/handover"
)

// Source is a domain. Its methods may be called from several goroutines.
type Source interface {
	// Domain is its name in commands and, as a directory, in the output.
	Domain() string
	// Check tells why the domain cannot be used by a user; nil if it can.
	Check(tracing bool) error
	// Defaults are the settings of a channel where the user gives none.
	Defaults(mode agent.Mode) agent.ChannelSettings
	// Open begins a trace of the domain. Nothing is recorded yet.
	Open(SessionInfo) (Trace, error)
}

// SessionInfo is what a trace tells of the session it belongs to.
type SessionInfo struct {
	ID        uint64
	Name      string
	Owner     uint32 // user that has made it
	Mode      agent.Mode
	UUID      [16]byte // of the trace
	Hostname  string
	Created   string // YYYYMMDDTHHMMSS+ZZZZ
	Clock     string // of the kernel's trace clocks
	Naming    string
	TraceSelf bool
	// HashPointers has values of pointers replaced by hashes.
	HashPointers bool
	LiveTimer    time.Duration // longest silence of a stream; 0: not live
	// Publish is called, if it is there, once events are declared and before any
	// of them is recorded.
	Publish func() error
	// Wake has a trace that is a Follower asked to follow soon. It may be called by
	// anybody, at any time, and waits for nothing.
	Wake func()
}

// Trace is what one session records of a domain. The session calls it under its
// own lock.
type Trace interface {
	// Channel makes a channel with a number of its own.
	Channel(id uint32, name string, s agent.ChannelSettings) (Channel, error)
	// Metadata returns the text that was not returned before.
	Metadata() ([]byte, error)
	// Regenerate returns all text, with what time is now.
	Regenerate() ([]byte, error)
	// Track restricts the trace to processes; nil stands for all.
	Track(pids []int32) error
	// StateDump returns the events, for a consumer to write into a channel, that
	// tell what was so before the first event; nil if there are none.
	StateDump() (channel uint32, events []byte, err error)
	// Exclude tells of the trace's own processes, of the daemon's: what they do is
	// left out of all traces of the domain but those with TraceSelf.
	Exclude(pids []int32) error
	Close() error
}

// Channel is a set of rings. Rules and contexts come before the first Start.
type Channel interface {
	// AddRule chooses events. It says how many, who evaluates the filter, and
	// what was refused though the rest was taken.
	AddRule(r *agent.EventRule) (warnings []error, err error)
	// SetRule enables or disables a rule that was added.
	SetRule(r *agent.EventRule, on bool) error
	AddContext(name string) error
	// Prepare makes everything that a consumer needs: after it, rings can be read.
	Prepare() error
	// Describe completes what the consumer is told; the file is the table of a
	// ring's events, nil for other streams.
	Describe(*handover.Channel) (table *os.File, err error)
	// Streams opens what there is to read. The files are the caller's.
	Streams() ([]Stream, error)
	// Start and Stop turn recording on and off.
	Start() error
	Stop() error
}

// Stream is one ring, or socket.
type Stream struct {
	CPU         uint32
	SubbufBytes int
	Resumed     bool // a consumer that died has read it before
	// Class is the stream class where a channel has several, and Part whose trace it is in
	// where the domain has several; else 0 and the domain's.
	Class uint32
	Part  handover.Part
	Files []*os.File
}
