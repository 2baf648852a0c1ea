// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package loggers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// portFile is where agents read the port.
const portFile = "agent.port"

// Listen opens the port and writes down which it is. Where it cannot, the domains cannot
// be used, as Check tells.
func (s *Source) Listen() error {
	if s.opts.Dir == "" {
		return nil // nobody wants it; Check says so
	}
	l, err := listen(s.opts.Port)
	if err == nil {
		if err = s.writePort(l); err != nil {
			l.Close()
		}
	}
	if err != nil {
		s.fail(err)
		return err
	}
	s.listener, s.accept = l, l.AcceptTCP
	s.problem.Store(nil)
	s.log.Info("agents register", "address", l.Addr())
	return nil
}

// listen opens a port, or the first of the usual ones that is free.
func listen(port uint16) (*net.TCPListener, error) {
	at := func(port int) (*net.TCPListener, error) {
		return net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	}
	if port != 0 {
		return at(int(port))
	}
	for port := DefaultPort; ; port++ {
		l, err := at(port)
		if err == nil || port == lastPort || !errors.Is(err, unix.EADDRINUSE) {
			return l, err
		}
	}
}

// writePort writes the file, which all may read, in one step: agents read it when they
// start.
func (s *Source) writePort(l *net.TCPListener) error {
	f, err := os.CreateTemp(s.opts.Dir, "."+portFile+"-*")
	if err != nil {
		return fmt.Errorf("port of agents: %w", err)
	}
	_, err = fmt.Fprintf(f, "%d\n", l.Addr().(*net.TCPAddr).Port)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), s.portPath())
	}
	if err != nil {
		return errors.Join(fmt.Errorf("port of agents: %w", err), os.Remove(f.Name()))
	}
	return nil
}

func (s *Source) portPath() string { return filepath.Join(s.opts.Dir, portFile) }

// removePort removes the file, unless another daemon has written it since.
func (s *Source) removePort() {
	text, err := os.ReadFile(s.portPath())
	if err != nil || strings.TrimSpace(string(text)) != strconv.Itoa(s.listener.Addr().(*net.TCPAddr).Port) {
		return
	}
	if err := os.Remove(s.portPath()); err != nil {
		s.log.Warn("the port of agents stays written down", "err", err)
	}
}

// Serve serves agents until ctx ends, and then lets go of all of them.
func (s *Source) Serve(ctx context.Context) error {
	l := s.listener
	if l == nil {
		<-ctx.Done()
		return nil
	}
	stop := context.AfterFunc(ctx, func() { l.Close() }) // ends the loop
	defer stop()
	s.take(ctx)
	s.removePort()
	s.close()
	return nil
}

// acceptPause is how long it rests after an error, such as too many open files.
const acceptPause = 100 * time.Millisecond

// take lets agents in until ctx ends. Errors pass: it rests and goes on.
func (s *Source) take(ctx context.Context) {
	failing := false
	for {
		conn, err := s.accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				conn.Close()
			}
			return
		case err != nil:
			if s.fail(err); !failing {
				s.log.Error("no agent can register", "err", err)
			}
			failing = true
			pause(ctx, acceptPause)
			s.problem.Store(nil) // as far as is known
			continue
		case failing:
			s.log.Info("agents register again", "address", s.listener.Addr())
		}
		failing = false
		if s.admit(conn) {
			s.work.Go(func() { s.register(conn) }) // ends with the agent; close waits
		}
	}
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// close lets go of all agents.
func (s *Source) close() {
	s.mu.Lock()
	s.closed = true
	for _, c := range s.pending {
		c.Close()
	}
	programs := slices.Clone(s.programs)
	s.mu.Unlock()
	for _, p := range programs {
		p.leave(nil)
	}
	s.work.Wait()
}
