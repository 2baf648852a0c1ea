// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"math"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/fdpool"
	"github.com/weir-io/weir/lttng"
)

// maxPacketLen is the longest answer: the reply's length field, with its head.
const maxPacketLen = math.MaxUint32 - 12

// packet answers GET_PACKET: any bytes of the file that holds the packet taken
// last, or of the metadata. The answer is complete or ERR, never shorter than
// asked for.
func (c *conn) packet(m lttng.PacketRequest) {
	f, ok := c.packetFile(&m)
	if !ok {
		c.reply(lttng.PacketReply{Status: lttng.PacketError}.Append(c.srv.scratch[:0]))
		return
	}
	c.srv.counters.packets.Add(1)
	c.srv.counters.packetBytes.Add(uint64(m.Len))
	head := lttng.PacketReply{Status: lttng.PacketOK, Len: m.Len}.Append(c.srv.scratch[:0])
	c.replyFile(head, f, int64(m.Offset), int64(m.Len))
}

// packetFile returns the file that holds the bytes asked for, and whether it
// does hold them.
func (c *conn) packetFile(m *lttng.PacketRequest) (*fdpool.File, bool) {
	vs := c.streams[m.Stream]
	if vs == nil || m.Len > maxPacketLen || m.Offset > math.MaxInt64-maxPacketLen {
		return nil, false
	}
	end := int64(m.Offset) + int64(m.Len)
	if vs.cursor == nil {
		f, size := vs.meta.cursor.Data()
		return f, f != nil && end <= size
	}
	f := vs.cursor.Data()
	if f == nil {
		return nil, false
	}
	size, err := fileSize(f)
	if err != nil {
		c.srv.counters.errors.Add(1)
		c.srv.log.Error("packet not readable", "stream", m.Stream, "err", err)
		return nil, false
	}
	return f, end <= size
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
