// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/source"
)

const (
	timeLayout       = "20060102-150405" // in names
	defaultLiveTimer = time.Second
	// finishTimeout is how long stop and destroy wait for the consumer.
	finishTimeout = 10 * time.Second
	// drainTimeout is how long the rings may take, beside the output.
	drainTimeout = 5 * time.Second
)

// Session is a tracing session.
type Session struct {
	// Immutable after Daemon.add.
	d        *Daemon
	log      *slog.Logger
	id       uint64
	name     string
	auto     bool // the name has the time in it
	uid, gid uint32
	tracing  bool // the creator may trace the kernel
	mode     agent.Mode
	live     time.Duration
	created  time.Time
	hostname string
	clock    string
	naming   string
	self     bool   // the daemon's own threads are traced
	hash     bool   // the kernel's pointers are hashed
	base     string // directory of traces that no destination is given for

	last     atomic.Pointer[agent.Session] // as after the last command
	rotating atomic.Bool                   // a rotation goes on that nobody waits for

	mu       *turn // held for whole commands; all below is guarded by it
	gone     bool
	active   bool
	started  bool // once at least
	failed   string
	consumer consumer
	domains  []*domain
	logging  []*loggers
	pids     map[string][]int32 // tracked, by domain; nil: all
	chunk    uint64             // current
	rotated  uint64
	empty    bool // the current chunk: begun when the session was stopped
	schedule schedule
	outputs  []snapshotOutput
	lastOut  uint32
	snaps    uint64 // snapshots recorded

	users      map[string]handover.Users // tracked, by domain
	stoppedAt  time.Time
	onMatch    func(events uint64) // of a session that is a trigger's own; nil: of a user's
	processes  sync.Map            // *process that live; not guarded
	stuck      sync.Map            // handover.Stuck of outputs that do not answer, by domain; not guarded
	background sync.WaitGroup      // goroutines of the session
	stop       context.CancelFunc  // ends them
	ctx        context.Context
}

// newSession makes a session that nobody knows yet.
func newSession(d *Daemon, by Caller, r agent.CreateSession, auto bool, now time.Time) *Session {
	s := &Session{
		d: d, name: r.Name, auto: auto, uid: by.UID, gid: by.GID, tracing: by.Tracing, mode: r.Mode, live: r.LiveTimer, created: now,
		hostname: r.Hostname, clock: r.Clock, naming: r.Naming, self: r.TraceSelf, hash: r.HashPointers, pids: make(map[string][]int32),
		users: make(map[string]handover.Users),
	}
	if s.mode == "" {
		s.mode = agent.Normal
	}
	if s.hostname == "" {
		s.hostname = d.opts.Hostname
	}
	if s.mode == agent.Live && s.live == 0 {
		s.live = defaultLiveTimer
	}
	home := r.Home
	if home == "" {
		home = os.TempDir()
	}
	s.base = filepath.Join(home, "weir-traces", s.directoryName())
	s.mu = newTurn()
	s.log = d.log.With("session", s.name)
	s.ctx, s.stop = context.WithCancel(context.Background())
	return s
}

// directoryName is the name of the session's directory.
func (s *Session) directoryName() string {
	if s.auto {
		return s.name
	}
	return s.name + "-" + s.created.Format(timeLayout)
}

// hostname is the kernel's name of this host.
func hostname() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return "localhost"
	}
	return unix.ByteSliceToString(u.Nodename[:])
}

