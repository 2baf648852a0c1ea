// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaytest_test

import (
	"bytes"
	"net"
	"path/filepath"
	"testing"

	"github.com/weir-io/weir/internal/relay"
	"github.com/weir-io/weir/internal/relaytest"
	"github.com/weir-io/weir/internal/tracestore"
	"github.com/weir-io/weir/internal/wait"
	"github.com/weir-io/weir/lttng"
)

// fuzzed is a relay that stays for the inputs of a fuzz worker.
type fuzzed struct {
	relay   *relaytest.Relay
	outer   string
	witness *relaytest.Recording
	seq     uint64
}

func newFuzzed(f *testing.F) *fuzzed {
	outer := f.TempDir()
	small := func(o *relay.Options, _ *tracestore.Options) { o.MaxPacketSize = 1 << 20 }
	r := relaytest.Start(f, relaytest.OneWorker, relaytest.Quiet, small, below(filepath.Join(outer, "a", "out")))
	plan := relaytest.Plan{Session: lttng.CreateSession{Name: "witness", Hostname: "witness"}}
	plan.Session.SessiondUUID[15] = 0xaa
	return &fuzzed{relay: r, outer: outer, witness: r.Record(f, plan)}
}

// check sends input to a port and closes: the witness must notice nothing, and
// nothing may be left.
func (z *fuzzed) check(t *testing.T, port string, input []byte) {
	t.Helper()
	before := relaytest.CountResources(t)
	c := relaytest.Connect(t, port)
	_, werr := c.Write(input)
	// The end of the input, and then whatever the relay has to say.
	if err := c.(*net.TCPConn).CloseWrite(); err == nil && werr == nil {
		relaytest.WaitClosed(t, c)
	}
	_ = c.Close() // by us or by the relay

	z.witness.SendWhole(0, z.seq, 100)
	z.seq++
	wait.Until(t, "the witness' packet is stored", func() bool {
		return z.witness.DataPending(z.witness.Streams[0], z.seq-1) == lttng.ReplyNotPending
	})
	counters := z.relay.Server.Counters()
	wait.Until(t, "the input's sessions and connections are closed", func() bool {
		return len(z.relay.Store.Sessions()) == 1 && counters.ControlOpen.Load() == 1 && counters.DataOpen.Load() <= 1
	})
	z.relay.Store.Expire()
	if z.seq > 1 { // the first packet opens files and the data connection
		before.Check(t)
	}
	z.checkOutput(t)
}

