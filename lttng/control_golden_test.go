// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package lttng

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// exchange is one request of a control capture and its reply.
type exchange struct {
	minor            Minor
	header           ControlHeader
	payload          []byte
	request          []byte // header and payload
	reply            []byte // all bytes from here on
	offset, replyOff int
}

// walkControl calls f for each request of a capture; f returns the length of
// the reply it found.
func walkControl(t testing.TB, name string, f func(exchange) int) {
	t.Helper()
	c2s, s2c := readCapture(t, name+".c2s.bin"), readCapture(t, name+".s2c.bin")
	var x exchange
	for x.offset < len(c2s) {
		h, err := ParseControlHeader(c2s[x.offset:])
		if err != nil {
			t.Fatalf("%s: request at %d: %v", name, x.offset, err)
		}
		if h.DataSize > PayloadLimit(h.Cmd) {
			t.Fatalf("%s: %v of %d bytes is above its limit %d", name, h.Cmd, h.DataSize, PayloadLimit(h.Cmd))
		}
		end := x.offset + ControlHeaderLen + int(h.DataSize)
		x.header, x.request = h, c2s[x.offset:end:end]
		x.payload = x.request[ControlHeaderLen:]
		x.reply = s2c[x.replyOff:]
		if h.Cmd == CmdVersion {
			v, err := ParseVersion(x.payload)
			if err != nil {
				t.Fatal(err)
			}
			own, _, err := ParseVersionReply(x.reply)
			if err != nil {
				t.Fatal(err)
			}
			x.minor = Minor(min(v.Minor, own.Minor))
		}
		x.replyOff += f(x)
		x.offset = end
	}
	if x.replyOff != len(s2c) {
		t.Errorf("%s: %d bytes of replies used, want %d", name, x.replyOff, len(s2c))
	}
}

// TestControlCaptures reads every control message of the captures, compares it
// with the table that came with them, and writes it again.
func TestControlCaptures(t *testing.T) {
	for _, name := range captureNames(t, "*.control*", ".c2s.bin") {
		t.Run(name, func(t *testing.T) {
			lines := decodedLines(t, name)
			i := 0
			walkControl(t, name, func(x exchange) int {
				if i >= len(lines) {
					t.Fatalf("more requests than the %d in the table", len(lines))
				}
				text := checkRequest(t, x)
				replyText, n := checkReply(t, x)
				got := fmt.Sprintf("%d+%d\t%v\t%s\t<- %d+%d\t%s", x.offset, len(x.request), x.header.Cmd, text, x.replyOff, n, replyText)
				if got != lines[i] {
					t.Errorf("message %d\n got %s\nwant %s", i, got, lines[i])
				}
				i++
				return n
			})
			if i != len(lines) {
				t.Errorf("%d messages, want %d", i, len(lines))
			}
		})
	}
}

// checkRequest parses the payload, writes the request again and returns the
// payload in the words of the table.
func checkRequest(t *testing.T, x exchange) string {
	t.Helper()
	if x.header.Cmd == CmdStreamsSent {
		if got := AppendRequest(nil, CmdStreamsSent, nil); !bytes.Equal(got, x.request) {
			t.Errorf("%v written as %x, want %x", x.header.Cmd, got, x.request)
		}
		return ""
	}
	c := codecNamed(t, x.header.Cmd.String())
	v, _, err := c.parse(x.payload, x.minor)
	if err != nil {
		t.Fatalf("request at %d: %v", x.offset, err)
	}
	want := x.request
	if x.header.Cmd == CmdRotateStreams {
		want = bytes.Clone(want)
		clear(want[ControlHeaderLen+5 : ControlHeaderLen+12]) // stack bytes
	}
	got := AppendRequest([]byte("x"), x.header.Cmd, func(b []byte) []byte {
		return c.append(v, b, x.minor)
	})
	if !bytes.Equal(got[1:], want) {
		t.Errorf("request at %d written as\n%x, want\n%x", x.offset, got[1:], want)
	}
	return requestText(v, x.minor)
}

