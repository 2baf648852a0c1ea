// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/source"
)

// Options configure a daemon. Log, Sources and Consumer are required.
type Options struct {
	Log     *slog.Logger
	Sources []source.Source
	// Loggers are domains whose events are recorded as those of another one.
	Loggers []source.Loggers

	// Consumer is the program of consumer processes, and its arguments.
	Consumer []string
	// ConsumerUID and ConsumerGID are whom they run as; 0: as this process.
	ConsumerUID, ConsumerGID uint32
	// Realtime lets them drain rings with priority over ordinary threads.
	Realtime bool

	// Observe is told of everything that happens, and to whose session, if it is
	// there. It must not call back.
	Observe func(owner uint32, n agent.Notice)

	Hostname    string // of traces; "": the kernel's
	SpoolDir    string // "": no packets are kept on disk
	SpoolMemory int64  // bytes; 0: 64 MiB
	SpoolDisk   int64  // bytes, where a session does not say; 0: 1 GiB

	// Upkeep is how often sessions look for events and processors that have come;
	// 0: 10 s.
	Upkeep time.Duration
	// HangTimeout is how long a consumer's call to a file system may take before that
	// is told; 0: 5 s.
	HangTimeout time.Duration
	// PingTimeout is how long a consumer process may give no answer before it is
	// killed, and another one started; 0: 15 s.
	PingTimeout time.Duration
}

// Caller is who gives a command.
type Caller struct {
	PID      int32
	UID, GID uint32
	Tracing  bool // may trace the kernel
}

// Daemon holds the sessions of a host.
type Daemon struct {
	// Immutable.
	opts    Options
	log     *slog.Logger
	uuid    [16]byte // of this run of the daemon, to relays
	watches watchers

	mu       sync.Mutex
	sessions []*Session     // guarded by mu; in the order of creation
	leaving  []*Session     // guarded by mu; that are being destroyed and not found any more
	last     uint64         // guarded by mu; id of the last session
	triggers []*trigger     // guarded by mu
	stopped  bool           // guarded by mu
	work     sync.WaitGroup // ends of leaving sessions; added to under mu, not once stopped
}

const (
	defaultSpoolMemory = 64 << 20
	defaultSpoolDisk   = 1 << 30
	// maxNameBytes leaves room for what names of files have behind that of a session
	// or snapshot: its time, and a number.
	maxNameBytes = 255 - len("-20060102-150405-000000")
	maxSessions  = 1024
)

// New makes a daemon without sessions. Close ends it.
func New(o Options) (*Daemon, error) {
	if o.Log == nil || len(o.Sources) == 0 || len(o.Consumer) == 0 {
		return nil, errors.New("session: Options.Log, Sources and Consumer are required")
	}
	if o.Hostname == "" {
		o.Hostname = hostname()
	}
	o.SpoolMemory = cmp.Or(o.SpoolMemory, defaultSpoolMemory)
	o.SpoolDisk = cmp.Or(o.SpoolDisk, defaultSpoolDisk)
	o.Upkeep = cmp.Or(o.Upkeep, defaultUpkeep)
	o.PingTimeout = cmp.Or(o.PingTimeout, defaultPingTimeout)
	d := &Daemon{opts: o, log: o.Log}
	rand.Read(d.uuid[:])
	return d, nil
}

// source returns a domain that the caller may use.
func (d *Daemon) source(by Caller, domain string) (source.Source, error) {
	if err := d.noLoggers(domain); err != nil {
		return nil, err
	}
	for _, s := range d.opts.Sources {
		if s.Domain() == domain {
			return s, s.Check(by.Tracing)
		}
	}
	return nil, problemf(agent.CodeInvalid, "domain %q: want one of %s", domain, strings.Join(d.domains(), ", "))
}

func (d *Daemon) domains() []string {
	var all []string
	for _, s := range d.opts.Sources {
		all = append(all, s.Domain())
	}
	for _, l := range d.opts.Loggers {
		all = append(all, l.Domain())
	}
	return all
}

