// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package loggers

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weir-io/weir/internal/kernel/tcpowner"
	"github.com/weir-io/weir/internal/loggers/wire"
)

// Limits of agents.
const (
	maxPending  = 256  // that have not registered yet; the oldest goes for a new one
	maxPrograms = 4096 // of all users
	maxOfUser   = 1024 // of one that is not root
	maxNameLen  = 256  // of a program
)

// Reasons to refuse one.
var (
	errGone    = errors.New("whose it is cannot be told: the connection is closed already")
	errTooMany = errors.New("there are too many agents")
)

// admit takes a new connection into those that have not registered yet.
func (s *Source) admit(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		conn.Close()
		return false
	}
	if len(s.pending) >= maxPending {
		s.pending[0].Close() // its goroutine takes it out
		s.pending = slices.Delete(s.pending, 0, 1)
	}
	s.pending = append(s.pending, conn)
	return true
}

// settled takes a connection out of those.
func (s *Source) settled(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending = slices.DeleteFunc(s.pending, func(o net.Conn) bool { return o == conn })
}

// register reads a registration and serves the agent.
func (s *Source) register(conn *net.TCPConn) {
	p, uid, err := s.greet(conn)
	s.settled(conn)
	if err == nil {
		err = s.join(p)
	}
	if err != nil {
		conn.Close()
		s.refuse(uid, err)
		return
	}
	p.log.Debug("agent registered")
	p.serve()
	s.leave(p)
}

// greet reads who an agent is, and checks it by what the kernel knows.
func (s *Source) greet(conn *net.TCPConn) (p *program, uid uint32, err error) {
	var b [wire.RegistrationLen]byte
	if err := conn.SetReadDeadline(time.Now().Add(s.patience)); err != nil {
		return nil, 0, err
	}
	if _, err := io.ReadFull(conn, b[:]); err != nil {
		return nil, 0, err
	}
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		return nil, 0, err
	}
	remote, local := conn.RemoteAddr().(*net.TCPAddr), conn.LocalAddr().(*net.TCPAddr)
	uid, found, err := tcpowner.Owner(remote.AddrPort(), local.AddrPort())
	if err != nil {
		return nil, 0, err
	}
	if !found {
		return nil, 0, errGone
	}
	reg, err := wire.ParseRegistration(b[:])
	if err != nil {
		return nil, uid, err
	}
	if !belongs(reg.PID, uid) {
		return nil, uid, &wire.Error{Message: "registration", Offset: 4, Got: reg.PID, Want: "a process of the user's"}
	}
	return newProgram(s, conn, reg, uid, programName(reg.PID)), uid, nil
}

// belongs reports whether there is a process of a user's by a number.
func belongs(pid, uid uint32) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "Uid:"); ok {
			return slices.Contains(strings.Fields(rest), strconv.FormatUint(uint64(uid), 10))
		}
	}
	return false
}

// programName is how a process was called, "" if that is not known.
func programName(pid uint32) string {
	line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)) // none of one that has ended
	name, _, _ := bytes.Cut(line, []byte{0})
	return string(name[:min(len(name), maxNameLen)])
}

// join takes an agent in, if there is room.
func (s *Source) join(p *program) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	own := 0
	for _, o := range s.programs {
		if o.uid == p.uid {
			own++
		}
	}
	if s.closed || len(s.programs) >= maxPrograms || own >= maxOfUser && p.uid != 0 {
		return errTooMany
	}
	s.programs = append(s.programs, p)
	return nil
}

// refuse tells of a connection that is not served.
func (s *Source) refuse(uid uint32, err error) {
	if !ended(err) { // else somebody has looked whether there is a daemon
		s.complaints.Warn(s.log, "agent refused", "uid", uid, "err", err)
	}
}
