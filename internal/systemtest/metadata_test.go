// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"encoding/binary"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/internal/relaytest"
	"github.com/weir-io/weir/lttng"
)

// scripted is a producer of our own with a live session of two CPUs.
type scripted struct {
	m    *machine
	name string
	*relaytest.Producer
	meta lttng.StreamID
	data [2]lttng.StreamID
	sent [2]uint64 // packets, by CPU
	time uint64    // number of the next packet, of which its time follows
}

// script opens the session of a producer that speaks the newest minor.
func (m *machine) script(name string, format uint32) *scripted {
	m.Helper()
	r := relaytest.Remote(m, "127.0.0.1:5342", "127.0.0.1:5343")
	create := lttng.CreateSession{
		Name: name, Hostname: hostName, LiveTimer: 100_000, TraceFormat: format, SessiondUUID: [16]byte{1},
		SessiondSessionID: uint64(len(name)), CreationTime: 1_700_000_000,
	}
	p, _ := r.Open(m, lttng.MinorTraceFormat, create)
	s := &scripted{m: m, name: name, Producer: p}
	if code := p.CreateChunk(lttng.CreateTraceChunk{CreationTime: create.CreationTime}); code != lttng.ReplyOK {
		m.Fatalf("CREATE_TRACE_CHUNK: %v", code)
	}
	for cpu := range s.data {
		s.data[cpu] = s.add(fmt.Sprintf("ch_%d", cpu))
	}
	s.meta = s.add("metadata")
	p.StreamsSent()
	return s
}

func (s *scripted) add(channel string) lttng.StreamID {
	s.m.Helper()
	r := s.AddStream(lttng.AddStream{Channel: channel, Path: "ust/uid/0/64-bit"})
	if r.Code != lttng.ReplyOK {
		s.m.Fatalf("ADD_STREAM %s: %v", channel, r.Code)
	}
	return r.Stream
}

func (s *scripted) metadata(b []byte) {
	s.m.Helper()
	s.SendMetadata(lttng.Metadata{Stream: s.meta, Content: b})
	s.Sync()
}

// packets sends packets of one event each, on both CPUs in turn, and says then
// how far the time has come.
func (s *scripted) packets(n int) {
	s.m.Helper()
	var x lttng.Index
	for i := range n {
		cpu := i % len(s.data)
		b := relaytest.Packet(cpu, s.time, 0)
		binary.LittleEndian.PutUint64(b[56:], s.sent[cpu]) // its number in its stream
		x = relaytest.Index(s.data[cpu], cpu, s.sent[cpu], s.time, len(b))
		x.PacketSeqNum = s.sent[cpu]
		s.Packet(lttng.DataHeader{Stream: x.Stream, NetSeqNum: x.NetSeqNum}, b)
		if code := s.SendIndex(x); code != lttng.ReplyOK {
			s.m.Fatalf("SEND_INDEX: %v", code)
		}
		s.sent[cpu]++
		s.time++
	}
	for cpu, id := range s.data {
		s.m.until("packets stored", func() bool { return s.DataPending(id, s.sent[cpu]-1) == lttng.ReplyCode(0) })
		s.SendIndex(lttng.Index{Stream: id, NetSeqNum: s.sent[cpu] - 1, TimestampEnd: x.TimestampEnd})
	}
}

// finish ends the session.
func (s *scripted) finish() {
	s.m.Helper()
	for cpu, id := range s.data {
		s.CloseStream(id, s.sent[cpu]-1)
	}
	s.CloseStream(s.meta, lttng.NoSeq)
	s.Close()
}

// printedNumber finds the event of a packet.
var printedNumber = regexp.MustCompile(`test:packet: \{ cpu_id = (\d+) \}, \{ number = (\d+) \}`)

// numbers returns what the events in a viewer's output say.
func numbers(lines []string) []string {
	var all []string
	for _, l := range lines {
		if f := printedNumber.FindStringSubmatch(l); f != nil {
			all = append(all, f[1]+":"+f[2])
		}
	}
	return all
}

