// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"cmp"
	"context"
	"errors"
	"os"
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
