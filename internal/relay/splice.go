// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"time"

	"golang.org/x/sys/unix"
)

// spliceMin is the rest of a packet from which it pays to move it from the
// socket to the file without reading it: three system calls instead of a copy.
const spliceMin = 48 << 10

// splice moves what the socket holds of the current packet to its file. It
// reports whether there may be more to do.
func (d *dataConn) splice() bool {
	w := d.worker
	n, err := unix.Splice(d.fd, nil, w.pipe[1], nil, int(min(d.left, pipeBytes)), unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MOVE)
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
	d.since = time.Now()
	d.empty(int64(n))
	if d.left -= int64(n); d.left == 0 {
		d.finish()
		if ss := d.session; !d.closed {
			ss.store.FlushIndexes()
		}
	}
	return !d.closed
}

// empty moves n bytes from the pipe to the packet's place, or throws them away
// when the packet is not stored. The pipe is empty afterwards.
func (d *dataConn) empty(n int64) {
	w, st := d.worker, d.stream
	for n > 0 {
		file, off := st.Target()
		if file == nil {
			w.throwAway(n)
			st.Advance(n)
			return
		}
		fd, err := file.Acquire()
		if err == nil {
			var k int64
			k, err = unix.Splice(w.pipe[0], nil, fd, &off, int(n), unix.SPLICE_F_MOVE)
			file.Release()
			if err == unix.EINTR {
				continue
			}
			n -= max(k, 0)
			st.Advance(max(k, 0))
		}
		if err != nil {
			st.Drop(err)
		}
	}
}

// throwAway empties the pipe of n bytes.
func (w *worker) throwAway(n int64) {
	for n > 0 {
		k, err := unix.Read(w.pipe[0], w.buf[:min(n, int64(len(w.buf)))])
		if err != nil && err != unix.EINTR {
			return // the pipe holds less than was put in: cannot be
		}
		n -= int64(max(k, 0))
	}
}