// begin gives a new session its consumer.
func (s *Session) begin(ctx context.Context, r agent.CreateSession, done *agent.Done) error {
	s.consumer = consumer{s: s, state: agent.ConsumerNone, since: time.Now()}
	if s.live < 0 || s.live > 0 && s.mode != agent.Live {
		return problemf(agent.CodeInvalid, "live timer %v of a session that is %s: want one above 0, of a live session", s.live, s.mode)
	}
	if err := checkTimer("live timer", s.live, minTimer); err != nil {
		return err
	}
	uris := r.URIs
	switch s.mode {
	case agent.Normal:
		if len(uris) == 0 {
			uris = []agent.URI{localURI(s.base)}
		}
	case agent.Live:
		if len(uris) == 0 {
			uris = []agent.URI{{
				DestinationType: agent.DestinationIPv4, Type: agent.Destination, Stream: agent.BothStreams,
				Protocol: agent.TCP, Family: 4, Address: "127.0.0.1",
			}}
		}
		if isLocal(uris) {
			return problemf(agent.CodeInvalid, "a live session needs a network output")
		}
	case agent.Snapshot:
		if len(uris) == 0 {
			uris = []agent.URI{localURI(s.base)}
		}
		_, err := s.addOutput(agent.SnapshotOutput{Name: "snapshot-1", URIs: uris})
		return err
	case agent.NoOutput:
		if len(uris) > 0 {
			return problemf(agent.CodeInvalid, "a session without output takes no destination")
		}
		return nil
	default:
		return problemf(agent.CodeInvalid, "mode %q: want %s, %s, %s or %s", s.mode, agent.Normal, agent.Live, agent.Snapshot, agent.NoOutput)
	}
	if err := s.consumer.setTemplate(uris); err != nil {
		return err
	}
	if isLocal(uris) { // enabled implicitly; nothing to connect
		return s.enableConsumer(ctx, agent.EnableConsumer{}, done)
	}
	return nil
}

// document describes the session.
func (s *Session) document(ctx context.Context) agent.Session {
	doc := agent.Session{
		Name: s.name, ID: s.id, UID: s.uid, GID: s.gid, Mode: s.mode, State: agent.Inactive, Created: s.created,
		LiveTimer: s.live, Output: s.consumer.describe(), Domains: []agent.Domain{}, Rotation: s.schedule.RotationSchedule,
		Chunks: s.rotated, Clock: s.clock, Naming: s.naming, TraceSelf: s.self, HashPointers: s.hash,
	}
	if s.hostname != s.d.opts.Hostname {
		doc.Hostname = s.hostname
	}
	switch {
	case s.failed != "":
		doc.State = agent.Failed
		doc.Warnings = append(doc.Warnings, s.failed)
	case s.active:
		doc.State = agent.Active
	}
	doc.Consumer = s.consumer.document()
	doc.Warnings = append(doc.Warnings, s.stuckTexts()...)
	for _, m := range s.domains {
		domain, broken := m.document(ctx, &doc.Consumer)
		doc.Domains = append(doc.Domains, domain)
		doc.Warnings = append(doc.Warnings, m.left...)
		if text := m.halfText(); text != "" {
			doc.Warnings = append(doc.Warnings, text)
		}
		if broken && doc.State == agent.Active {
			doc.State = agent.OutputError
		}
		if m.proc != nil {
			if text := m.proc.silent.text(m, m.proc); text != "" {
				doc.Warnings = append(doc.Warnings, text)
			}
		}
		if w, ok := m.trace.(source.Warner); ok {
			doc.Warnings = append(doc.Warnings, w.Warnings()...)
		}
		if to, read := s.users[m.src.Domain()], m.readUsers(); read && (to.UIDs != nil || to.GIDs != nil) {
			doc.Warnings = append(doc.Warnings, usersNote)
		}
	}
	for _, l := range s.logging {
		doc.Domains = append(doc.Domains, l.document())
	}
	return doc
}

// lookPatience is how long who looks at a session waits for a command to end.
const lookPatience = 250 * time.Millisecond

// look describes the session; while a command is carried out, as it was before.
// Without one any more it reports false.
func (s *Session) look() (agent.Session, bool) {
	if !s.mu.lockWithin(lookPatience) {
		doc := s.last.Load()
		if doc == nil {
			return agent.Session{}, false // being created
		}
		busy := *doc
		busy.Warnings = append(append(slices.Clone(doc.Warnings), s.stuckTexts()...), "a command is being carried out; this is how the session was before")
		return busy, true
	}
	defer s.mu.Unlock()
	if s.gone {
		return agent.Session{}, false
	}
	return s.document(context.Background()), true
}

// remember keeps the description for those who look while a command runs.
func (s *Session) remember() {
	doc := s.document(context.Background())
	s.last.Store(&doc)
}
