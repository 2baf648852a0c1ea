// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"errors"
	"math"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/fdpool"
	"github.com/weir-io/weir/lttng"
)

// maxPacketLen is the longest answer: the reply's length field, with its head.
const maxPacketLen = math.MaxUint32 - 12

// packet answers GET_PACKET: any bytes of the file that holds the packet taken
// last, or the first, or of the metadata. The answer is complete or ERR, never
// shorter than asked for.
func (c *conn) packet(m lttng.PacketRequest) {
	if vs := c.streams[m.Stream]; vs != nil && vs.cursor != nil && m.Offset >= emptyOffset {
		c.emptyPacket(vs, &m)
		return
	}
	head := lttng.PacketReply{Status: lttng.PacketOK, Len: m.Len}.Append(c.srv.scratch[:0])
	f := c.packetFile(&m)
	switch {
	case f == nil:
		c.packetError()
		return
	case m.Len <= smallData:
		b, err := appendFile(head, f, int64(m.Offset), int64(m.Len))
		if err != nil {
			c.unreadable(err, errShortFile, m.Stream)
			return
		}
		c.reply(b)
	default:
		size, err := fileSize(f)
		if err != nil || size < int64(m.Offset)+int64(m.Len) {
			c.unreadable(err, nil, m.Stream)
			return
		}
		c.replyFile(head, f, int64(m.Offset), int64(m.Len))
	}
	c.srv.counters.packets.Add(1)
	c.srv.counters.packetBytes.Add(uint64(m.Len))
}

func (c *conn) packetError() {
	c.reply(lttng.PacketReply{Status: lttng.PacketError}.Append(c.srv.scratch[:0]))
}

// unreadable answers ERR; an error but the expected one is worth a message.
func (c *conn) unreadable(err, expected error, id lttng.StreamID) {
	if !errors.Is(err, expected) {
		c.srv.counters.errors.Add(1)
		c.srv.log.Error("packet not readable", "stream", id, "err", err)
	}
	c.packetError()
}

// packetFile returns the file to read from, nil when there is none or the
// range cannot be in any file.
func (c *conn) packetFile(m *lttng.PacketRequest) *fdpool.File {
	vs := c.streams[m.Stream]
	switch {
	case vs == nil, m.Len > maxPacketLen, m.Offset > math.MaxInt64-maxPacketLen:
		return nil
	case vs.cursor == nil && vs.meta.translation != nil:
		return nil // not what this viewer reads
	case vs.cursor == nil:
		f, _ := vs.meta.cursor.Data()
		return f
	}
	return vs.cursor.File()
}

func fileSize(f *fdpool.File) (int64, error) {
	fd, err := f.Acquire()
	if err != nil {
		return 0, err
	}
	defer f.Release()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, err
	}
	return st.Size, nil
}
