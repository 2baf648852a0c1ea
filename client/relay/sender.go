// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/weir-io/weir/lttng"
)

const (
	defaultUDPWindow = 16 << 20
	sendBuffer       = 4 << 20

	statusPeriod    = 20 * time.Millisecond  // while packets are under way
	hastyPeriod     = 2 * time.Millisecond   // while somebody waits for them
	maxStatusPeriod = 200 * time.Millisecond // of questions before the first packet
	againPeriod     = 40 * time.Millisecond  // between the times that a piece is sent
	giveUpTime      = 2 * time.Second
	unreliableTime  = 200 * time.Millisecond // the same, where nothing is sent again

	maxFreeFlights = 64
)

// sender sends packets in datagrams, and keeps them until the relay has them.
// SendPacket sends them for the first time; a goroutine of the session asks what
// has come, sends again and gives up, and posts the indexes.
type sender struct {
	// Immutable once the session has begun.
	s          *Session
	out        datagramWriter
	token      uint64
	payload    int
	window     int64
	unreliable bool
	pacer      *pacer
	began      time.Time

	wake  chan struct{} // a packet is under way; holds one value
	hurry chan struct{} // somebody waits; holds one value
	left  chan struct{} // closed by leave

	mu sync.Mutex
	// Guarded by mu, as are the flights of streams.
	number  uint64        // of the next datagram
	again   uint64        // datagrams sent again
	lost    uint64        // packets
	held    int64         // bytes of packets under way
	open    int           // packets under way
	full    int           // calls that wait for room
	waiting int           // calls that wait for anything
	streams []*Stream     // that have packets under way
	changed chan struct{} // closed, and made anew, when packets have arrived or are given up
	free    []*flight
}

func newSender(s *Session, st UDPState) *sender {
	return &sender{
		s: s, token: st.Token, payload: st.Payload, window: st.Window, unreliable: st.Unreliable,
		pacer: newPacer(st.Rate, float64(st.Most)), began: time.Now(),
		wake: make(chan struct{}, 1), hurry: make(chan struct{}, 1), left: make(chan struct{}),
		number: st.Number, again: st.Retransmitted, lost: st.Lost, changed: make(chan struct{}),
	}
}

func (u *sender) use(c net.Conn) { u.out = newDatagramWriter(c, u.payload+lttng.DatagramHeaderLen) }

func (u *sender) state() *UDPState {
	u.mu.Lock()
	defer u.mu.Unlock()
	return &UDPState{
		Token: u.token, Payload: u.payload, Window: u.window, Unreliable: u.unreliable,
		Most: int64(u.pacer.most), Rate: u.pacer.current(), Number: u.number, Retransmitted: u.again, Lost: u.lost,
	}
}

func (u *sender) stats() UDPStats {
	u.mu.Lock()
	defer u.mu.Unlock()
	return UDPStats{Datagrams: u.number, Retransmitted: u.again, Lost: u.lost, OpenBytes: u.held, Rate: int64(u.pacer.current())}
}

func (u *sender) heartbeat() []byte {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.number++
	return lttng.Datagram{Type: lttng.DatagramHeartbeat, Token: u.token, Number: u.number - 1}.Append(nil)
}

func (u *sender) now() time.Duration { return time.Since(u.began) }

// carries reports whether packets of the stream are under way.
func (u *sender) carries(st *Stream) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(st.flights) > 0
}

// send sends a packet for the first time.
func (u *sender) send(ctx context.Context, st *Stream, h *lttng.DataHeader, x *lttng.Index, content []byte) error {
	s := u.s
	size := int64(h.DataSize) + int64(h.PaddingSize)
	if size == 0 || size > 1<<32-1 {
		return fmt.Errorf("relay: packet for datagrams: got %d bytes, want 1 to %d", size, uint32(1<<32-1))
	}
	if err := s.data.take(ctx, s.dead); err != nil {
		return s.because(err)
	}
	defer s.data.give()
	if err := st.number(h, x); err != nil {
		return err
	}
	if err := u.room(ctx, size); err != nil {
		return err
	}
	st.numbered(x)
	f := u.board(st, x, content, size)
	if err := u.transmit(f.datagrams, false); err != nil {
		return s.fail(Data, fmt.Sprintf("packet %d", h.NetSeqNum), st, err)
	}
	u.mu.Lock()
	f.whole, f.sent = true, u.now()
	for i := range f.pieces {
		f.pieces[i] = f.sent
	}
	u.mu.Unlock()
	signal(u.wake)
	return nil
}

// room waits until a packet fits into the window.
func (u *sender) room(ctx context.Context, size int64) error {
	return u.until(ctx, &u.full, func() bool { return u.held == 0 || u.held+size <= u.window })
}

// flush waits until no packet is under way.
func (u *sender) flush(ctx context.Context) error {
	var none int
	return u.until(ctx, &none, func() bool { return u.open == 0 })
}

func (u *sender) until(ctx context.Context, count *int, done func() bool) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	for !done() {
		changed := u.changed
		*count++
		u.waiting++
		u.mu.Unlock()
		signal(u.hurry)
		var err error
		select {
		case <-changed:
		case <-ctx.Done():
			err = context.Cause(ctx)
		case <-u.s.dead:
			err = u.s.Err()
		}
		u.mu.Lock()
		*count--
		u.waiting--
		if err != nil {
			return err
		}
	}
	return nil
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// transmit sends datagrams at the pace that the way takes.
func (u *sender) transmit(b []byte, again bool) error {
	for len(b) > 0 {
		batch := u.out.batch(b)
		b = b[len(batch):]
		if d := u.pacer.take(len(batch), again, time.Now()); d > 0 {
			t := time.NewTimer(d)
			select {
			case <-t.C:
			case <-u.s.dead:
				t.Stop()
				return u.s.Err()
			}
		}
		if err := u.out.write(batch); err != nil {
			return err
		}
	}
	return nil
}

// run looks after packets under way until the session ends or is detached.
func (u *sender) run() {
	var last time.Time
	t := time.NewTimer(0)
	defer t.Stop()
	for {
		select {
		case <-u.wake:
		case <-u.left:
			return
		case <-u.s.dead:
			return
		}
		for u.underWay() {
			if !u.pause(t, last) {
				return
			}
			last = time.Now()
			if err := u.round(); err != nil {
				_ = u.s.fail(Control, lttng.CmdUDPStatus.String(), nil, err) // no more, if it has ended
				return
			}
		}
	}
}

func (u *sender) underWay() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.open > 0
}

// pause waits for the time of the next question; false when the session ends.
func (u *sender) pause(t *time.Timer, last time.Time) bool {
	for {
		u.mu.Lock()
		period := statusPeriod
		if u.waiting > 0 {
			period = hastyPeriod
		}
		u.mu.Unlock()
		d := period - time.Since(last)
		if d <= 0 {
			return true
		}
		t.Reset(d)
		select {
		case <-t.C:
		case <-u.hurry:
		case <-u.s.dead:
			return false
		}
	}
}
