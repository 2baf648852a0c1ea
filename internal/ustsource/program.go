// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ustsource

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/ust/wire"
)

// program is one that has registered.
type program struct {
	// Immutable.
	s        *Source
	log      *slog.Logger
	pid      int32
	vpid     int32 // in its own name space
	uid, gid uint32
	name     string
	came     time.Time
	notify   *net.UnixConn
	jobs     chan func()
	gone     chan struct{} // closed by leave

	// Owned by the worker.
	link     link
	version  wire.Version
	attached map[*trace]*attachment

	leaving sync.Once
	asking  atomic.Bool // how it was called

	mu       sync.Mutex // guards what follows
	sessions map[uint32]*trace
	buffers  map[uint32]*buffers // by the handles of channels
	out      map[uint32]bool     // channels that it is left out of, by their handles
}

// maxJobs is how many may wait for a program: one for each session that waits, mostly.
const maxJobs = 16

func newProgram(s *Source, cred unix.Ucred, reg wire.Registration, command, notify *net.UnixConn) *program {
	return &program{
		s: s, log: s.log.With("pid", cred.Pid, "uid", cred.Uid, "name", reg.Name),
		pid: cred.Pid, vpid: int32(reg.PID), uid: cred.Uid, gid: cred.Gid, name: reg.Name, came: time.Now(),
		notify: notify, jobs: make(chan func(), maxJobs), gone: make(chan struct{}),
		link: link{conn: command}, attached: make(map[*trace]*attachment),
		sessions: make(map[uint32]*trace), buffers: make(map[uint32]*buffers), out: make(map[uint32]bool),
	}
}

// String names the program for people.
func (p *program) String() string { return nameProgram(p.name, p.pid, p.uid) }

func nameProgram(name string, pid int32, uid uint32) string {
	return fmt.Sprintf("%q (process %d of user %d)", name, pid, uid)
}

// leave lets go of the program: it is told if there is a reason, but for its end.
func (p *program) leave(err error) {
	p.leaving.Do(func() {
		if err != nil && !ended(err) {
			p.s.complaints.Warn(p.log, "application dropped", "err", err)
			p.s.tellDropped(p.uid, fmt.Sprintf("%s: %v", p, err))
		}
		close(p.gone)
		p.link.conn.Close()
		p.notify.Close()
	})
}

// tellDropped has sessions tell of a user's program that is served no more, or not at all.
func (s *Source) tellDropped(uid uint32, text string) {
	for _, t := range s.sessions() {
		if permits(t.info.Owner, uid) {
			t.mu.Lock()
			t.drops.add(text)
			t.mu.Unlock()
		}
	}
}

// ended reports whether an error is that of a program that has ended.
func ended(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) || errors.Is(err, wire.CodeExiting)
}

// leave takes a program out, of which nothing goes on any more.
func (s *Source) leave(p *program) {
	s.mu.Lock()
	s.programs = slices.DeleteFunc(s.programs, func(o *program) bool { return o == p })
	traces := slices.Clone(s.traces)
	s.mu.Unlock()
	for _, t := range traces {
		t.endPart(p)
	}
}

// serve serves the program until it is gone.
func (p *program) serve() {
	var listening sync.WaitGroup
	listening.Go(func() { p.leave(p.listen()) })
	p.timed(func() {
		if err := p.welcome(); err != nil {
			p.leave(err)
		}
	})
	for {
		select {
		case job := <-p.jobs:
			p.timed(job)
		case <-p.gone:
			listening.Wait()
			return
		}
	}
}

// timed does a job, which may take so long: a command that is given later fails.
func (p *program) timed(job func()) {
	p.link.until = time.Now().Add(p.s.patience)
	job()
}

// welcome tells a new program all that there is, and that it need not wait any more.
func (p *program) welcome() error {
	r, err := p.link.call(wire.Command{Handle: wire.Root, Op: wire.OpTracerVersion}, nil)
	if err != nil {
		return err
	}
	if p.version, err = wire.ParseVersion(r.Body); err != nil {
		return err
	}
	for _, t := range p.s.sessions() {
		p.follow(t)
	}
	_, err = p.link.simple(wire.Root, wire.OpRegisterDone)
	return err
}

// do has the worker do something; the channel is closed when that is done, or the
// program is gone.
func (p *program) do(job func()) <-chan struct{} {
	done := make(chan struct{})
	wrapped := func() {
		defer close(done)
		job()
	}
	select {
	case p.jobs <- wrapped:
	case <-p.gone:
		return p.gone
	}
	either := make(chan struct{})
	go func() { // ends with the job or the program
		defer close(either)
		select {
		case <-done:
		case <-p.gone:
		}
	}()
	return either
}

// dumpState has the program record its state, if it records.
func (p *program) dumpState(t *trace) {
	a := p.attached[t]
	if a == nil || !a.active {
		return
	}
	_, err := p.link.simple(a.handle, wire.OpStatedump)
	p.settle(t, err)
}

// follow tells the program what a trace wants of it and it does not know yet. What
// goes wrong is the end of the program here, or told once.
func (p *program) follow(t *trace) {
	w, ok := t.wants(p)
	if !ok && p.attached[t] == nil {
		return
	}
	p.settle(t, p.bring(t, w))
}

// settle takes what has come of a command.
func (p *program) settle(t *trace, err error) {
	switch {
	case err == nil:
	case isBroken(err):
		p.leave(err)
	case errors.Is(err, errClosed): // and nothing is wanted any more
	default:
		var code wire.Code
		if errors.As(err, &code) { // else it is the daemon that could not
			t.limit("%s does not do what is wanted: %v", p, err)
		}
		p.s.complaints.Warn(p.log, "application does not do what a session wants, or cannot be told", "session", t.info.Name, "err", err)
	}
}
