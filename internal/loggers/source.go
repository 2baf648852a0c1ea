// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package loggers

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/complaint"
	"github.com/weir-io/weir/internal/loggers/wire"
	"github.com/weir-io/weir/internal/source"
)

// Ports that are tried, the first free one, where nobody says which. They are LTTng's.
const (
	DefaultPort = 5345
	lastPort    = 5354
)

// Options says where agents find the daemon.
type Options struct {
	Log *slog.Logger
	Dir string // of the file that tells the port; "": agents are not served
	// Port on the loopback interface; 0: one of the usual ones.
	Port uint16
}

// Source is the agents of this host. It is safe for concurrent use.
type Source struct {
	// Immutable.
	opts     Options
	log      *slog.Logger
	patience time.Duration // how long an agent may take

	listener *net.TCPListener // set by Listen; nil: none
	accept   func() (*net.TCPConn, error)
	problem  atomic.Pointer[error] // why no agent can register
	work     sync.WaitGroup        // goroutines of programs

	complaints complaint.Limiter

	mu       sync.Mutex // guards what follows
	closed   bool
	pending  []net.Conn // that have not registered yet, the oldest first
	programs []*program
	traces   []*Trace
}

// New makes the source. Nothing is opened yet.
func New(o Options) *Source {
	s := &Source{opts: o, log: o.Log, patience: answerTimeout}
	s.fail(errors.New("the daemon does not listen yet"))
	return s
}

// fail has Check tell why no agent can register.
func (s *Source) fail(err error) { s.problem.Store(&err) }

// Check tells why no agent can register; nil if they can.
func (s *Source) Check() error {
	if err := s.problem.Load(); err != nil {
		return agent.NewProblem(agent.CodeNotSupported, fmt.Sprintf("agents of Python and Java programs: %v", *err))
	}
	return nil
}

// Domains returns the domains.
func (s *Source) Domains() []source.Loggers {
	var all []source.Loggers
	for _, d := range domains {
		all = append(all, &Domain{s, d})
	}
	return all
}

// permits reports whether a session of an owner may trace a user's programs.
func permits(owner, uid uint32) bool { return owner == 0 || owner == uid }

// all returns the programs of a domain that there are.
func (s *Source) all(d wire.Domain) (all []*program) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.programs {
		if p.domain == d {
			all = append(all, p)
		}
	}
	return all
}

// sessions returns the traces of a domain that there are.
func (s *Source) sessions(d wire.Domain) (all []*Trace) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.traces {
		if t.d == d {
			all = append(all, t)
		}
	}
	return all
}

// leave takes a program out.
func (s *Source) leave(p *program) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.programs = slices.DeleteFunc(s.programs, func(o *program) bool { return o == p })
}
