// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package handover

import (
	"encoding/binary"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/ctf"
)

// MaxPacket is the largest packet that a source may hand over, in bytes: with its
// index it is one datagram.
const MaxPacket = 32 << 10

// reserve is room in the socket's buffer that packets with events leave to those
// without, which tell what was lost: where nobody reads, they come to wait behind the
// others. It is enough for about ten.
const reserve = 16 << 10

// packetHead is what a datagram begins with: an index record, whose offset is
// unused, and the number of events in the packet, big-endian.
const packetHead = ctf.IndexRecordLenMinor + 8

// PacketConn carries finished packets from a source in the daemon to the consumer.
// A datagram is a packet with its index before it. It belongs to one goroutine
// at each end.
type PacketConn struct {
	fd     int
	buf    []byte
	events atomic.Uint64
}

// PacketPair makes the source's end, and the consumer's as a file.
func PacketPair() (*PacketConn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("handover: socket pair for packets: %w", err)
	}
	return &PacketConn{fd: fds[0], buf: make([]byte, packetHead+MaxPacket)}, os.NewFile(uintptr(fds[1]), "packets"), nil
}

// NewPacketConn makes the consumer's end of a file, which it takes over.
func NewPacketConn(f *os.File) (*PacketConn, error) {
	defer f.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		return nil, fmt.Errorf("handover: socket for packets: %w", err)
	}
	return &PacketConn{fd: fd, buf: make([]byte, packetHead+MaxPacket+1)}, nil
}

// FD is the descriptor, to wait for.
func (c *PacketConn) FD() int { return c.fd }

// Events is how many events the packets had.
func (c *PacketConn) Events() uint64 { return c.events.Load() }

// SetBuffer has so many bytes of packets wait at most, or as many as this process
// may have.
func (c *PacketConn) SetBuffer(bytes int) error {
	bytes += reserve // of which the kernel makes twice as much
	if unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, bytes) == nil {
		return nil
	}
	if err := unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, bytes); err != nil {
		return fmt.Errorf("handover: buffer of %d bytes for packets: %w", bytes, err)
	}
	return nil
}

// hasRoom reports whether a packet of a length leaves the reserve.
func (c *PacketConn) hasRoom(length int) (bool, error) {
	most, err := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_SNDBUF)
	if err != nil {
		return false, err
	}
	used, err := unix.IoctlGetInt(c.fd, unix.SIOCOUTQ)
	if err != nil {
		return false, err
	}
	// The kernel counts the memory that it takes: the next power of two of up to 16
	// KiB, pages for the rest, and what describes them.
	length += packetHead
	return used+min(2*length, length+8<<10)+2<<10+reserve <= most, nil
}

// Send hands a packet over. unix.EAGAIN says that there is no room for it now; for
// one without events there is some longer.
func (c *PacketConn) Send(packet []byte, info ctf.PacketInfo, events uint64) error {
	if len(packet) > MaxPacket {
		return fmt.Errorf("handover: packet of %d bytes, want at most %d", len(packet), MaxPacket)
	}
	if events > 0 {
		if ok, err := c.hasRoom(len(packet)); err != nil {
			return fmt.Errorf("handover: room for packets: %w", err)
		} else if !ok {
			return unix.EAGAIN
		}
	}
	e := ctf.IndexEntry{
		PacketSize: info.Size, ContentSize: info.ContentSize, TimestampBegin: info.Begin, TimestampEnd: info.End,
		EventsDiscarded: info.Discarded, StreamClass: info.ClassID, InstanceID: info.InstanceID, PacketSeqNum: info.Sequence,
	}
	b := e.Append(c.buf[:0], ctf.IndexRecordLenMinor)
	b = binary.BigEndian.AppendUint64(b, events)
	if err := unix.Sendto(c.fd, append(b, packet...), unix.MSG_NOSIGNAL, nil); err != nil {
		return err
	}
	c.events.Add(events)
	return nil
}

// AwaitRoom waits until there is room for a packet, or the other end is gone.
func (c *PacketConn) AwaitRoom(most time.Duration) {
	end := time.Now().Add(most)
	for left := most; left > 0; left = time.Until(end) {
		fds := []unix.PollFd{{Fd: int32(c.fd), Events: unix.POLLOUT}}
		if _, err := unix.Poll(fds, int(left.Milliseconds())+1); err != unix.EINTR {
			return
		}
	}
}

// Receive returns a packet, which holds until the next call. unix.EAGAIN says
// that there is none now.
func (c *PacketConn) Receive() ([]byte, ctf.PacketInfo, error) {
	n, _, err := unix.Recvfrom(c.fd, c.buf, 0)
	for err == unix.EINTR {
		n, _, err = unix.Recvfrom(c.fd, c.buf, 0)
	}
	switch {
	case err != nil:
		return nil, ctf.PacketInfo{}, err
	case n < packetHead || n > packetHead+MaxPacket:
		return nil, ctf.PacketInfo{}, fmt.Errorf("handover: datagram of %d bytes, want %d to %d", n, packetHead, packetHead+MaxPacket)
	}
	e, err := ctf.ParseIndexEntry(c.buf, ctf.IndexRecordLenMinor)
	if err != nil {
		return nil, ctf.PacketInfo{}, err
	}
	c.events.Add(binary.BigEndian.Uint64(c.buf[ctf.IndexRecordLenMinor:]))
	return c.buf[packetHead:n], ctf.PacketInfo{
		Size: e.PacketSize, ContentSize: e.ContentSize, Begin: e.TimestampBegin, End: e.TimestampEnd, Discarded: e.EventsDiscarded,
		ClassID: e.StreamClass, InstanceID: e.InstanceID, Sequence: e.PacketSeqNum,
		Has: ctf.HasBegin | ctf.HasEnd | ctf.HasDiscarded | ctf.HasSequence | ctf.HasClassID | ctf.HasInstanceID,
	}, nil
}

// Close ends the connection.
func (c *PacketConn) Close() error { return unix.Close(c.fd) }
