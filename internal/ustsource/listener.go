// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ustsource

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// socketName is that of ABI 9 and 10.
const socketName = "lttng-ust-sock-8"

// errTaken reports that another daemon serves programs.
var errTaken = errors.New("another session daemon listens there: --take-ust-socket takes it over")

// Listen opens the socket. Where it cannot, the domain cannot be used, as Check tells.
func (s *Source) Listen() error {
	if s.opts.Dir == "" {
		return nil // nobody wants it; Check says so
	}
	path := filepath.Join(s.opts.Dir, socketName)
	l, err := listen(path, s.opts.Take)
	if err != nil {
		err = fmt.Errorf("socket %s: %w", path, err)
		s.problem.Store(&err)
		return err
	}
	s.listener, s.accept = l, l.AcceptUnix
	s.problem.Store(nil)
	s.log.Info("applications register", "socket", path)
	return nil
}

// Serve serves programs until ctx ends, and then lets go of all of them.
func (s *Source) Serve(ctx context.Context) error {
	l := s.listener
	if l == nil {
		<-ctx.Done()
		return nil
	}
	s.beckon(1)
	stop := context.AfterFunc(ctx, func() { l.Close() }) // ends the loop
	defer stop()
	s.take(ctx)
	s.beckon(0)
	s.close()
	return nil
}

// acceptPause is how long it rests after an error, such as too many open files.
const acceptPause = 100 * time.Millisecond

// take lets programs in until ctx ends. Errors pass: it rests and goes on.
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
			err = fmt.Errorf("socket %s: %w", s.listener.Addr(), err)
			if s.problem.Store(&err); !failing {
				s.log.Error("no application can register", "err", err)
			}
			failing = true
			pause(ctx, acceptPause)
			s.problem.Store(nil) // as far as is known
			continue
		case failing:
			s.log.Info("applications register again", "socket", s.listener.Addr())
		}
		failing = false
		if cred, ok := s.enter(conn); ok {
			s.work.Go(func() { s.register(conn, cred) }) // ends with the program; close waits
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

// close lets go of all programs.
func (s *Source) close() {
	s.mu.Lock()
	s.closed = true
	halves := s.halves
	s.halves = nil
	s.mu.Unlock()
	for _, h := range halves {
		h.conn.Close()
	}
	for _, p := range s.all() {
		p.leave(nil)
	}
	s.work.Wait()
}

// listen makes the socket, unless a daemon listens there.
func listen(path string, take bool) (*net.UnixListener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	if _, err := os.Lstat(path); err == nil {
		if !take {
			conn, err := net.DialTimeout("unix", path, time.Second)
			if err == nil {
				conn.Close()
				return nil, errTaken
			}
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	mode := os.FileMode(0o600)
	if os.Geteuid() == 0 {
		mode = 0o666 // programs of everybody
	}
	if err := os.Chmod(path, mode); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// beckon tells programs that wait for a daemon that there is one, or none any more.
func (s *Source) beckon(there byte) {
	if s.opts.Wait == "" {
		return
	}
	if err := beckon(s.opts.Wait, there); err != nil {
		s.log.Warn("applications that wait for a daemon are not woken", "err", err)
	}
}

// beckon writes to the page that programs wait at, and wakes them. Whoever has made
// the file may change it: it is written to by system calls alone.
func beckon(path string, there byte) error {
	fd, err := openPage(path)
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	defer unix.Close(fd)
	page := os.Getpagesize()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Nlink != 1 {
		return fmt.Errorf("%s is no file of its own", path)
	}
	if os.Geteuid() == 0 && (st.Uid != 0 || st.Mode&0o022 != 0) { // a program of anybody's was first
		if err := errors.Join(unix.Fchown(fd, 0, 0), unix.Fchmod(fd, everybodysPage)); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	if st.Size < int64(page) {
		if err := unix.Ftruncate(fd, int64(page)); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	if _, err := unix.Pwrite(fd, []byte{there, 0, 0, 0}, 0); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	b, err := unix.Mmap(fd, 0, page, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer func() { _ = unix.Munmap(b) }() // it is mapped
	return wake(b)
}

// everybodysPage is the mode of the page of root's daemon: all programs read it.
const everybodysPage = 0o644

// openPage opens the page, and makes it if it is not there. It is not one call: the kernel
// may refuse root to "create" another user's file that is there, in a directory such as
// /dev/shm (fs.protected_regular).
func openPage(path string) (fd int, err error) {
	const how = unix.O_RDWR | unix.O_CLOEXEC | unix.O_NOFOLLOW | unix.O_NONBLOCK
	mode := uint32(0o600)
	if os.Geteuid() == 0 {
		mode = everybodysPage
	}
	for range 3 { // it may come or go in between
		if fd, err = unix.Open(path, how, 0); !errors.Is(err, unix.ENOENT) {
			return fd, err
		}
		if fd, err = unix.Open(path, how|unix.O_CREAT|unix.O_EXCL, mode); !errors.Is(err, unix.EEXIST) {
			return fd, err
		}
	}
	return fd, err
}
