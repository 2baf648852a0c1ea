// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaytest_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	client "github.com/weir-io/weir/client/relay"
	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/internal/relay"
	"github.com/weir-io/weir/internal/relaytest"
	"github.com/weir-io/weir/internal/tracestore"
	"github.com/weir-io/weir/internal/wait"
	"github.com/weir-io/weir/lttng"
)

// returning is a producer that comes back when it loses its relay. It has every
// packet that it ever made, and sends what the relay does not have.
type returning struct {
	t       *testing.T
	options client.Options
	streams []client.StreamOptions // the last one is the metadata
	size    int
	udp     bool                    // packets go in datagrams
	wrap    func(net.Conn) net.Conn // the producer's UDP socket; nil = as it is

	session *client.Session
	open    []*client.Stream
}

func newReturning(t *testing.T, streams int) *returning {
	p := &returning{t: t, size: 3000, options: client.Options{
		Session: "s", Hostname: "h", UUID: [16]byte{1, 2, 3}, SessionID: 5, Created: time.Unix(relaytest.Created, 0),
	}}
	for i := range streams {
		p.streams = append(p.streams, client.StreamOptions{Channel: "ch_" + strconv.Itoa(i), Path: "kernel", Instance: uint64(i)})
	}
	p.streams = append(p.streams, client.StreamOptions{Channel: "metadata", Path: "kernel", Form: client.FormPlain})
	t.Cleanup(p.lose)
	return p
}

// lose ends the connections without a word.
func (p *returning) lose() {
	if p.session != nil {
		p.session.Abort()
	}
}

// tryDial connects to a relay and creates a session.
func (p *returning) tryDial(control, data string) (*client.Session, error) {
	p.t.Helper()
	o := p.options
	if p.udp {
		o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, network, address)
			if err == nil && network[:3] == "udp" && p.wrap != nil {
				c = p.wrap(c)
			}
			return c, err
		}
		return client.Dial(p.t.Context(), mustURL(p.t, "tcp4://"+control), mustURL(p.t, "udp4://"+data), o)
	}
	o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		to := control
		if address == "relay:5343" {
			to = data
		}
		return new(net.Dialer).DialContext(ctx, network, to)
	}
	return client.Dial(p.t.Context(), mustURL(p.t, "net4://relay"), lttng.URL{}, o)
}

// dial is tryDial where that has to work.
func (p *returning) dial(control, data string) *client.Session {
	p.t.Helper()
	s, err := p.tryDial(control, data)
	if err != nil {
		p.t.Fatal(err)
	}
	if !s.Resumable() {
		p.t.Fatal("the relay does not know how to resume")
	}
	p.session = s
	return s
}

