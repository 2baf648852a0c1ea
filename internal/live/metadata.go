// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"bytes"
	"time"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/internal/metadata"
	"github.com/weir-io/weir/internal/tracestore"
	"github.com/weir-io/weir/lttng"
)

const (
	// maxMetadata bounds one answer, so that its length fits the headers.
	maxMetadata = 256 << 20
	// metadataRead is how much metadata is read at once to find where its
	// declarations end.
	metadataRead = 16 << 10
)

// metadataView is one viewer's place in the metadata of a trace. The stored
// form is what the producer sent: packets below LTTng 2.14, text since, JSON
// with CTF 2.
type metadataView struct {
	stream *tracestore.Stream
	cursor *tracestore.MetadataCursor
	hold   time.Duration // for the rest of a declaration

	split metadata.Splitter
	since time.Time // when a declaration was first seen incomplete

	translation *translation // what the viewer reads instead; nil: what is stored
	at          int          // bytes of it that were sent

	wrapped bool     // a text has been put in packets: uuid is settled
	uuid    [16]byte // of the packets
	told    bool     // the end was told to the viewer with NO_NEW
	gone    bool     // not kept any longer
}

func newMetadataView(st *tracestore.Stream, hold time.Duration) *metadataView {
	return &metadataView{stream: st, cursor: st.MetadataCursor(), hold: hold}
}

func (v *metadataView) close() {
	v.cursor.Close()
	if v.translation != nil {
		v.translation.close()
		v.translation = nil
	}
}

// news reports whether the viewer should ask: there is something, or there
// has been nothing so far.
func (v *metadataView) news() bool {
	if t := v.translation; t != nil {
		return len(t.text) > v.at || v.at == 0 && !v.stream.Closed()
	}
	if v.cursor.Unread() == 0 || v.gone {
		return v.cursor.Sent() == 0 && !v.stream.Closed()
	}
	n, err := v.available()
	return err != nil || n > 0
}

// available returns how many bytes can be sent: whole declarations, because a
// viewer parses what it has when it is told that there is nothing more.
func (v *metadataView) available() (int64, error) {
	unread := v.cursor.Unread()
	if unread == 0 || v.gone {
		return 0, nil
	}
	sent := v.cursor.Sent()
	if err := v.scanTo(sent + unread); err != nil {
		return 0, err
	}
	if whole := v.split.Whole() - sent; whole > 0 {
		v.since = time.Time{}
		return min(whole, unread, maxMetadata), nil
	}
	now := time.Now()
	if v.since.IsZero() {
		v.since = now
	}
	if v.split.Form() == metadata.FormUnknown || !v.stream.Closed() && now.Sub(v.since) < v.hold {
		return 0, nil
	}
	return min(unread, maxMetadata), nil
}

// scanTo follows the declarations up to end.
func (v *metadataView) scanTo(end int64) error {
	var buf [metadataRead]byte
	for at := v.split.Scanned(); at < end; at = v.split.Scanned() {
		n, err := v.cursor.ReadAt(buf[:min(int64(len(buf)), end-at)], at)
		if err != nil || n == 0 {
			return err
		}
		v.split.Feed(buf[:n])
	}
	return nil
}

// wrap returns what goes before the next n bytes of text to make them a packet.
func (v *metadataView) wrap(n int64) ([]byte, error) {
	var text string
	if v.cursor.Sent() == 0 {
		head := make([]byte, min(n, metadata.UUIDSearch))
		k, err := v.cursor.ReadAt(head, 0)
		if err != nil {
			return nil, err
		}
		if head = head[:k]; !bytes.HasPrefix(head, []byte(metadata.Signature)) {
			text = metadata.Signature + "\n"
		}
		if !v.wrapped {
			v.uuid, v.wrapped = metadata.TraceUUID(head), true
		}
	}
	return append(metadata.AppendPacketHeader(nil, v.uuid, int64(len(text))+n), text...), nil
}

// metadata answers GET_METADATA with everything that is complete.
func (c *conn) metadata(id lttng.StreamID) {
	vs := c.streams[id]
	if vs == nil || vs.meta == nil {
		c.reply(lttng.MetadataReply{Status: lttng.MetadataError}.Append(c.srv.scratch[:0]))
		return
	}
	v := vs.meta
	if v.translation != nil {
		c.translatedMetadata(v)
		return
	}
	closed := v.stream.Closed() // before the size: nothing is added after it
	n, err := v.available()
	if err != nil {
		c.srv.counters.errors.Add(1)
		c.srv.log.Error("metadata not readable", "stream", id, "err", err)
		c.reply(lttng.MetadataReply{Status: lttng.MetadataError}.Append(c.srv.scratch[:0]))
		return
	}
	if n == 0 {
		c.reply(lttng.MetadataReply{Status: v.nothing(closed)}.Append(c.srv.scratch[:0]))
		return
	}
	c.sendMetadata(v, n)
}

// nothing is the status when there is nothing to send. A viewer that never had
// any metadata must not wait for it after the stream's end.
func (v *metadataView) nothing(closed bool) lttng.MetadataStatus {
	if closed && v.cursor.Sent() == 0 && v.at == 0 {
		if v.told {
			return lttng.MetadataError
		}
		v.told = true
	}
	return lttng.MetadataNone
}

func (c *conn) sendMetadata(v *metadataView, n int64) {
	var prefix []byte
	if v.split.Form() == metadata.FormText && c.minor < lttng.MinorTraceFormat {
		var err error
		if prefix, err = v.wrap(n); err != nil {
			c.srv.counters.errors.Add(1)
			c.srv.log.Error("metadata not readable", "stream", v.stream.ID(), "err", err)
			c.reply(lttng.MetadataReply{Status: lttng.MetadataError}.Append(c.srv.scratch[:0]))
			return
		}
	}
	f, off := v.cursor.Take(n)
	if f == nil { // discarded by a clear, or kept for long enough after its end
		closed := v.stream.Closed()
		v.gone = closed
		c.reply(lttng.MetadataReply{Status: v.nothing(closed)}.Append(c.srv.scratch[:0]))
		return
	}
	total := int64(len(prefix)) + n
	c.srv.counters.metadataBytes.Add(uint64(total))
	head := lttng.MetadataReply{Len: uint64(total), Status: lttng.MetadataOK}.Append(c.srv.scratch[:0])
	c.replyFile(append(head, prefix...), f, off, n)
	if c.out.empty() {
		v.cursor.Close()
	}
}

// translatedMetadata answers GET_METADATA with the translation, in a packet.
func (c *conn) translatedMetadata(v *metadataView) {
	t, closed := v.translation, v.stream.Closed() // before the look: nothing is added after it
	id := v.stream.ID()
	if !c.caughtUp(t, func() { c.metadata(id) }) {
		return
	}
	text := t.text[v.at:]
	if len(text) == 0 {
		status := v.nothing(closed)
		if t.err != nil {
			status = lttng.MetadataError
		}
		c.reply(lttng.MetadataReply{Status: status}.Append(c.srv.scratch[:0]))
		return
	}
	v.at = len(t.text)
	total := len(text) + ctf.MetadataHeaderLen
	c.srv.counters.metadataBytes.Add(uint64(total))
	b := lttng.MetadataReply{Len: uint64(total), Status: lttng.MetadataOK}.Append(c.srv.scratch[:0])
	b = metadata.AppendPacketHeader(b, t.uuid, int64(len(text)))
	c.reply(append(b, text...))
}