// checkReply parses the reply, writes it again and returns it in the words of
// the table.
func checkReply(t *testing.T, x exchange) (text string, n int) {
	t.Helper()
	name := "code"
	switch x.header.Cmd {
	case CmdSendMetadata:
		return "(no reply)", 0
	case CmdVersion, CmdCreateSession, CmdAddStream, CmdGetConfiguration, CmdCloseTraceChunk, CmdTraceChunkExists:
		name = x.header.Cmd.String() + " reply"
	}
	c := codecNamed(t, name)
	v, n, err := c.parse(x.reply, x.minor)
	if err != nil {
		t.Fatalf("reply at %d: %v", x.replyOff, err)
	}
	if got := c.append(v, nil, x.minor); !bytes.Equal(got, x.reply[:n]) {
		t.Errorf("reply at %d written as\n%x, want\n%x", x.replyOff, got, x.reply[:n])
	}
	return replyText(v, x.minor), n
}

// requestText prints a request as the tables do.
func requestText(v any, minor Minor) string {
	z := func(s string) string { return byteText(s + "\x00") }
	switch m := v.(type) {
	case Version:
		return fmt.Sprintf("major=%d minor=%d", m.Major, m.Minor)
	case GetConfiguration:
		return fmt.Sprintf("query_flags=%d", m.QueryFlags)
	case CreateSession:
		return sessionText(m, minor)
	case AddStream:
		if minor < MinorChunks {
			return fmt.Sprintf("chan=%s path=%s tfsize=%d tfcount=%d", m.Channel, m.Path, m.TracefileSize, m.TracefileCount)
		}
		return fmt.Sprintf("chan=%s path=%s tfsize=%d tfcount=%d chunk=%d", z(m.Channel), z(m.Path), m.TracefileSize, m.TracefileCount, m.Chunk)
	case Metadata:
		return fmt.Sprintf("stream=%d padding=%d len=%d data=%s...", m.Stream, m.Padding, len(m.Content), byteText(string(m.Content[:16])))
	case Index:
		s := fmt.Sprintf("stream=%d seq=%d pkt=%d content=%d tb=%d te=%d disc=%d sid=%d", m.Stream, int64(m.NetSeqNum),
			m.PacketSize, m.ContentSize, m.TimestampBegin, m.TimestampEnd, m.EventsDiscarded, m.StreamClass)
		if minor >= MinorIndexInstance {
			s += fmt.Sprintf(" inst=%d pseq=%d", m.InstanceID, m.PacketSeqNum)
		}
		return s
	case CloseStream:
		return fmt.Sprintf("stream=%d last_net_seq=%d", m.Stream, int64(m.LastNetSeqNum))
	case DataPending:
		return fmt.Sprintf("stream=%d last_net_seq=%d", m.Stream, int64(m.LastNetSeqNum))
	case QuiescentControl:
		return fmt.Sprintf("stream=%d", m.Stream)
	case BeginDataPending:
		return fmt.Sprintf("session=%d", m.Session)
	case EndDataPending:
		return fmt.Sprintf("session=%d", m.Session)
	case ResetMetadata:
		return fmt.Sprintf("stream=%d version=%d", m.Stream, m.Version)
	case RotateStreams:
		s := fmt.Sprintf("count=%d header=20 chunk_set=%d chunk=%d", len(m.Streams), bit(m.HasChunk), m.Chunk)
		for _, p := range m.Streams {
			s += fmt.Sprintf(" (%d@%d)", p.Stream, p.SeqNum)
		}
		return s
	case CreateTraceChunk:
		name, size := "b''", 0
		if m.OverrideName != "" {
			name, size = z(m.OverrideName), len(m.OverrideName)+1
		}
		return fmt.Sprintf("chunk=%d ctime=%d name_len=%d name=%s", m.Chunk, m.CreationTime, size, name)
	case CloseTraceChunk:
		return fmt.Sprintf("chunk=%d close_ts=%d cmd_set=%d cmd=%d", m.Chunk, m.CloseTime, bit(m.HasCommand), m.Command)
	case TraceChunkExists:
		return fmt.Sprintf("chunk=%d", m.Chunk)
	}
	return fmt.Sprintf("no text for %T", v)
}