// packetized puts metadata into packets, as consumers below LTTng 2.14 do.
func packetized(text []byte) []byte {
	b := make([]byte, 4096*((len(text)+ctf.MetadataHeaderLen+4095)/4096))
	le := binary.LittleEndian
	le.PutUint32(b, ctf.MetadataMagic)
	le.PutUint32(b[24:], uint32(len(text)+ctf.MetadataHeaderLen)*8)
	le.PutUint32(b[28:], uint32(len(b))*8)
	b[35], b[36] = 1, 8
	copy(b[ctf.MetadataHeaderLen:], text)
	return b
}

// Producers of every age: babeltrace2 2.0.4 reads them all, event by event.
func TestMetadataForms(t *testing.T) {
	isolated(t, func(m *machine) {
		w := m.startWeir()
		text := relaytest.Metadata()
		for _, tt := range []struct {
			name   string
			format uint32
			parts  [][]byte
		}{
			{"packets", lttng.FormatCTF1, [][]byte{packetized(text)}},
			{"text", lttng.FormatCTF1, [][]byte{text[:500], text[500:]}},
			{"bare", lttng.FormatCTF1, [][]byte{[]byte(strings.TrimPrefix(string(text), "/* CTF 1.8 */"))}},
			{"fragments", lttng.FormatCTF2, [][]byte{relaytest.Fragments()}},
			{"pieces", lttng.FormatCTF2, [][]byte{relaytest.Fragments()[:1], relaytest.Fragments()[1:1000], relaytest.Fragments()[1000:]}},
		} {
			s := m.script(tt.name, tt.format)
			v := m.view(s.name)
			for _, part := range tt.parts {
				s.metadata(part)
			}
			s.packets(20)
			v.awaitLines("first events", func(lines []string) bool { return len(numbers(lines)) > 0 })
			s.packets(21)
			s.finish()
			v.finishWhole()
			lines, _ := v.output()
			var want []string
			for i := range 20 {
				want = append(want, fmt.Sprintf("%d:%d", i%2, i))
			}
			for i := range 21 {
				want = append(want, fmt.Sprintf("%d:%d", i%2, i+20))
			}
			if got := numbers(lines); strings.Join(got, " ") != strings.Join(want, " ") {
				m.Errorf("%s: events %v, want %v\n%s", tt.name, got, want, lastLines(v.errors(), 10))
			}
		}
		if n := m.metric("metadata_errors_total"); n != 0 {
			m.Errorf("%v traces with broken metadata, want 0", n)
		}
		w.stop()
	})
}

// Broken metadata is shown with its place, and all is stored.
func TestBrokenMetadata(t *testing.T) {
	isolated(t, func(m *machine) {
		w := m.startWeir()
		s, healthy := m.script("broken", lttng.FormatCTF1), m.script("sound", lttng.FormatCTF2)
		healthy.metadata(relaytest.Fragments())
		s.metadata(append(relaytest.Metadata(), "event {\n\tname = oh dear;\n};\n"...))
		s.packets(20)
		m.until("metadata checked", func() bool { return m.metric("metadata_errors_total") == 1 && m.metric("metadata_waiting") == 0 })
		for name, broken := range map[string]bool{s.name: true, healthy.name: false} {
			out := m.run(m.weir(), "sessions", "show", m.sessionID(name))
			const want = `Metadata:  ust/uid/0/64-bit: tsdl: line 47, column 12: got "dear", want ";"`
			if strings.Contains(out, "Metadata:") != broken || broken && !strings.Contains(out, want) {
				m.Errorf("%s: show printed\n%s", name, out)
			}
		}
		if n := m.metric("relay_packets_total"); n != 20 {
			m.Errorf("%v packets stored, want 20", n)
		}
		if log := w.errors(); strings.Count(log, "metadata broken") != 1 {
			m.Errorf("log:\n%s", log)
		}
		s.finish()
		healthy.Close()
		w.stop()
	})
}

// sessionID returns the identifier of a session, once weir lists it: a list is
// up to a second old.
func (m *machine) sessionID(name string) (id string) {
	m.Helper()
	m.until("list with session "+name, func() bool {
		for line := range strings.Lines(m.run(m.weir(), "sessions")) {
			if f := strings.Fields(line); len(f) > 1 && f[1] == name {
				id = f[0]
			}
		}
		return id != ""
	})
	return id
}