// session looks a session up. A caller's own come first; root finds those of
// others too.
func (d *Daemon) session(by Caller, name string) (*Session, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var others *Session
	for _, s := range d.sessions {
		switch {
		case s.name != name:
		case s.uid == by.UID:
			return s, nil
		case by.UID == 0:
			others = s
		}
	}
	if others != nil {
		return others, nil
	}
	return nil, problemf(agent.CodeSessionNotFound, "session %s not found", name)
}

// Create makes a session. With a destination its consumer is enabled too.
func (d *Daemon) Create(ctx context.Context, by Caller, r agent.CreateSession) (agent.Session, agent.Done, error) {
	var done agent.Done
	now := time.Now()
	auto := r.Name == ""
	if auto {
		r.Name = "auto-" + now.Format(timeLayout)
	}
	if err := checkName(r.Name); err != nil {
		return agent.Session{}, done, err
	}
	s := newSession(d, by, r, auto, now)
	s.mu.Lock() // before others can find it
	defer s.mu.Unlock()
	if err := d.add(s); err != nil {
		return agent.Session{}, done, err
	}
	if err := s.begin(ctx, r, &done); err != nil {
		s.gone = true
		d.remove(s)
		return agent.Session{}, done, err
	}
	d.log.Info("session created", "session", s.name, "mode", s.mode, "output", s.consumer.describe())
	d.notify(s, "state", "created")
	done.Names = []string{s.name}
	s.remember()
	return s.document(ctx), done, nil
}

func checkName(name string) error {
	switch {
	case len(name) > maxNameBytes:
		return problemf(agent.CodeBadSessionName, "session name of %d bytes: want at most %d", len(name), maxNameBytes)
	case name == "." || name == ".." || strings.Contains(name, "/") || strings.ContainsFunc(name, unicode.IsControl):
		return problemf(agent.CodeBadSessionName, "session name %q: want a name without '/' and control characters that is not . or ..", name)
	}
	return nil
}

// add enters a session into the table.
func (d *Daemon) add(s *Session) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped {
		return problemf(agent.CodeNoDaemon, "the session daemon is stopping")
	}
	owners := make([]uint32, 0, len(d.sessions)+len(d.leaving))
	for _, old := range slices.Concat(d.sessions, d.leaving) {
		owners = append(owners, old.uid)
	}
	if err := sessionQuota.check(s.uid, owners); err != nil {
		return err
	}
	for _, old := range d.sessions {
		if old.uid == s.uid && old.name == s.name {
			return problemf(agent.CodeSessionExists, "session %s exists already", s.name)
		}
	}
	d.last++
	s.id = d.last
	d.sessions = append(d.sessions, s)
	return nil
}

func (d *Daemon) remove(s *Session) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sessions = slices.DeleteFunc(d.sessions, func(o *Session) bool { return o == s })
	d.leaving = slices.DeleteFunc(d.leaving, func(o *Session) bool { return o == s })
}

// visible returns the sessions that a caller may see.
func (d *Daemon) visible(by Caller) []*Session {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []*Session
	for _, s := range d.sessions {
		if by.UID == 0 || s.uid == by.UID {
			all = append(all, s)
		}
	}
	return all
}

// Sessions describes the sessions that a caller may see.
func (d *Daemon) Sessions(by Caller) []agent.Session {
	all := []agent.Session{}
	for _, s := range d.visible(by) {
		if doc, ok := s.look(); ok {
			all = append(all, doc)
		}
	}
	return all
}

// Session describes one.
func (d *Daemon) Session(by Caller, name string) (doc agent.Session, err error) {
	s, err := d.session(by, name)
	if err != nil {
		return doc, err
	}
	doc, ok := s.look()
	if !ok {
		return doc, problemf(agent.CodeSessionNotFound, "session %s not found", name)
	}
	return doc, nil
}

// with does something with a session, under its lock.
func (d *Daemon) with(by Caller, name string, do func(*Session) error) error {
	s, err := d.session(by, name)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return problemf(agent.CodeSessionNotFound, "session %s not found", name)
	}
	defer s.remember()
	return do(s)
}
