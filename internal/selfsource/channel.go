// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package selfsource

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/source"
	"github.com/weir-io/weir/internal/traceclock"
)

// channel encodes notices as events. Rules are the session's, the rest is guarded
// by mu, which Source.mu may be held around.
type channel struct {
	// Immutable after trace.Channel.
	t      *trace
	name   string
	class  *schema.Stream
	events [len(kinds)]*schema.Event
	period time.Duration // after which a packet ends

	mu      sync.Mutex
	wanted  map[string]bool // kinds that rules choose
	conn    *handover.PacketConn
	w       *ctf.StreamWriter
	written uint64 // events in the open packet
	ticker  *time.Timer
	lost    uint64 // events of packets that were not taken, as no later one tells
}

// AddRule implements source.Channel.
func (c *channel) AddRule(r *agent.EventRule) ([]error, error) {
	if r.Type != agent.Tracepoint && r.Type != agent.AllEvents || r.Filter != "" {
		return nil, agent.NewProblem(agent.CodeNotSupported, "domain weir: want tracepoints without a filter")
	}
	r.Matches = c.set(r, true)
	if r.Matches == 0 {
		return nil, unknownRule(r)
	}
	return nil, nil
}

// SetRule implements source.Channel.
func (c *channel) SetRule(r *agent.EventRule, on bool) error {
	c.set(r, on)
	return nil
}

func (c *channel) set(r *agent.EventRule, on bool) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, kind := range kinds {
		if chosen(r, kind) {
			c.wanted[kind] = on
			n++
		}
	}
	return n
}

// AddContext implements source.Channel.
func (c *channel) AddContext(name string) error {
	return agent.NewProblem(agent.CodeContextUnavailable, "domain weir has no context "+name)
}

// Prepare implements source.Channel.
func (c *channel) Prepare() error { return nil }

// Describe implements source.Channel.
func (c *channel) Describe(*handover.Channel) (*os.File, error) { return nil, nil }

// Streams implements source.Channel: a new socket, for a new consumer.
func (c *channel) Streams() ([]source.Stream, error) {
	conn, theirs, err := handover.PacketPair()
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		c.conn.Close()
	}
	c.conn = conn
	if c.w == nil {
		c.w, err = ctf.NewStreamWriter(c.class, c, ctf.StreamOptions{PacketBytes: handover.MaxPacket, PadBytes: 1})
		if err != nil {
			return nil, errors.Join(err, theirs.Close())
		}
	}
	return []source.Stream{{Files: []*os.File{theirs}}}, nil
}

// WritePacket hands a packet over. It implements ctf.PacketSink; what the consumer
// does not take is lost: the writer counts its events, and the next packet tells so.
// The caller holds mu.
func (c *channel) WritePacket(packet []byte, info ctf.PacketInfo) error {
	events := c.written
	c.written = 0
	err := c.conn.Send(packet, info, events)
	if err != nil {
		c.lost += events
	} else {
		c.lost = 0
	}
	return err
}

// Start implements source.Channel.
func (c *channel) Start() error {
	c.t.s.mu.Lock()
	defer c.t.s.mu.Unlock()
	c.t.s.channels[c] = struct{}{}
	return nil
}

// roomPatience is how long a consumer that is behind may take to make room for the
// last packet.
const roomPatience = time.Second

// leave ends being told of what happens.
func (c *channel) leave() {
	c.t.s.mu.Lock()
	defer c.t.s.mu.Unlock()
	delete(c.t.s.channels, c)
}

// Stop implements source.Channel. A packet that the consumer does not take is no
// failure of that: the next one tells, or else the end.
func (c *channel) Stop() error {
	c.leave()
	if c.waits() { // not under the lock: there are no new events, and the connection is the session's
		c.conn.AwaitRoom(roomPatience)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.flush()
	if err == nil && c.lost > 0 { // an empty packet tells what no later one will
		at := now()
		if err = c.w.OpenPacket(at); err == nil {
			err = c.w.ClosePacket(at)
		}
	}
	if err != nil {
		c.t.s.log.Warn("events of weir's own are lost, as no packet tells yet", "events", c.lost, "err", err)
	}
	return nil
}

// waits reports whether there is something for the consumer.
func (c *channel) waits() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.conn != nil && c.w != nil && (c.written > 0 || c.lost > 0)
}

// emit writes a notice as an event.
func (c *channel) emit(n agent.Notice) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.Index(kinds[:], n.Type)
	if i < 0 || !c.wanted[n.Type] || c.w == nil {
		return
	}
	w := c.w.Event(c.events[i], now())
	w.String(n.Session)
	w.String(n.Text)
	if err := w.End(); err != nil {
		c.w.Discard(1) // the packet before it was lost, and it has begun none
		c.lost++
		c.t.s.log.Warn("event of weir's own is lost", "type", n.Type, "err", err)
		return
	}
	if c.written++; c.written == 1 {
		c.ticker = time.AfterFunc(c.period, c.expire)
	}
}

// expire ends a packet that is old enough.
func (c *channel) expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.flush(); err != nil {
		c.t.s.log.Warn("packet of weir's own is lost", "err", err)
	}
}

// flush ends the packet, if it has events. The caller holds mu.
func (c *channel) flush() error {
	if c.ticker != nil {
		c.ticker.Stop()
		c.ticker = nil
	}
	if c.written == 0 || c.w == nil {
		return nil
	}
	return c.w.ClosePacket(now())
}

func (c *channel) close() error {
	c.leave()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ticker != nil {
		c.ticker.Stop()
		c.ticker = nil
	}
	if c.conn == nil {
		return nil
	}
	err := c.conn.Close()
	c.lost += c.written
	if c.lost > 0 {
		err = errors.Join(err, fmt.Errorf("%d events of weir's own are lost, and nothing in the trace tells so: the consumer has taken no more", c.lost))
	}
	c.conn, c.w, c.lost = nil, nil, 0
	return err
}

// clockID is the clock of the events.
const clockID = unix.CLOCK_MONOTONIC

func now() uint64 { return traceclock.Now(clockID) }
