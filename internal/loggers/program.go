// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package loggers

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/loggers/wire"
)

const (
	// answerTimeout is how long an agent may take for what it is asked at once. It may be
	// stopped for longer by a debugger: it is dropped then, and registers again.
	answerTimeout = 5 * time.Second
	// maxJobs is how many may wait for an agent: one for each session that waits, mostly.
	maxJobs = 16
)

// Reasons to drop an agent.
var (
	errUnasked = errors.New("it says something that it was not asked")
	errSlow    = errors.New("it gives no answer in time")
)

// program is one whose agent has registered.
type program struct {
	// Immutable.
	s        *Source
	log      *slog.Logger
	domain   wire.Domain
	pid      int32
	uid      uint32
	name     string
	conn     net.Conn
	jobs     chan func()
	gone     chan struct{} // closed by leave
	expected chan *answer  // that the reader waits for

	// Owned by the worker.
	told map[*Trace]*knowledge
	late <-chan time.Time // has one when the job takes too long

	leaving sync.Once
}

// knowledge is what an agent was told of a session.
type knowledge struct {
	rules    []wire.Rule
	contexts []wire.Context
}

func newProgram(s *Source, conn net.Conn, reg wire.Registration, uid uint32, name string) *program {
	return &program{
		s: s, log: s.log.With("domain", reg.Domain.String(), "pid", reg.PID, "uid", uid, "name", name),
		domain: reg.Domain, pid: int32(reg.PID), uid: uid, name: name, conn: conn,
		jobs: make(chan func(), maxJobs), gone: make(chan struct{}), expected: make(chan *answer, 1), told: make(map[*Trace]*knowledge),
	}
}

// leave lets go of the agent: it is told if there is a reason, but for its end.
func (p *program) leave(err error) {
	p.leaving.Do(func() {
		if err != nil && !ended(err) {
			p.s.complaints.Warn(p.log, "agent dropped", "err", err)
		}
		close(p.gone)
		p.conn.Close()
	})
}

// ended reports whether an error is that of a program that has ended.
func ended(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET)
}

// serve serves the agent until it is gone.
func (p *program) serve() {
	var listening sync.WaitGroup
	listening.Go(func() { p.leave(p.listen()) })
	p.timed(p.welcome)
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

// timed does a job, which may take so long.
func (p *program) timed(job func()) {
	timer := time.NewTimer(p.s.patience)
	defer timer.Stop()
	p.late = timer.C
	job()
}

// welcome tells a new agent all that there is, and that it need not wait any more.
func (p *program) welcome() {
	for _, t := range p.s.sessions(p.domain) {
		p.follow(t)
	}
	if err := p.send(wire.AppendPlain(nil, wire.OpDone)); err != nil {
		p.leave(err)
	}
}

// do has the worker do something; the channel is closed when that is done, or the agent
// is gone.
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
	go func() { // ends with the job or the agent
		defer close(either)
		select {
		case <-done:
		case <-p.gone:
		}
	}()
	return either
}

// follow tells the agent what a session wants and it does not know yet.
func (p *program) follow(t *Trace) {
	rules, contexts := t.wants(p.uid)
	k := p.told[t]
	if k == nil {
		k = &knowledge{}
		p.told[t] = k
	}
	old := *k
	k.rules, k.contexts = rules, contexts
	if len(rules)+len(contexts) == 0 {
		delete(p.told, t)
	}
	var orders [][]byte
	for _, c := range missing(contexts, old.contexts) {
		orders = append(orders, wire.AppendContext(nil, wire.OpAddContext, c))
	}
	for _, r := range missing(rules, old.rules) {
		orders = append(orders, wire.AppendEnable(nil, &r))
	}
	for _, r := range missing(old.rules, rules) {
		orders = append(orders, wire.AppendDisable(nil, r.Name))
	}
	for _, c := range missing(old.contexts, contexts) {
		orders = append(orders, wire.AppendContext(nil, wire.OpRemoveContext, c))
	}
	for _, o := range orders {
		if !p.order(t, o) {
			return
		}
	}
}

// missing returns what is in a list and not in another.
func missing[T comparable](list, other []T) (all []T) {
	for _, v := range list {
		if !slices.Contains(other, v) {
			all = append(all, v)
		}
	}
	return all
}

// order gives an order. It reports false when the agent is gone.
func (p *program) order(t *Trace, command []byte) bool {
	err := p.call(command, &answer{done: make(chan error, 1)})
	var status wire.Status
	switch {
	case err == nil:
	case errors.As(err, &status):
		p.log.Debug("agent does not do what a session wants", "session", t.session, "err", err)
	default:
		p.leave(err)
		return false
	}
	return true
}

// call gives a command and waits for the answer. A wire.Status says that the agent could
// not; any other error that it is not to be talked to any more.
func (p *program) call(command []byte, a *answer) error {
	select {
	case p.expected <- a:
	case <-p.gone:
		return net.ErrClosed
	}
	if err := p.send(command); err != nil {
		return err
	}
	select {
	case err := <-a.done:
		return err
	case <-p.late:
		return errSlow
	case <-p.gone:
		return net.ErrClosed
	}
}

// send writes a message at once: agents take what comes in one piece for one.
func (p *program) send(b []byte) error {
	if err := p.conn.SetWriteDeadline(time.Now().Add(p.s.patience)); err != nil {
		return err
	}
	_, err := p.conn.Write(b)
	return err
}

// answer is what is to come.
type answer struct {
	list  bool
	names []string
	done  chan error // has room for one
}

// listen reads answers until the agent goes, or says what it was not asked.
func (p *program) listen() error {
	r := bufio.NewReader(p.conn)
	for {
		if _, err := r.Peek(1); err != nil {
			return err
		}
		var a *answer
		select {
		case a = <-p.expected:
		default:
			return errUnasked
		}
		err := a.read(r)
		var status wire.Status
		if err != nil && !errors.As(err, &status) {
			return err
		}
		a.done <- err
	}
}

// read reads the answer.
func (a *answer) read(r io.Reader) error {
	var b [wire.ListLen]byte
	if _, err := io.ReadFull(r, b[:wire.StatusLen]); err != nil {
		return err
	}
	s, err := wire.ParseStatus(b[:wire.StatusLen])
	switch {
	case err != nil:
		return err
	case s != wire.OK:
		return s
	case !a.list:
		return nil
	}
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return err
	}
	l, err := wire.ParseList(b[:])
	if err != nil {
		return err
	}
	var names bytes.Buffer // grows with what has really come
	if _, err := io.CopyN(&names, r, int64(l.Len)); err != nil {
		return err
	}
	a.names, err = l.ParseNames(names.Bytes())
	return err
}

// compareRules puts rules in an order.
func compareRules(a, b wire.Rule) int {
	return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(a.LevelType, b.LevelType), cmp.Compare(a.Level, b.Level), strings.Compare(a.Filter, b.Filter))
}
