// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ustsource

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/internal/complaint"
	"github.com/weir-io/weir/internal/source"
	"github.com/weir-io/weir/internal/traceclock"
	"github.com/weir-io/weir/internal/ust/wire"
)

// Domain is the name of the domain.
const Domain = "ust"

const (
	// Defaults of channels, which are LTTng's.
	defaultSubbufBytes = 512 << 10
	ownSubbufBytes     = 16 << 10 // of one program
	defaultSubbufCount = 4
	defaultMonitor     = time.Second
)

// Options says where programs find the daemon.
type Options struct {
	Log *slog.Logger
	Dir string // of the socket
	// Take has the socket taken over from another session daemon.
	Take bool
	// Wait is the memory file by which programs wait for a daemon; "": none.
	Wait string
}

// Source is the applications of this host. It is safe for concurrent use.
type Source struct {
	// Immutable.
	opts Options
	log  *slog.Logger
	cpus uint32 // that the host may have
	// How long a program may take for what it is asked at once, and for a list.
	patience, listPatience time.Duration

	listener *net.UnixListener // set by Listen; nil: none
	accept   func() (*net.UnixConn, error)
	problem  atomic.Pointer[error] // why no program can register
	work     sync.WaitGroup        // goroutines of programs

	complaints complaint.Limiter

	mu       sync.Mutex // guards what follows
	closed   bool
	programs []*program
	halves   map[halfKey]*half
	// Connections that are no program yet.
	fresh        int
	newOfUser    map[uint32]int
	newOfProcess map[int32]int
	traces       []*trace
	strange      map[string]bool // programs that cannot be served, by kind: told once
}

// DefaultOptions are those of a daemon of root's, or of a user's: where LTTng-UST looks.
func DefaultOptions() Options {
	if os.Geteuid() == 0 {
		return Options{Dir: "/var/run/lttng", Wait: "/dev/shm/lttng-ust-wait-8"}
	}
	home := os.Getenv("LTTNG_HOME")
	if home == "" {
		home = os.Getenv("HOME")
	}
	o := Options{Wait: fmt.Sprintf("/dev/shm/lttng-ust-wait-8-%d", os.Getuid())}
	if home != "" {
		o.Dir = filepath.Join(home, ".lttng")
	}
	return o
}

// New makes the source. Nothing is opened yet.
func New(o Options) *Source {
	s := &Source{
		opts: o, log: o.Log, cpus: possibleCPUs(), patience: jobTimeout, listPatience: listTimeout,
		halves: make(map[halfKey]*half), newOfUser: make(map[uint32]int), newOfProcess: make(map[int32]int), strange: make(map[string]bool),
	}
	err := errors.New("the daemon does not listen yet")
	s.problem.Store(&err)
	return s
}

// Domain implements source.Source.
func (s *Source) Domain() string { return Domain }

// Check implements source.Source. Everybody may trace their own programs.
func (s *Source) Check(bool) error {
	if err := s.problem.Load(); err != nil {
		return agent.NewProblem(agent.CodeNotSupported, fmt.Sprintf("domain ust: %v", *err))
	}
	return nil
}

// Defaults implements source.Source.
func (s *Source) Defaults(mode agent.Mode) agent.ChannelSettings {
	return agent.ChannelSettings{
		SubbufBytes: defaultSubbufBytes, SubbufCount: defaultSubbufCount, Overwrite: mode == agent.Snapshot, MonitorTimer: defaultMonitor,
	}
}

// Blocks implements source.Blocking.
func (s *Source) Blocks() {}

// Open implements source.Source.
func (s *Source) Open(info source.SessionInfo) (source.Trace, error) {
	if info.Clock != "" && info.Clock != traceclock.Mono {
		return nil, agent.NewProblem(agent.CodeInvalid, "domain ust: clock "+info.Clock+": programs know mono only")
	}
	t := &trace{
		s: s, info: info, wanted: make(chan struct{}, 1), changed: make(chan struct{}),
		parts: make(map[owner]*part), places: make(map[string]time.Time), told: make(map[uint32]int),
	}
	t.addPart(owner{uid: info.Owner}, info.UUID) // which is there whether or not the owner has programs
	s.mu.Lock()
	defer s.mu.Unlock()
	s.traces = append(s.traces, t)
	return t, nil
}

// OwnDefaults implements source.ByProgram.
func (s *Source) OwnDefaults(mode agent.Mode) agent.ChannelSettings {
	set := s.Defaults(mode)
	set.SubbufBytes = ownSubbufBytes
	return set
}

// env is what readers are told of the host, and of the program where one has the trace.
func env(info source.SessionInfo, of owner) []schema.EnvEntry {
	text := func(name, value string) schema.EnvEntry { return schema.EnvEntry{Name: name, String: value} }
	number := func(name string, n int64) schema.EnvEntry { return schema.EnvEntry{Name: name, IsInt: true, Int: n} }
	scheme, id, version := "uid", int64(of.uid), wire.Version{Major: 2, Minor: 13}
	if of.p != nil {
		scheme, id, version = "pid", int64(of.p.pid), of.p.version
	}
	all := []schema.EnvEntry{
		text("domain", Domain),
		text("tracer_name", "lttng-ust"),
		number("tracer_major", int64(version.Major)),
		number("tracer_minor", int64(version.Minor)),
		text("tracer_buffering_scheme", scheme),
		number("tracer_buffering_id", id),
		number("architecture_bit_width", 64),
		text("hostname", info.Hostname),
		text("trace_name", info.Name),
		text("trace_creation_datetime", info.Created),
	}
	if of.p == nil {
		return all
	}
	return append(all,
		number("tracer_patchlevel", int64(version.Patch)),
		number("vpid", int64(of.p.vpid)),
		text("procname", of.p.name),
		text("vpid_datetime", of.p.came.Format("20060102T150405-0700")),
	)
}

// permits reports whether a session of an owner may trace a user's programs.
func permits(owner, uid uint32) bool { return owner == 0 || owner == uid }

// forget takes a trace out.
func (s *Source) forget(t *trace) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.traces = slices.DeleteFunc(s.traces, func(o *trace) bool { return o == t })
}

// all returns the programs that there are.
func (s *Source) all() []*program {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.programs)
}

// sessions returns the traces that there are.
func (s *Source) sessions() []*trace {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.traces)
}

// possibleCPUs is how many processors the host may have: the rings of a channel.
func possibleCPUs() uint32 {
	text, err := os.ReadFile("/sys/devices/system/cpu/possible")
	if err == nil {
		if n := lastCPU(string(text)) + 1; n > 0 {
			return uint32(n)
		}
	}
	return uint32(onlineCPUs())
}