// checkOutput looks at what the input has stored, and makes room for the next.
func (z *fuzzed) checkOutput(t *testing.T) {
	t.Helper()
	for _, pattern := range []string{"*", "*/*"} {
		found, err := filepath.Glob(filepath.Join(z.outer, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range found {
			if path != filepath.Join(z.outer, "a") && path != z.relay.Output {
				t.Errorf("%q lies outside the output directory", path)
			}
		}
	}
	removeOthers(t, z.relay.Output, "witness")
}

// FuzzControl feeds the control port.
func FuzzControl(f *testing.F) {
	for _, name := range captures {
		c := loadCapture(f, name)
		for conn := range c.requests {
			b := c.sent[conn]
			f.Add(b)
			// The packets do not come with it: leave the waiting out.
			for _, r := range c.requests[conn] {
				if r.cmd == lttng.CmdSendIndex || r.cmd == lttng.CmdRotateStreams {
					f.Add(b[:r.offset+r.len])
				}
			}
		}
	}
	for _, c := range errorCases(f) {
		var b []byte
		for _, s := range c.Steps {
			if s.Op == "send" && isControl(s.Conn) {
				b = append(b, s.Hex...)
			}
		}
		f.Add(b)
	}
	f.Add(extended())
	z := newFuzzed(f)
	f.Fuzz(func(t *testing.T, input []byte) {
		z.relay.Lend(t, z.witness.Producer)
		z.check(t, z.relay.Control, input)
	})
}

// extended is a conversation with weir's extensions: streams begin, are resumed
// while they are open, and resumed anew.
func extended() (b []byte) {
	request := func(cmd lttng.Command, payload func([]byte) []byte) { b = lttng.AppendRequest(b, cmd, payload) }
	resume := lttng.Resume{Streams: []lttng.AddStream{{Channel: "ch_0", Path: "kernel", TracefileSize: 1}, {Channel: "metadata", Path: "kernel"}}}
	request(lttng.CmdVersion, lttng.Version{Major: 2, Minor: 15}.Append)
	request(lttng.CmdGetConfiguration, lttng.GetConfiguration{QueryFlags: lttng.ExtensionQuery(lttng.AllExtensions)}.Append)
	request(lttng.CmdCreateSession, func(b []byte) []byte {
		return lttng.CreateSession{Name: "s", Hostname: "h", SessiondUUID: [16]byte{1}, TraceFormat: 1}.Append(b, 15)
	})
	request(lttng.CmdToken, nil)
	request(lttng.CmdResume, resume.Append)
	request(lttng.CmdCreateTraceChunk, lttng.CreateTraceChunk{}.Append)
	request(lttng.CmdResume, resume.Append)
	request(lttng.CmdSendMetadata, lttng.Metadata{Stream: 2, Content: relaytest.Metadata()}.Append)
	request(lttng.CmdResume, resume.Append)
	return b
}

// FuzzData feeds the data port. Before each input there is a session of two
// streams whose handles the input's zeros and ones stand for.
func FuzzData(f *testing.F) {
	for _, name := range captures {
		c := loadCapture(f, name)
		for conn, b := range c.sent {
			if !isControl(conn) {
				f.Add(b, uint8(0))
				f.Add(b[:len(b)/2], uint8(3))
			}
		}
	}
	f.Add(lttng.DataHeader{Stream: 1, PaddingSize: 1 << 31}.Append(nil), uint8(1))
	f.Add(bytes.Repeat(lttng.DataHeader{Stream: 1, PaddingSize: 16}.Append(nil), 3), uint8(7))
	z := newFuzzed(f)
	f.Fuzz(func(t *testing.T, input []byte, announced uint8) {
		z.relay.Lend(t, z.witness.Producer)
		rec := z.relay.Record(t, relaytest.Plan{Streams: 2, Stream: lttng.AddStream{TracefileSize: uint64(announced) * 64, TracefileCount: 2}})
		for i, id := range rec.Streams {
			if announced>>i&1 == 1 {
				relaytest.MustOK(t, "SEND_INDEX", rec.SendIndex(relaytest.Index(id, i, 0, 0, 200)))
			}
		}
		b := bytes.Clone(input)
		for at := 0; at+lttng.DataHeaderLen <= len(b); {
			h, err := lttng.ParseDataHeader(b[at:])
			if err != nil {
				t.Fatal(err)
			}
			if h.Stream > 0 && h.Stream <= lttng.StreamID(len(rec.Streams)) {
				h.Stream = rec.Streams[h.Stream-1]
				h.Append(b[:at])
			}
			at += lttng.DataHeaderLen + int(h.DataSize)
		}
		c := relaytest.Connect(t, z.relay.Data)
		_, werr := c.Write(b)
		if err := c.(*net.TCPConn).CloseWrite(); err == nil && werr == nil {
			relaytest.WaitClosed(t, c)
		}
		_ = c.Close() // by us or by the relay
		// An error ends the session at once; its mere end would let the relay
		// wait for announced packets.
		rec.Send(lttng.AppendRequest(nil, lttng.CmdUpdateSyncInfo, nil))
		rec.WaitControlClosed()
		wait.Until(t, "the session is closed", func() bool { return z.relay.Store.Session(rec.Session.Session) == nil })
		z.check(t, z.relay.Data, b)
	})
}
