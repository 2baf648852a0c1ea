// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/lttng"
)

// spliceMin is the size of a packet from which it pays to move it from the
// socket through a pipe to the file without copying it to memory in between.
const spliceMin = 48 << 10

var errPipe = errors.New("pipe holds less than was moved into it")

// splice moves what the socket holds into the pipe and from there on. The pipe
// is the worker's and empty before and after. It reports whether there may be
// more to do.
func (d *dataConn) splice() bool {
	w := d.worker
	n, err := unix.Splice(d.fd, nil, w.pipe[1], nil, pipeBytes, unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MOVE)
	switch {
	case err == unix.EAGAIN:
		return false
	case err == unix.EINTR:
		return true
	case err != nil || n == 0:
		w.drop(d)
		return false
	}
	w.server.counters.ReceivedBytes.Add(uint64(n))
	d.arrived()
	d.settle(d.unpipe(n))
	return !d.closed
}

// unpipe handles n bytes that lie in the pipe: headers are read, payloads move
// on to their files. After an error the rest is thrown away.
func (d *dataConn) unpipe(n int64) (err error) {
	for n > 0 && !d.closed {
		if d.stream != nil {
			k := min(n, d.left)
			if err = d.moveOn(k); err != nil {
				break
			}
			n -= k
			if d.left -= k; d.left == 0 {
				d.finish()
			}
			continue
		}
		k := min(n, int64(lttng.DataHeaderLen-len(d.partial)))
		n -= k
		if err = d.headerFromPipe(int(k)); err != nil {
			break
		}
	}
	return errors.Join(err, d.worker.throwAway(n))
}

// headerFromPipe reads the next k bytes of a header, and begins the packet when
// it is complete.
func (d *dataConn) headerFromPipe(k int) error {
	head := copy(d.worker.buf, d.partial)
	b := d.worker.buf[:head+k]
	if err := d.worker.readPipe(b[head:]); err != nil {
		return err
	}
	d.freePartial()
	return d.consume(b)
}

// moveOn moves n bytes from the pipe to the packet's place, or throws them away
// when the packet is not stored.
func (d *dataConn) moveOn(n int64) error {
	w, st := d.worker, d.stream
	for n > 0 {
		file, off := st.Target()
		if file == nil {
			st.Advance(n)
			return w.throwAway(n)
		}
		fd, err := file.Acquire()
		if err == nil {
			var k int64
			k, err = unix.Splice(w.pipe[0], nil, fd, &off, int(n), unix.SPLICE_F_MOVE)
			file.Release()
			switch {
			case err == unix.EINTR:
				continue
			case err == nil && k == 0:
				return errPipe
			}
			n -= max(k, 0)
			st.Advance(max(k, 0))
		}
		if err != nil {
			st.Drop(err)
		}
	}
	return nil
}

// throwAway empties the pipe of n bytes.
func (w *worker) throwAway(n int64) error {
	for n > 0 {
		k := min(n, int64(len(w.buf)))
		if err := w.readPipe(w.buf[:k]); err != nil {
			return err
		}
		n -= k
	}
	return nil
}

// readPipe fills b from the pipe.
func (w *worker) readPipe(b []byte) error {
	for len(b) > 0 {
		k, err := unix.Read(w.pipe[0], b)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil || k == 0:
			return errors.Join(errPipe, err)
		}
		b = b[k:]
	}
	return nil
}
