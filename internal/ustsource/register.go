// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ustsource

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/ust/wire"
)

const (
	// answerTimeout is how long a program may take for a message. It may be stopped
	// for longer by a debugger: it is dropped then, and registers again.
	answerTimeout = 5 * time.Second
	// jobTimeout is how long it may take for all that it is asked at once: a session
	// waits for that, whose lock is held. Listing has a time of its own.
	jobTimeout  = 10 * time.Second
	listTimeout = 10 * time.Second
	// Limits of programs.
	maxPrograms  = 8192
	maxOfUser    = 4096 // programs
	maxOfProcess = 16   // programs: it may have begun anew before its end is seen
	maxStrange   = 1024
	// Limits of connections that are no program yet.
	maxNew          = 8192
	maxNewOfUser    = 4096
	maxNewOfProcess = 64
)

// errFlood reports more than a program, or a user's, can need.
var errFlood = errors.New("too many connections, or programs, at a time")

// halfKey is what the two sockets of a program have in common.
type halfKey struct {
	pid  int32
	uid  uint32
	kind uint32
}

// half is a program of which one socket has come.
type half struct {
	conn  *net.UnixConn
	reg   wire.Registration
	admit admission
}

// admission counts a connection that is no program yet.
type admission struct {
	uid uint32
	pid int32
}

// admit lets a connection in, unless there are too many of its kind.
func (s *Source) admit(a admission) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fresh >= maxNew || s.newOfUser[a.uid] >= maxNewOfUser || s.newOfProcess[a.pid] >= maxNewOfProcess {
		return false
	}
	s.fresh++
	s.newOfUser[a.uid]++
	s.newOfProcess[a.pid]++
	return true
}

// settle ends what admit has begun. The caller holds Source.mu.
func (s *Source) settle(a admission) {
	s.fresh--
	if s.newOfUser[a.uid]--; s.newOfUser[a.uid] == 0 {
		delete(s.newOfUser, a.uid)
	}
	if s.newOfProcess[a.pid]--; s.newOfProcess[a.pid] == 0 {
		delete(s.newOfProcess, a.pid)
	}
}

// enter lets a connection in, unless there are too many of its kind.
func (s *Source) enter(conn *net.UnixConn) (cred *unix.Ucred, ok bool) {
	cred, err := peer(conn)
	if err == nil && s.admit(admission{cred.Uid, cred.Pid}) {
		return cred, true
	}
	if err == nil {
		s.refuse(wire.Registration{}, *cred, errFlood)
	} else {
		s.refuse(wire.Registration{}, unix.Ucred{}, err)
	}
	conn.Close()
	return nil, false
}

// register reads a registration, and serves the program if it is the second one.
func (s *Source) register(conn *net.UnixConn, cred *unix.Ucred) {
	a := admission{cred.Uid, cred.Pid}
	reg, err := greet(conn, cred)
	var p *program
	if err == nil {
		p, err = s.join(conn, reg, *cred, a)
	} else {
		s.mu.Lock()
		s.settle(a)
		s.mu.Unlock()
	}
	if err != nil {
		s.refuse(reg, *cred, err)
		conn.Close()
	}
	if p == nil {
		return
	}
	s.log.Debug("application registered", "pid", p.pid, "uid", p.uid, "name", p.name)
	p.serve()
	s.leave(p)
}

// greet reads who a program is, and checks it by what the kernel knows.
func greet(conn *net.UnixConn, cred *unix.Ucred) (reg wire.Registration, err error) {
	var b [wire.RegistrationLen]byte
	if err := conn.SetReadDeadline(time.Now().Add(answerTimeout)); err != nil {
		return reg, err
	}
	if _, err := io.ReadFull(conn, b[:]); err != nil {
		return reg, err
	}
	if reg, err = wire.ParseRegistration(b[:]); err != nil {
		return reg, err
	}
	if err := reg.Check(); err != nil {
		return reg, err
	}
	return reg, checkIdentity(&reg, cred)
}

