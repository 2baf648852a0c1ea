// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package statsource

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/source"
	"github.com/weir-io/weir/internal/wait"
	"github.com/weir-io/weir/xmlsysd"
)

// What a consumer does not take is counted, to the last event: all that was made is
// recorded or discarded, and the last packet tells so.
func TestBackPressure(t *testing.T) {
	h := newFakeHost()
	h.load("1.00")
	made := 0
	h.set("system/identity", func(tape *xmlsysd.Tape) { // large, so that it does not take long
		made++
		tape.Open(h.model.Must("system/identity"), xmlsysd.Stamp{})
		tape.Leaf(h.model.Must("system/identity/hostname"), []byte(strings.Repeat("x", 5000)))
		tape.Close()
	})
	r := newRecording(t, h, source.SessionInfo{}, agent.ChannelSettings{SubbufBytes: 8192, SubbufCount: 2},
		agent.EventRule{Pattern: "identity", Period: often})
	h.mu.Lock()
	made = 0
	h.mu.Unlock()
	full := func(want bool) {
		t.Helper()
		wait.Until(t, fmt.Sprintf("the socket is full: %v", want), func() bool {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.out.Full() == want
		})
	}
	r.start()
	full(true)
	r.take()
	full(false)
	full(true)
	r.stop() // with a socket that is full
	all := r.read()
	if got := uint64(len(all)) + r.discarded(); got != uint64(made) || r.discarded() == 0 {
		t.Errorf("%d events recorded, %d discarded, of %d", len(all), r.discarded(), made)
	}
	for i, info := range r.infos[1:] {
		if info.Sequence <= r.infos[i].Sequence {
			t.Errorf("packet %d follows packet %d", info.Sequence, r.infos[i].Sequence)
		}
	}
	// Nothing is told twice.
	n, before := len(r.infos), made
	r.start()
	r.stop()
	if r.take(); len(r.infos)-n > max(made-before, 1) {
		t.Errorf("%d packets of %d samples", len(r.infos)-n, made-before)
	}
}

// A stop is none the worse for a consumer that takes nothing: the event that waits is
// counted, and told.
func TestStopWithAFullSocket(t *testing.T) {
	h := newFakeHost()
	h.load("1.00")
	r := newRecording(t, h, source.SessionInfo{}, agent.ChannelSettings{SubbufBytes: 8192, SubbufCount: 2}, agent.EventRule{Pattern: "loadavg", Period: often})
	reading := make(chan struct{})
	h.mu.Lock()
	h.delay = reading
	h.mu.Unlock()
	r.start()
	<-reading
	wait.Until(t, "an event waits", r.holdsEvent)
	r.mu.Lock()
	for _, size := range []int{4096, 1} { // what the large ones leave the small ones fill
		for r.out.WritePacket(make([]byte, size), ctf.PacketInfo{}) == nil {
			r.out.Wrote() // a packet with an event leaves the reserve
		}
		r.out.Wrote() // the event that waits
	}
	r.mu.Unlock()
	// The next reading, if it has begun, ends when the sampler is to end.
	cancel, ended := r.cancel, r.ended
	r.cancel = func() {
		cancel()
		go func() { // ends with the sampler
			select {
			case <-reading:
			case <-ended:
			}
		}()
	}
	r.stop()
	for {
		_, info, err := r.conn.Receive()
		if errors.Is(err, unix.EAGAIN) {
			break
		}
		r.must(err)
		r.infos = append(r.infos, info)
	}
	if got := r.discarded(); got != 1 {
		t.Errorf("%d events are told to be lost, want 1", got)
	}
}

// An event that no packet can hold is counted.
func TestLargeEvent(t *testing.T) {
	h := newFakeHost()
	h.set("system/identity", func(tape *xmlsysd.Tape) {
		tape.Open(h.model.Must("system/identity"), xmlsysd.Stamp{})
		tape.Leaf(h.model.Must("system/identity/hostname"), make([]byte, handover.MaxPacket))
		tape.Close()
	})
	r := newRecording(t, h, source.SessionInfo{}, agent.ChannelSettings{}, agent.EventRule{Pattern: "identity", Period: often})
	r.start()
	wait.Until(t, "an event is lost", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return strings.Contains(r.lost, "larger than the largest packet")
	})
	r.stop()
	if all := r.read(); len(all) != 0 || r.discarded() == 0 {
		t.Errorf("%d events, %d discarded", len(all), r.discarded())
	}
}

// A new consumer goes on where the old one was.
func TestConsumerIsReplaced(t *testing.T) {
	h := newFakeHost()
	h.load("1.00")
	r := newRecording(t, h, source.SessionInfo{Mode: agent.Snapshot}, agent.ChannelSettings{}, agent.EventRule{Pattern: "loadavg", Period: often})
	r.start()
	wait.Until(t, "there is a packet", func() bool { return r.take() > 0 })
	r.lock.Lock()
	streams, err := r.Streams()
	r.lock.Unlock()
	r.must(err)
	r.must(r.conn.Close())
	r.conn, err = handover.NewPacketConn(streams[0].Files[0])
	r.must(err)
	first := len(r.infos)
	wait.Until(t, "there is another one", func() bool { return r.take() > 0 })
	r.stop()
	r.take()
	if a, b := r.infos[first-1], r.infos[first]; b.Sequence <= a.Sequence || b.Begin < a.End {
		t.Errorf("packet %d from %d follows packet %d until %d", b.Sequence, b.Begin, a.Sequence, a.End)
	}
}
