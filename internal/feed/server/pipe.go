// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
	client "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed"
)

// pipeSize is the most that an unprivileged process may give a pipe.
const pipeSize = 1 << 20

// pipeCheck is how often a pipe is asked how much of a batch is still in it; the kernel
// tells nobody when a reader reads.
const pipeCheck = 50 * time.Millisecond

// stream writes the records of a feed into a pipe. A batch is written when the one
// before has been read, and cancels it once its reader has begun on the new one: that
// is what asking for more means to a reader of a pipe.
type stream struct {
	consumer *feed.Consumer
	format   client.Format
	w        *os.File
	buf      []byte
}

// run writes until the reader is gone, the feed ends, or ctx does.
func (s *stream) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // ends with run
		select {
		case <-s.consumer.Done():
		case <-ctx.Done():
		}
		_ = s.w.SetWriteDeadline(time.Unix(1, 0)) // a pipe that is not read is full
	}()
	err := s.write(ctx)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return cmp.Or(s.consumer.Err(), ctx.Err())
	}
	return err
}

func (s *stream) write(ctx context.Context) error {
	var through uint64 // of the batch that the reader has got whole
	for {
		batch, err := s.next(ctx)
		if err != nil {
			return err
		}
		if batch.Count == 0 {
			if _, gone, err := s.unread(); err != nil || gone {
				return cmp.Or(err, error(unix.EPIPE))
			}
			continue
		}
		if _, err := s.w.Write(s.buf); err != nil {
			return err
		}
		if err := s.left(ctx, len(s.buf)-1); err != nil { // the reader has begun on it
			return err
		}
		if through > 0 {
			if _, err := s.consumer.Cancel(ctx, through); err != nil {
				return err
			}
		}
		if err := s.left(ctx, 0); err != nil {
			return err
		}
		through = batch.Through
	}
}

// next reads a batch that fits into the pipe.
func (s *stream) next(ctx context.Context) (feed.Result, error) {
	s.buf = s.buf[:0]
	last := 0
	o := client.ReadOptions{MaxBytes: pipeSize, Wait: fifoRetry, Keep: true}
	return s.consumer.Read(ctx, o, func(r *changelog.Record) int {
		if r == nil {
			s.buf = s.buf[:last]
			return 0
		}
		last = len(s.buf)
		s.buf = feed.AppendStream(s.buf, s.format, r)
		return len(s.buf) - last
	})
}

// left waits until no more than n bytes are left in the pipe.
func (s *stream) left(ctx context.Context, n int) error {
	tick := time.NewTicker(pipeCheck)
	defer tick.Stop()
	for {
		in, gone, err := s.unread()
		switch {
		case err != nil:
			return err
		case in <= n:
			return nil
		case gone:
			return unix.EPIPE
		}
		select {
		case <-tick.C:
		case <-s.consumer.Done():
			return s.consumer.Err()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// unread is how many bytes are in the pipe, and whether its reader is gone.
func (s *stream) unread() (n int, gone bool, err error) {
	raw, err := s.w.SyscallConn()
	if err != nil {
		return 0, false, err
	}
	ctlErr := raw.Control(func(fd uintptr) {
		if n, err = unix.IoctlGetInt(int(fd), unix.TIOCINQ); err != nil {
			return
		}
		fds := []unix.PollFd{{Fd: int32(fd)}}
		if _, pollErr := unix.Poll(fds, 0); pollErr == nil {
			gone = fds[0].Revents&unix.POLLERR != 0
		}
	})
	return n, gone, errors.Join(err, ctlErr)
}

// pipe answers with the read end of a pipe and writes the feed's records into it until
// the client closes the connection or the pipe.
func (c *conn) pipe(ctx context.Context, f client.Frame) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	defer w.Close()
	grow(w)
	if err := c.sendFile(f, r); err != nil {
		return err
	}
	r.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // ends with the connection, which handle closes
		defer cancel()
		var b [1]byte
		_, _ = c.socket.Read(b[:]) // whatever comes, or the end
	}()
	s := &stream{consumer: c.consumer, format: c.format, w: w}
	if err := s.run(ctx); err != nil && !errors.Is(err, unix.EPIPE) && ctx.Err() == nil {
		c.s.opts.Log.Warn("feeds: pipe ended", "error", err)
	}
	return errBye
}

// grow gives a pipe room for a batch.
func grow(w *os.File) {
	if raw, err := w.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			_, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, pipeSize) // a smaller one does, slower
		})
	}
}

// sendFile answers a request with a descriptor beside an empty payload.
func (c *conn) sendFile(f client.Frame, file *os.File) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	answer := client.Frame{Op: f.Op | client.OpAnswer, Tag: f.Tag}
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var sendErr error
	err = raw.Control(func(fd uintptr) {
		_, _, sendErr = c.socket.WriteMsgUnix(answer.Append(nil), unix.UnixRights(int(fd)), nil)
	})
	return errors.Join(err, sendErr)
}

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
	if err := consumer.KeepFIFO(context.Background(), &r); err != nil {
		_ = os.Remove(r.Path) // err says more
		_ = consumer.Close(context.Background(), false)
		return err
	}
	s.writeFIFO(consumer, r, format)
	return nil
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
	if !isFIFO(r.Path, owner) {
		if err := makeFIFO(r.Path, owner); err != nil {
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
		defer func() {
			if isFIFO(r.Path, owner) { // while a reader has the pipe, others may put something else there
				_ = os.Remove(r.Path)
			}
		}()
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
			err = errors.Join(consumer.Rewind(), makeFIFO(r.Path, owner))
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
