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
	// Limits of programs.
	maxPrograms = 8192
	maxHalves   = 4096
	maxStrange  = 1024
)

// halfKey is what the two sockets of a program have in common.
type halfKey struct {
	pid  int32
	uid  uint32
	kind uint32
}

// half is a program of which one socket has come.
type half struct {
	conn *net.UnixConn
	reg  wire.Registration
}

// register reads a registration, and serves the program if it is the second one.
func (s *Source) register(conn *net.UnixConn) {
	reg, cred, err := greet(conn)
	if err != nil {
		conn.Close()
		s.refuse(reg, cred, err)
		return
	}
	p := s.join(conn, reg, cred)
	if p == nil {
		return
	}
	s.log.Debug("application registered", "pid", p.pid, "uid", p.uid, "name", p.name)
	p.serve()
	s.leave(p)
}

// greet reads who a program is, and checks it by what the kernel knows.
func greet(conn *net.UnixConn) (reg wire.Registration, cred unix.Ucred, err error) {
	got, err := peer(conn)
	if err != nil {
		return reg, cred, err
	}
	cred = *got
	var b [wire.RegistrationLen]byte
	if err := conn.SetReadDeadline(time.Now().Add(answerTimeout)); err != nil {
		return reg, cred, err
	}
	if _, err := io.ReadFull(conn, b[:]); err != nil {
		return reg, cred, err
	}
	if reg, err = wire.ParseRegistration(b[:]); err != nil {
		return reg, cred, err
	}
	if err := reg.Check(); err != nil {
		return reg, cred, err
	}
	return reg, cred, checkIdentity(&reg, &cred)
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
	key := fmt.Sprintf("%d %v", cred.Uid, err)
	s.mu.Lock()
	known := s.strange[key]
	if len(s.strange) < maxStrange {
		s.strange[key] = true
	}
	s.mu.Unlock()
	if !known {
		s.log.Warn("application refused", "pid", cred.Pid, "uid", cred.Uid, "name", reg.Name, "err", err)
	}
}

// join puts the two sockets of a program together; nil for the first.
func (s *Source) join(conn *net.UnixConn, reg wire.Registration, cred unix.Ucred) *program {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.halves) >= maxHalves || len(s.programs) >= maxPrograms {
		conn.Close()
		return nil
	}
	other := halfKey{cred.Pid, cred.Uid, wire.NotifySocket - reg.Socket}
	h := s.halves[other]
	if h == nil {
		own := halfKey{cred.Pid, cred.Uid, reg.Socket}
		if old := s.halves[own]; old != nil {
			old.conn.Close() // it has begun anew
		}
		made := &half{conn, reg}
		s.halves[own] = made
		time.AfterFunc(answerTimeout, func() { s.giveUp(own, made) })
		return nil
	}
	delete(s.halves, other)
	command, notify := conn, h.conn
	if reg.Socket == wire.NotifySocket {
		command, notify = notify, command
	}
	p := newProgram(s, cred, reg, command, notify)
	s.programs = append(s.programs, p)
	return p
}

// giveUp lets go of a program whose other socket has not come.
func (s *Source) giveUp(key halfKey, h *half) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.halves[key] == h {
		delete(s.halves, key)
		h.conn.Close()
	}
}
