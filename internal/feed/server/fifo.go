// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	client "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed"
)

// Named pipes: how often one is tried for a reader.
const fifoRetry = 100 * time.Millisecond

// fifo makes a named pipe and writes a feed's records to whoever reads it, reader after
// reader, until somebody else takes the feed or it ends. The next agent makes it again.
func (s *Server) fifo(m *feed.Manager, who feed.Caller, r client.FIFORequest) error {
	format := client.FormatText
	if r.Format != "" {
		var err error
		if format, err = client.ParseFormat(r.Format); err != nil {
			return client.Errorf(client.CodeBadArgument, "%v", err)
		}
	}
	if !filepath.IsAbs(r.Path) {
		return client.Errorf(client.CodeBadArgument, "path %q: want an absolute one", r.Path)
	}
	if !who.Admin {
		return client.Errorf(client.CodeDenied, "user %d: only root, or a member of the group weir, has the agent make files", who.UID)
	}
	consumer, err := m.Attach(who, r.Feed, false)
	if err != nil {
		return err
	}
	if err := makeFIFO(r.Path, consumer.Info().Owner); err != nil {
		_ = consumer.Close(context.Background(), false)
		return client.Errorf(client.CodeBadArgument, "%v", err)
	}
	s.claim(r.Path, consumer)
	if err := consumer.KeepFIFO(context.Background(), &r); err != nil {
		s.giveBack(r.Path, consumer)
		_ = consumer.Close(context.Background(), false)
		return err
	}
	s.writeFIFO(consumer, r, format)
	return nil
}

// claim says that a named pipe is a consumer's to remove, and nobody's who had it before.
func (s *Server) claim(path string, n *feed.Consumer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fifos[path] = n
}

// giveBack removes the named pipe of a consumer, if it still is his: that of a manager that
// ended may end after the next manager's has come, which goes on with the pipe that is there.
func (s *Server) giveBack(path string, n *feed.Consumer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fifos[path] != n {
		return
	}
	delete(s.fifos, path)
	if isFIFO(path, n.Info().Owner) { // while a reader has the pipe, others may put something else there
		_ = os.Remove(path)
	}
}

// restoreFIFOs makes the named pipes that there were when the last agent ended. What that
// has left there, if it was killed, is used: somebody may wait for it to be written.
func (s *Server) restoreFIFOs(m *feed.Manager) {
	for _, r := range m.FIFOs() {
		if err := s.restoreFIFO(m, r); err != nil {
			s.opts.Log.Warn("feeds: named pipe cannot be made again", "path", r.Path, "feed", r.Feed, "error", err)
		}
	}
}

func (s *Server) restoreFIFO(m *feed.Manager, r client.FIFORequest) error {
	format := client.FormatText
	if r.Format != "" {
		var err error
		if format, err = client.ParseFormat(r.Format); err != nil {
			return err
		}
	}
	consumer, err := m.Attach(feed.Caller{Admin: true, PID: os.Getpid()}, r.Feed, false)
	if err != nil {
		return err
	}
	owner := consumer.Info().Owner
	s.claim(r.Path, consumer)
	if !isFIFO(r.Path, owner) {
		if err := makeFIFO(r.Path, owner); err != nil {
			s.giveBack(r.Path, consumer)
			_ = consumer.Close(context.Background(), false)
			return err
		}
	}
	s.writeFIFO(consumer, r, format)
	return nil
}

// isFIFO reports whether there is a named pipe of a user that he alone may read.
func isFIFO(path string, owner uint32) bool {
	var st unix.Stat_t
	err := unix.Lstat(path, &st)
	return err == nil && st.Mode == unix.S_IFIFO|0o600 && st.Uid == owner && st.Nlink == 1
}

// writeFIFO writes to a named pipe that is there, until its end.
func (s *Server) writeFIFO(consumer *feed.Consumer, r client.FIFORequest, format client.Format) {
	owner := consumer.Info().Owner
	s.open.Go(func() {
		defer consumer.Close(context.Background(), false)
		defer s.giveBack(r.Path, consumer)
		for {
			err := s.serveFIFO(consumer, r.Path, format)
			if !errors.Is(err, unix.EPIPE) {
				s.opts.Log.Info("feeds: named pipe ended", "path", r.Path, "reason", err)
				if !errors.Is(err, &client.Error{Code: client.CodeStore}) { // of the agent's end it is the next one's
					_ = consumer.KeepFIFO(context.Background(), nil) // the feed may be gone, too
				}
				return
			}
			// What that reader had not gone beyond is for the next.
			if err = consumer.Rewind(); err == nil {
				err = makeFIFO(r.Path, owner)
			}
			if err != nil {
				s.opts.Log.Warn("feeds: named pipe cannot be made again", "path", r.Path, "error", err)
				return
			}
		}
	})
}

// makeFIFO makes a named pipe that its owner alone may read. Who may write the directory
// must not have another file given away.
func makeFIFO(path string, owner uint32) error {
	if err := unix.Mkfifo(path, 0o600); err != nil {
		return &os.PathError{Op: "mkfifo", Path: path, Err: err}
	}
	fd, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	if err := ownFIFO(fd); err != nil {
		return &os.PathError{Op: "chown", Path: path, Err: err}
	}
	if err := unix.Fchownat(fd, "", int(owner), -1, unix.AT_EMPTY_PATH); err != nil {
		return &os.PathError{Op: "chown", Path: path, Err: err}
	}
	return nil
}

// ownFIFO reports whether a file is a named pipe of this process's user.
func ownFIFO(fd int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFIFO || st.Uid != uint32(os.Geteuid()) || st.Nlink != 1 {
		return fmt.Errorf("mode %#o of user %d with %d names: it is not the pipe that was made", st.Mode, st.Uid, st.Nlink)
	}
	return nil
}

// serveFIFO writes to one reader. The name is gone once it has come, so that there is no
// second.
func (s *Server) serveFIFO(consumer *feed.Consumer, path string, format client.Format) error {
	w, err := s.awaitReader(consumer, path)
	if err != nil {
		return err
	}
	defer w.Close()
	if err := os.Remove(path); err != nil {
		return err
	}
	grow(w)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	return (&stream{consumer: consumer, format: format, w: w}).run(ctx)
}

func (s *Server) awaitReader(consumer *feed.Consumer, path string) (*os.File, error) {
	tick := time.NewTicker(fifoRetry)
	defer tick.Stop()
	for {
		fd, err := unix.Open(path, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
		if err == nil {
			var st unix.Stat_t
			if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO {
				unix.Close(fd)
				return nil, fmt.Errorf("%s: it is no pipe any more", path)
			}
			return os.NewFile(uintptr(fd), path), nil
		}
		if !errors.Is(err, unix.ENXIO) {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		select {
		case <-tick.C:
		case <-consumer.Done():
			return nil, consumer.Err()
		}
	}
}