func mustURL(t *testing.T, text string) lttng.URL {
	t.Helper()
	u, err := lttng.ParseURL(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// begin records from the beginning.
func (p *returning) begin(r *relaytest.Relay) {
	p.t.Helper()
	var err error
	if p.open, err = p.dial(r.Control, r.Data).AddStreams(p.t.Context(), p.streams...); err != nil {
		p.t.Fatal(err)
	}
	p.describe()
}

// resume goes on.
func (p *returning) resume(r *relaytest.Relay) {
	p.t.Helper()
	var err error
	if p.open, err = p.dial(r.Control, r.Data).Resume(p.t.Context(), p.streams...); err != nil {
		p.t.Fatal(err)
	}
	p.describe()
}

func (p *returning) describe() {
	p.t.Helper()
	if err := p.metadata().SendMetadata(p.t.Context(), relaytest.Metadata()); err != nil {
		p.t.Fatal(err)
	}
}

func (p *returning) metadata() *client.Stream { return p.open[len(p.open)-1] }

func (p *returning) data() []*client.Stream { return p.open[:len(p.open)-1] }

// send sends all packets below a number that the relay does not have.
func (p *returning) send(below uint64) error {
	for number := p.least(); number < below; number++ {
		for i, st := range p.data() {
			if st.Next() != number {
				continue
			}
			if err := p.sendOne(i, number); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *returning) sendOne(stream int, number uint64) error {
	return p.data()[stream].SendPacket(p.t.Context(), relaytest.Packet(stream, number, p.size), packetInfo(number))
}

// packetInfo is what [relaytest.Packet] says of itself.
func packetInfo(number uint64) ctf.PacketInfo {
	at := (number + 1) * 1000
	return ctf.PacketInfo{Has: ctf.HasBegin | ctf.HasEnd | ctf.HasSequence, Begin: at, End: at, Sequence: number}
}

func (p *returning) least() uint64 {
	least := ^uint64(0)
	for _, st := range p.data() {
		least = min(least, st.Next())
	}
	return least
}

func (p *returning) mustSend(below uint64) {
	p.t.Helper()
	if err := p.send(below); err != nil {
		p.t.Fatal(err)
	}
}

// mustStore is mustSend that waits until the relay has the packets: what is on
// its way when a connection is aborted may be lost with it.
func (p *returning) mustStore(below uint64) {
	p.t.Helper()
	p.mustSend(below)
	if err := p.session.Drain(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
}

// finish ends the recording in order.
func (p *returning) finish() {
	p.t.Helper()
	if err := p.session.Close(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
}

// checkOnce wants the packets from 0 on, each once, in one session directory
// without a mark, and babeltrace2 to read as many.
func (p *returning) checkOnce(output string, packets uint64) {
	p.t.Helper()
	session := p.oneSession(output)
	for i := range p.data() {
		got := relaytest.StoredNumbers(p.t, session, "ch_"+strconv.Itoa(i))
		checkNumbers(p.t, "ch_"+strconv.Itoa(i), got, packets)
	}
	if events := readEvents(p.t, session); events != nil {
		for i := range p.data() {
			if n := events[strconv.Itoa(i)]; uint64(n) != packets {
				p.t.Errorf("babeltrace2 reads %d packets of stream %d, want %d", n, i, packets)
			}
		}
	}
	if left := marks(p.t, session); len(left) > 0 {
		p.t.Errorf("marks of a recording that ended in order: %q", left)
	}
}

func (p *returning) oneSession(output string) string {
	p.t.Helper()
	dirs, err := filepath.Glob(filepath.Join(output, "h", "*"))
	if err != nil || len(dirs) != 1 {
		p.t.Fatalf("session directories %q (%v), want one", dirs, err)
	}
	return dirs[0]
}

// checkNumbers wants 0, 1, 2 … once each, in any order.
func checkNumbers(t *testing.T, what string, got []uint64, packets uint64) {
	t.Helper()
	seen := make(map[uint64]int)
	for _, n := range got {
		seen[n]++
	}
	for n := range packets {
		if seen[n] != 1 {
			t.Errorf("%s: packet %d is stored %d times, want once", what, n, seen[n])
		}
		delete(seen, n)
	}
	if len(seen) > 0 {
		t.Errorf("%s: packets that were not sent: %v", what, seen)
	}
}

// marks returns the files by which a recording is known again.
func marks(t *testing.T, session string) (found []string) {
	t.Helper()
	for path := range relaytest.Tree(t, session) {
		if filepath.Base(path) == ".weir-resume" {
			found = append(found, path)
		}
	}
	return found
}

// A relay is killed in the middle of a recording, again and again. What it has
// when it is back, and what it then gets, is every packet once.
func TestKillAndResume(t *testing.T) {
	for _, size := range []int{200, 100_000} {
		t.Run(strconv.Itoa(size), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(uint64(size), 1))
			dir := t.TempDir()
			p := newReturning(t, 3)
			p.size = size
			relay := startProcess(t, dir)
			p.begin(relay.relay)
			var sent uint64
			for round := range 5 {
				// Some of it was answered for certain, and some has just been
				// written to a socket.
				sent += 20 + rng.Uint64N(100)
				p.mustSend(sent)
				for p.data()[0].Confirmed() < 10 {
					if err := p.session.Sync(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				confirmed := p.data()[0].Confirmed() + p.data()[0].Next() - p.data()[0].Sent()
				if round%2 == 0 { // under load
					ended := make(chan error, 1)
					go func() { ended <- p.send(1 << 40) }()
					wait.Until(t, "more is being sent", func() bool { return p.data()[0].Next() > sent+5 })
					relay.kill()
					if err := <-ended; err == nil {
						t.Fatal("a producer of a killed relay goes on")
					}
				} else if round == 1 {
					relay.kill()
				} else {
					relay.stop() // in order, which is no better for the producer
				}
				sent = max(sent, p.data()[0].Next())
				p.lose()
				relay = startProcess(t, dir)
				// Readers of what is left now find an index for each packet.
				for i := range p.data() {
					relaytest.Stored(t, filepath.Join(p.oneSession(filepath.Join(dir, "out")), "kernel", fmt.Sprintf("ch_%d", i)))
				}
				p.resume(relay.relay)
				for i, st := range p.data() {
					if st.Next() > sent+1 {
						t.Errorf("stream %d is to go on at %d, but only %d were sent", i, st.Next(), sent)
					}
				}
				if next := p.data()[0].Next(); next+200 < confirmed {
					t.Errorf("stream 0 is to go on at %d, but %d were confirmed", next, confirmed)
				}
			}
			p.mustSend(sent + 50)
			p.finish()
			relay.stop()
			p.checkOnce(filepath.Join(dir, "out"), sent+50)
		})
	}
}

// The connection breaks and the relay lives on.
func TestResumeAfterLoss(t *testing.T) {
	r := relaytest.Start(t)
	p := newReturning(t, 2)
	p.begin(r)
	p.mustSend(10)
	for i := range 3 {
		p.lose()
		r.WaitSettled()
		p.resume(r)
		p.mustSend(20 + 10*uint64(i))
	}
	p.finish()
	r.WaitSettled()
	p.checkOnce(r.Output, 40)
	if got := r.Store.Counters().Resumed.Load(); got != 9 {
		t.Errorf("%d streams resumed, want 9", got)
	}
}

// The old connection is still there when the producer comes back: it is ended,
// after what it has sent was stored.
func TestResumeTakesOver(t *testing.T) {
	for workers := 1; workers <= 3; workers++ {
		t.Run(strconv.Itoa(workers), func(t *testing.T) {
			r := relaytest.Start(t, func(o *relay.Options, _ *tracestore.Options) { o.Workers = workers })
			p := newReturning(t, 2)
			p.begin(r)
			p.mustSend(10)
			old := p.session
			t.Cleanup(old.Abort)
			p.resume(r)
			<-old.Dead()
			for i, st := range p.data() {
				if st.Next() != 10 {
					t.Errorf("stream %d goes on at %d, want 10", i, st.Next())
				}
			}
			p.mustSend(25)
			p.finish()
			r.WaitSettled()
			p.checkOnce(r.Output, 25)
		})
	}
}

// Who does not know the UUID, or is another session, gets a directory of its
// own and nothing of the recording.
func TestResumeNeedsIdentity(t *testing.T) {
	for name, change := range map[string]func(*client.Options){
		"uuid":    func(o *client.Options) { o.UUID[15]++ },
		"session": func(o *client.Options) { o.SessionID++ },
		"time":    func(o *client.Options) { o.Created = o.Created.Add(time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			r := relaytest.Start(t)
			p := newReturning(t, 1)
			p.begin(r)
			p.mustStore(3)
			p.lose()
			r.WaitSettled()
			before := relaytest.Tree(t, r.Output)
			thief := newReturning(t, 1)
			change(&thief.options)
			s := thief.dial(r.Control, r.Data)
			if _, err := s.Resume(t.Context(), thief.streams...); !errors.Is(err, client.ErrNothingStored) {
				t.Errorf("Resume: %v, want %v", err, client.ErrNothingStored)
			}
			// The session is good for a new recording.
			var err error
			if thief.open, err = s.AddStreams(t.Context(), thief.streams...); err != nil {
				t.Fatal(err)
			}
			thief.describe()
			thief.mustSend(2)
			thief.finish()
			r.WaitSettled()
			after := relaytest.Tree(t, r.Output)
			for path, content := range before {
				if diff := cmp.Diff(content, after[path]); diff != "" {
					t.Errorf("%s was changed:\n%s", path, diff)
				}
			}
		})
	}
}

// A producer that forgets to resume does not replace what is stored.
func TestReturningReplacesNothing(t *testing.T) {
	r := relaytest.Start(t)
	p := newReturning(t, 1)
	p.begin(r)
	p.mustStore(3)
	p.lose()
	r.WaitSettled()
	s := p.dial(r.Control, r.Data)
	if _, err := s.AddStreams(t.Context(), p.streams...); err == nil {
		t.Error("streams of an earlier connection were added anew")
	}
	p.lose()
	r.WaitSettled()
	p.resume(r)
	if next := p.data()[0].Next(); next != 3 {
		t.Errorf("goes on at %d, want 3", next)
	}
	p.finish()
}

// A relay that nobody asked for extensions behaves as lttng-relayd, and so does
// the producer.
func TestPlainProducer(t *testing.T) {
	r := relaytest.Start(t)
	p := newReturning(t, 1)
	p.options.Plain = true
	s, err := client.Dial(t.Context(), mustURL(t, "tcp4://"+r.Control), mustURL(t, "tcp4://"+r.Data), p.options)
	if err != nil {
		t.Fatal(err)
	}
	p.session = s
	if s.Resumable() {
		t.Error("a plain session is resumable")
	}
	if _, err := s.Resume(t.Context(), p.streams...); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Resume: %v, want %v", err, errors.ErrUnsupported)
	}
	if p.open, err = s.AddStreams(t.Context(), p.streams...); err != nil {
		t.Fatal(err)
	}
	p.describe()
	p.mustSend(1)
	p.lose()
	r.WaitSettled()
	if found := marks(t, r.Output); len(found) > 0 {
		t.Errorf("marks of a plain producer: %q", found)
	}
	raw := r.Dial(t)
	raw.Version(lttng.Version{Major: 2, Minor: 15})
	raw.Request(lttng.CmdResume, lttng.Resume{}.Append)
	if got := raw.WaitControlClosed(); !cmp.Equal(got, lttng.AppendCode(nil, lttng.ReplyUnknown)) {
		t.Errorf("RESUME without the extension is answered %x", got)
	}
}

// Trace files of limited size go on in the newest one.
func TestResumeRing(t *testing.T) {
	for _, count := range []uint64{0, 1, 3} {
		t.Run(fmt.Sprint(count), func(t *testing.T) {
			dir := t.TempDir()
			p := newReturning(t, 1)
			p.streams[0].TracefileSize, p.streams[0].TracefileCount = 3*uint64(p.size), count
			p.options.LiveTimer = time.Second
			relay := startProcess(t, dir)
			p.begin(relay.relay)
			var total uint64
			for range 4 {
				total += 5
				p.mustSend(total)
				if err := p.session.Drain(t.Context()); err != nil {
					t.Fatal(err)
				}
				relay.kill()
				p.lose()
				relay = startProcess(t, dir)
				p.resume(relay.relay)
				if next := p.data()[0].Next(); next != total {
					t.Fatalf("goes on at %d, want %d", next, total)
				}
			}
			p.finish()
			relay.stop()
			got := relaytest.StoredNumbers(t, p.oneSession(filepath.Join(dir, "out")), "ch_0")
			if count == 0 {
				checkNumbers(t, "ch_0", got, total)
				return
			}
			seen := make(map[uint64]bool)
			for _, n := range got {
				if seen[n] || n >= total {
					t.Errorf("packet %d is stored twice, or was not sent", n)
				}
				seen[n] = true
			}
			for n := total - uint64(len(got)); n < total; n++ {
				if !seen[n] {
					t.Errorf("packet %d is missing among the last %d", n, len(got))
				}
			}
			if len(got) == 0 {
				t.Error("nothing is stored")
			}
		})
	}
}

// Packets that are sent again are taken out, whatever comes first of data and
// index, and what is behind them moves up.
func TestDuplicatesAreDropped(t *testing.T) {
	for _, order := range []string{"data first", "index first", "in turn", "within the next"} {
		t.Run(order, func(t *testing.T) {
			r := relaytest.Start(t, relaytest.OneWorker)
			p := newReturning(t, 1)
			p.begin(r)
			p.mustStore(6)
			p.lose()
			r.WaitSettled()
			raw, id, next := rawResume(t, r, p)
			if next != 6 {
				t.Fatalf("goes on at %d, want 6", next)
			}
			var data, indexes [][]byte
			for seq := range uint64(8) { // numbers 2 to 9
				b := lttng.DataHeader{Stream: id, NetSeqNum: seq, DataSize: uint32(p.size)}.Append(nil)
				data = append(data, append(b, relaytest.Packet(0, seq+2, p.size)...))
				indexes = append(indexes, lttng.AppendRequest(nil, lttng.CmdSendIndex, func(b []byte) []byte {
					return relaytest.Index(id, 0, seq, seq+2, p.size).Append(b, 15)
				}))
			}
			sendData := func(i int) { raw.SendData(data[i]); r.WaitPackets(uint64(6 + i + 1)) }
			sendIndex := func(i int) {
				raw.Send(indexes[i])
				relaytest.MustOK(t, "SEND_INDEX", raw.Code())
			}
			for i := range data {
				switch order {
				case "data first":
					sendData(i)
				case "index first":
					sendIndex(i)
				case "in turn":
					sendData(i)
					sendIndex(i)
				}
			}
			if order == "within the next" {
				sendAcross(raw, r, data, sendIndex)
			}
			for i := range data {
				switch order {
				case "data first":
					sendIndex(i)
				case "index first":
					sendData(i)
				}
			}
			wait.Until(t, "everything is stored", func() bool { return raw.DataPending(id, 7) == lttng.ReplyNotPending })
			raw.Close()
			r.WaitSettled()
			session := p.oneSession(r.Output)
			checkNumbers(t, "ch_0", relaytest.Stored(t, filepath.Join(session, "kernel/ch_0")), 10)
			if got := r.Store.Counters().Duplicate.Load(); got != 4 {
				t.Errorf("%d duplicates counted, want 4", got)
			}
		})
	}
}

// Packets of which the index has not come when the producer is lost are not kept: it
// sends them again, and readers of what is left find an index that fits.
func TestNoPacketWithoutIndex(t *testing.T) {
	r := relaytest.Start(t, relaytest.OneWorker)
	p := newReturning(t, 1)
	p.begin(r)
	p.mustStore(6)
	p.lose()
	r.WaitSettled()
	raw, id, next := rawResume(t, r, p)
	for seq := range uint64(4) {
		b := lttng.DataHeader{Stream: id, NetSeqNum: seq, DataSize: uint32(p.size)}.Append(nil)
		raw.SendData(append(b, relaytest.Packet(0, next+seq, p.size)...))
		r.WaitPackets(6 + seq + 1)
	}
	file := filepath.Join(p.oneSession(r.Output), "kernel/ch_0")
	if _, rest := relaytest.Indexed(t, file); rest != 4*p.size {
		t.Errorf("%d bytes without an index, want those of 4 packets", rest)
	}
	raw.Send(lttng.AppendRequest(nil, lttng.CmdSendIndex, func(b []byte) []byte {
		return relaytest.Index(id, 0, 0, next, p.size).Append(b, 15)
	}))
	relaytest.MustOK(t, "SEND_INDEX", raw.Code())
	raw.Close()
	r.WaitSettled()
	checkNumbers(t, "ch_0", relaytest.Stored(t, file), 7)
	_, _, next = rawResume(t, r, p)
	if next != 7 {
		t.Errorf("goes on at %d, want 7", next)
	}
}

// sendAcross sends each index in the middle of the next packet.
func sendAcross(raw *relaytest.Producer, r *relaytest.Relay, data [][]byte, sendIndex func(int)) {
	received := &r.Server.Counters().ReceivedBytes
	cut := len(data[0]) / 2
	raw.SendData(data[0][:cut])
	for i := range data {
		rest := data[i][cut:]
		if i+1 < len(data) {
			rest = append(rest[:len(rest):len(rest)], data[i+1][:cut]...)
		}
		before := received.Load()
		raw.SendData(rest)
		raw.Until("the packets have arrived", func() bool { return received.Load() >= before+uint64(len(rest)) })
		r.WaitPackets(uint64(6 + i + 1))
		sendIndex(i)
	}
}

// rawResume resumes without the client, which would not send what is there.
func rawResume(t *testing.T, r *relaytest.Relay, p *returning) (raw *relaytest.Producer, id lttng.StreamID, next uint64) {
	t.Helper()
	raw = r.Dial(t)
	raw.Version(lttng.Version{Major: 2, Minor: 15})
	raw.Configuration(lttng.ExtensionQuery(lttng.ExtResume))
	m := lttng.CreateSession{
		Name: p.options.Session, Hostname: p.options.Hostname, SessiondUUID: p.options.UUID,
		SessiondSessionID: p.options.SessionID, CreationTime: relaytest.Created,
	}
	relaytest.MustOK(t, "CREATE_SESSION", raw.CreateSession(m).Code)
	reply := raw.Resume(lttng.Resume{Streams: []lttng.AddStream{{Channel: "ch_0", Path: "kernel"}, {Channel: "metadata", Path: "kernel"}}})
	relaytest.MustOK(t, "RESUME", reply.Code)
	return raw, reply.Streams[0].Stream, reply.Streams[0].Next
}

// The metadata is stored once, and replaced where it differs.
func TestResumedMetadata(t *testing.T) {
	long := append(relaytest.Metadata(), "/* more */\n"...)
	for name, texts := range map[string][]string{
		"same":      {string(relaytest.Metadata())},
		"longer":    {string(long)},
		"in pieces": {string(long[:100]), string(long[100:])},
		"other":     {"/* CTF 1.8 */ /* of another kind */"},
		"nothing":   nil,
	} {
		t.Run(name, func(t *testing.T) {
			r := relaytest.Start(t)
			p := newReturning(t, 1)
			p.begin(r)
			p.mustStore(1)
			p.lose()
			r.WaitSettled()
			var err error
			if p.open, err = p.dial(r.Control, r.Data).Resume(t.Context(), p.streams...); err != nil {
				t.Fatal(err)
			}
			want := ""
			for _, text := range texts {
				want += text
				if err := p.metadata().SendMetadata(t.Context(), []byte(text)); err != nil {
					t.Fatal(err)
				}
			}
			if texts == nil {
				want = string(relaytest.Metadata())
			}
			p.finish()
			r.WaitSettled()
			got, err := os.ReadFile(filepath.Join(p.oneSession(r.Output), "kernel/metadata"))
			if err != nil || string(got) != want {
				t.Errorf("metadata of %d bytes (%v), want the %d sent", len(got), err, len(want))
			}
		})
	}
}

// A viewer that attaches after the resumption finds all packets of the chunk
// once.
func TestViewerOfResumed(t *testing.T) {
	r := relaytest.Start(t)
	p := newReturning(t, 1)
	p.options.LiveTimer = time.Second
	p.begin(r)
	p.mustSend(10)
	p.lose()
	r.WaitSettled()
	p.resume(r)
	p.mustSend(15)
	if err := p.session.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	sessions := r.Store.Sessions()
	if len(sessions) != 1 {
		t.Fatalf("%d sessions, want 1", len(sessions))
	}
	for _, st := range sessions[0].Streams() {
		if st.IsMetadata() {
			if n := st.MetadataCursor().Unread(); n != int64(len(relaytest.Metadata())) {
				t.Errorf("%d bytes of metadata to be read, want %d", n, len(relaytest.Metadata()))
			}
			continue
		}
		c := st.Cursor(tracestore.SeekBeginning)
		defer c.Close()
		for want := range uint64(15) {
			step, err := c.Peek()
			if err != nil || step.State != tracestore.StatePacket || step.Entry.PacketSeqNum != want {
				t.Fatalf("step %+v (%v), want packet %d", step, err, want)
			}
			c.Take()
		}
		if step, err := c.Peek(); err != nil || step.State == tracestore.StatePacket {
			t.Errorf("after the last packet: %+v, %v", step, err)
		}
	}
	p.finish()
}

// Rotations go on with the numbers of the chunks before, and what they had
// archived stays.
func TestResumeAmongRotations(t *testing.T) {
	dir := t.TempDir()
	p := newReturning(t, 2)
	relay := startProcess(t, dir)
	p.begin(relay.relay)
	var total uint64
	rotate := func() {
		t.Helper()
		r, err := p.session.Rotate(t.Context(), client.Rotation{Metadata: func(*client.Stream) []byte { return relaytest.Metadata() }})
		if err == nil {
			err = p.session.AwaitChunk(t.Context(), r.Old)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	back := func() {
		t.Helper()
		relay.kill()
		p.lose()
		relay = startProcess(t, dir)
		p.resume(relay.relay)
		for i, st := range p.data() {
			if st.Next() != total {
				t.Errorf("stream %d goes on at %d, want %d", i, st.Next(), total)
			}
		}
	}
	for range 3 {
		total += 4
		p.mustSend(total)
		if err := p.session.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		rotate()
		back() // nothing is in the new chunk
		total += 3
		p.mustSend(total)
		if err := p.session.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		back()
	}
	p.finish()
	relay.stop()
	p.checkOnce(filepath.Join(dir, "out"), total)
	archived, _ := filepath.Glob(filepath.Join(p.oneSession(filepath.Join(dir, "out")), "archives", "*-[0-3]"))
	if len(archived) != 4 {
		t.Errorf("archives %q, want those of chunks 0 to 3", archived)
	}
}

// Kernel and applications come back one after the other, and share chunk and
// directory as before.
func TestResumeTwoDomains(t *testing.T) {
	for _, first := range []int{0, 1} {
		t.Run(strconv.Itoa(first), func(t *testing.T) {
			dir := t.TempDir()
			kernel, ust := newReturning(t, 1), newReturning(t, 1)
			for i := range ust.streams {
				ust.streams[i].Path = "ust/uid/0/64-bit"
			}
			both := []*returning{kernel, ust}
			relay := startProcess(t, dir)
			for _, p := range both {
				p.begin(relay.relay)
				p.mustSend(5)
			}
			relay.kill()
			relay = startProcess(t, dir)
			both[first].lose()
			both[first].resume(relay.relay)
			both[first].mustSend(9)
			other := both[1-first]
			other.lose()
			other.resume(relay.relay)
			other.mustSend(9)
			// One of them loses its connection alone.
			other.lose()
			other.resume(relay.relay)
			other.mustSend(12)
			both[first].mustSend(12)
			for _, p := range both {
				p.finish()
			}
			relay.stop()
			session := kernel.oneSession(filepath.Join(dir, "out"))
			for _, file := range []string{"kernel/ch_0", "ust/uid/0/64-bit/ch_0"} {
				checkNumbers(t, file, relaytest.Stored(t, filepath.Join(session, file)), 12)
			}
			if left := marks(t, session); len(left) > 0 {
				t.Errorf("marks of a recording that ended in order: %q", left)
			}
		})
	}
}

// A relay is killed at each step of a rotation.
func TestResumeInRotation(t *testing.T) {
	for _, step := range []string{"created", "data turned", "metadata turned", "half sent"} {
		t.Run(step, func(t *testing.T) {
			dir := t.TempDir()
			p := newReturning(t, 2)
			relay := startProcess(t, dir)
			p.begin(relay.relay)
			p.mustSend(10)
			if err := p.session.Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := halfRotation(t.Context(), p, step); err != nil {
				t.Fatal(err)
			}
			relay.kill()
			p.lose()
			relay = startProcess(t, dir)
			p.resume(relay.relay)
			p.mustSend(20)
			if _, err := p.session.Rotate(t.Context(), client.Rotation{
				Metadata: func(*client.Stream) []byte { return relaytest.Metadata() },
			}); err != nil {
				t.Fatal(err)
			}
			p.mustSend(30)
			p.finish()
			relay.stop()
			p.checkOnce(filepath.Join(dir, "out"), 30)
		})
	}
}

func halfRotation(ctx context.Context, p *returning, step string) error {
	s := p.session
	if _, err := s.CreateChunk(ctx, client.Chunk{}); err != nil || step == "created" {
		return err
	}
	if err := s.RotateStreams(ctx, true, p.data()...); err != nil || step == "data turned" {
		return err
	}
	if err := s.RotateStreams(ctx, true, p.metadata()); err != nil || step == "metadata turned" {
		return err
	}
	p.describe()
	if err := p.send(13); err != nil {
		return err
	}
	return s.Drain(ctx)
}