func sessionText(m CreateSession, minor Minor) string {
	if minor < MinorChunks {
		return fmt.Sprintf("name=%s host=%s live=%d snapshot=%d", m.Name, m.Hostname, m.LiveTimer, bit(m.Snapshot))
	}
	s := fmt.Sprintf("name=%s host=%s base=%s live=%d snap=%d name_has_time=%d uuid=%x sessiond_session_id=%d ctime=%d chunk_set=%d chunk=%d",
		byteText(m.Name+"\x00"), byteText(m.Hostname+"\x00"), byteText(m.BasePath+"\x00"), m.LiveTimer, bit(m.Snapshot),
		bit(m.NameHasTime), m.SessiondUUID, m.SessiondSessionID, m.CreationTime, bit(m.HasChunk), m.Chunk)
	if minor >= MinorTraceFormat {
		s += fmt.Sprintf(" trace_format=%d", m.TraceFormat)
	}
	return s
}

// replyText prints a reply as the tables do.
func replyText(v any, minor Minor) string {
	path := func(s string) string {
		return fmt.Sprintf(" path_len=%d path=%s", len(s)+1, byteText(s+"\x00"))
	}
	switch r := v.(type) {
	case Version:
		return fmt.Sprintf("major=%d minor=%d", r.Major, r.Minor)
	case ReplyCode:
		return fmt.Sprintf("ret=%d", r)
	case SessionReply:
		s := fmt.Sprintf("session_id=%d ret=%d", r.Session, r.Code)
		if minor >= MinorChunks {
			s += path(r.Path)
		}
		return s
	case StreamReply:
		return fmt.Sprintf("handle=%d ret=%d", r.Stream, r.Code)
	case ConfigurationReply:
		return fmt.Sprintf("ret=%d flags=%d", r.Code, r.Flags)
	case CloseChunkReply:
		return fmt.Sprintf("ret=%d", r.Code) + path(r.Path)
	case ChunkExistsReply:
		return fmt.Sprintf("ret=%d exists=%d", r.Code, bit(r.Exists))
	}
	return fmt.Sprintf("no text for %T", v)
}

func bit(v bool) int {
	if v {
		return 1
	}
	return 0
}

// byteText prints bytes as the Python literal of the tables.
func byteText(s string) string {
	quote := byte('\'')
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = '"'
	}
	b := []byte{'b', quote}
	for i := range len(s) {
		switch c := s[i]; {
		case c == quote || c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, `\n`...)
		case c == '\r':
			b = append(b, `\r`...)
		case c == '\t':
			b = append(b, `\t`...)
		case c < ' ' || c > '~':
			b = fmt.Appendf(b, `\x%02x`, c)
		default:
			b = append(b, c)
		}
	}
	return string(append(b, quote))
}

// TestDataCaptures reads every packet header of the captures and compares it
// with their tables.
func TestDataCaptures(t *testing.T) {
	for _, name := range captureNames(t, "*.data*", ".c2s.bin") {
		t.Run(name, func(t *testing.T) {
			b := readCapture(t, name+".c2s.bin")
			lines := decodedLines(t, name)
			off := 0
			for _, want := range lines {
				h, err := ParseDataHeader(b[off:])
				if err != nil {
					t.Fatal(err)
				}
				got := fmt.Sprintf("%d\tstream=%d\tseq=%d\tdata=%d\tpad=%d", off, h.Stream, h.NetSeqNum, h.DataSize, h.PaddingSize)
				if got != want {
					t.Errorf("got %s, want %s", got, want)
				}
				if again := h.Append(nil); !bytes.Equal(again, b[off:][:DataHeaderLen]) {
					t.Errorf("header at %d written as %x", off, again)
				}
				off += DataHeaderLen + int(h.DataSize)
			}
			if off != len(b) {
				t.Errorf("packets end at %d, want %d", off, len(b))
			}
		})
	}
}
