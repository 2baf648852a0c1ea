// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaytest_test

import (
	"context"
	"net"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	client "github.com/weir-io/weir/client/relay"
	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/internal/relaytest"
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