func peer(conn *net.UnixConn) (cred *unix.Ucred, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	cerr := raw.Control(func(fd uintptr) { cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	return cred, errors.Join(err, cerr)
}

// checkIdentity refuses a program that is not who it says. In name spaces of its own
// its numbers are others.
func checkIdentity(reg *wire.Registration, cred *unix.Ucred) error {
	if reg.UID != cred.Uid && sameSpace(cred.Pid, "user") {
		return fmt.Errorf("it says that it is user %d, the kernel that it is %d", reg.UID, cred.Uid)
	}
	if int32(reg.PID) != cred.Pid && int32(reg.PID) != innerPID(cred.Pid) {
		return fmt.Errorf("it says that it is process %d, the kernel that it is %d", reg.PID, cred.Pid)
	}
	return nil
}

// sameSpace reports whether a process has a name space of the daemon's.
func sameSpace(pid int32, space string) bool {
	theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, space))
	if err != nil {
		return true
	}
	ours, err := os.Readlink("/proc/self/ns/" + space)
	return err != nil || ours == theirs
}

// innerPID is the number of a process in its own name space; 0 if it is not known.
func innerPID(pid int32) int32 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "NSpid:"); ok {
			all := strings.Fields(rest)
			if len(all) == 0 {
				return 0
			}
			n, _ := strconv.ParseInt(all[len(all)-1], 10, 32) // 0 if it is none
			return int32(n)
		}
	}
	return 0
}

// refuse tells of a program that is not served: of each kind once.
func (s *Source) refuse(reg wire.Registration, cred unix.Ucred, err error) {
	if errors.Is(err, io.EOF) && reg.Name == "" {
		return // somebody has looked whether there is a daemon
	}
	if cred.Pid != 0 {
		s.tellDropped(cred.Uid, fmt.Sprintf("%s: %v", nameProgram(reg.Name, cred.Pid, cred.Uid), err))
	}
	key := fmt.Sprintf("%d %v", cred.Uid, err)
	s.mu.Lock()
	known := s.strange[key]
	if len(s.strange) < maxStrange {
		s.strange[key] = true
	}
	s.mu.Unlock()
	if !known {
		s.complaints.Warn(s.log, "application refused", "pid", cred.Pid, "uid", cred.Uid, "name", reg.Name, "err", err)
	}
}

// errEnding reports a program that comes as the daemon ends.
var errEnding = fmt.Errorf("the daemon ends: %w", io.EOF)

// join puts the two sockets of a program together; nil for the first. Of an error the
// connection is the caller's.
func (s *Source) join(conn *net.UnixConn, reg wire.Registration, cred unix.Ucred, a admission) (*program, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		s.settle(a)
		return nil, errEnding
	}
	other := halfKey{cred.Pid, cred.Uid, wire.NotifySocket - reg.Socket}
	h := s.halves[other]
	if h == nil {
		own := halfKey{cred.Pid, cred.Uid, reg.Socket}
		if old := s.halves[own]; old != nil {
			old.conn.Close() // it has begun anew
			s.settle(old.admit)
		}
		made := &half{conn, reg, a}
		s.halves[own] = made
		time.AfterFunc(answerTimeout, func() { s.giveUp(own, made) })
		return nil, nil
	}
	delete(s.halves, other)
	s.settle(a)
	s.settle(h.admit)
	if s.crowded(&cred) {
		h.conn.Close()
		return nil, errFlood
	}
	command, notify := conn, h.conn
	if reg.Socket == wire.NotifySocket {
		command, notify = notify, command
	}
	p := newProgram(s, cred, reg, command, notify)
	s.programs = append(s.programs, p)
	return p, nil
}

// crowded reports whether there are too many programs already. The caller holds
// Source.mu.
func (s *Source) crowded(cred *unix.Ucred) bool {
	ofUser, ofProcess := 0, 0
	for _, p := range s.programs {
		if p.uid == cred.Uid {
			ofUser++
		}
		if p.pid == cred.Pid {
			ofProcess++
		}
	}
	return len(s.programs) >= maxPrograms || ofUser >= maxOfUser || ofProcess >= maxOfProcess
}

// giveUp lets go of a program whose other socket has not come.
func (s *Source) giveUp(key halfKey, h *half) {
	s.mu.Lock()
	if s.halves[key] != h {
		s.mu.Unlock()
		return
	}
	delete(s.halves, key)
	s.settle(h.admit)
	s.mu.Unlock()
	s.refuse(h.reg, unix.Ucred{Pid: key.pid, Uid: key.uid}, errHalf)
	h.conn.Close()
}

// errHalf reports a program of which one socket has come.
var errHalf = errors.New("its other connection has not come")
