// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"context"
	"fmt"
	"net"
	"slices"
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

// flight is a packet under way.
type flight struct {
	stream    *Stream
	index     lttng.Index
	size      int64
	datagrams []byte          // all of them
	pieces    []time.Duration // when each was last sent, since the sender began
	step      int             // bytes of each datagram but the last one

	// Guarded by sender.mu.
	whole   bool          // each piece was sent
	sent    time.Duration // the last piece, for the first time
	resent  time.Duration // any piece; 0 = none
	missing bool          // as of the last answer
	tried   bool          // and it has had its chance
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

// board makes the datagrams of a packet and takes note of it.
func (u *sender) board(st *Stream, x *lttng.Index, content []byte, size int64) *flight {
	n := int((size + int64(u.payload) - 1) / int64(u.payload))
	u.mu.Lock()
	defer u.mu.Unlock()
	f := new(flight)
	if k := len(u.free); k > 0 {
		f, u.free = u.free[k-1], u.free[:k-1]
	}
	*f = flight{stream: st, index: *x, size: size, datagrams: f.datagrams[:0], pieces: slices.Grow(f.pieces[:0], n)[:n], step: u.payload + lttng.DatagramHeaderLen}
	d := lttng.Datagram{Type: lttng.DatagramData, Token: u.token, Stream: x.Stream, NetSeqNum: x.NetSeqNum, PacketSize: uint32(size)}
	for i := range n {
		at := i * u.payload
		end := int(min(size, int64(at+u.payload)))
		if d.Payload = nil; end <= len(content) {
			d.Payload = content[at:end]
		} else { // padding
			d.Payload = make([]byte, end-at)
			copy(d.Payload, content[min(at, len(content)):])
		}
		if d.Offset = uint32(at); i == n-1 {
			d.Flags = lttng.DatagramLast
		}
		d.Number = u.number
		u.number++
		f.datagrams = d.Append(f.datagrams)
	}
	if len(st.flights) == 0 {
		u.streams = append(u.streams, st)
	}
	st.flights = append(st.flights, f)
	u.held += size
	u.open++
	return f
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

// round asks once for all streams, and does what follows from the answers.
func (u *sender) round() error {
	asked := u.now()
	streams, questions := u.questions()
	for len(streams) > 0 {
		n := min(len(streams), lttng.MaxUDPStreams)
		m := lttng.UDPStatus{Streams: questions[:n]}
		r, err := ask(context.Background(), u.s, lttng.CmdUDPStatus, m.Append, parseUDPStatus(n))
		if err != nil {
			return err
		}
		for i, st := range streams[:n] {
			if err := u.answered(st, r.Streams[i], asked); err != nil {
				return err
			}
		}
		streams, questions = streams[n:], questions[n:]
	}
	if err := u.giveUp(u.hopeless(asked)); err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.waiting > 0 {
		close(u.changed)
		u.changed = make(chan struct{})
	}
	return nil
}

// questions are about the streams of which packets are under way.
func (u *sender) questions() ([]*Stream, []lttng.UDPSent) {
	u.mu.Lock()
	defer u.mu.Unlock()
	var streams []*Stream
	var all []lttng.UDPSent
	for _, st := range u.streams {
		last := st.flights[0].index.NetSeqNum - 1
		for _, f := range slices.Backward(st.flights) {
			if f.whole {
				last = f.index.NetSeqNum
				break
			}
		}
		streams = append(streams, st)
		all = append(all, lttng.UDPSent{Stream: st.flights[0].index.Stream, Last: last})
	}
	return streams, all
}

// answered takes what the relay has of a stream.
func (u *sender) answered(st *Stream, r lttng.UDPArrived, asked time.Duration) error {
	u.mu.Lock()
	flights := st.flights
	done := 0
	for done < len(flights) && int64(r.Complete-flights[done].index.NetSeqNum) >= 0 {
		done++
	}
	arrived := flights[:done:done]
	u.mu.Unlock()
	for _, f := range arrived {
		if err := u.arrived(f); err != nil {
			return err
		}
	}
	return u.sendAgain(st, r.Missing, asked)
}

// arrived posts the index of the first packet under way of its stream, and
// forgets it.
func (u *sender) arrived(f *flight) error {
	s := u.s
	if s.indexed() {
		ctx := context.Background()
		if err := s.openWindow(ctx); err != nil {
			return err
		}
		if err := f.stream.postIndex(ctx, f.index, true); err != nil {
			return s.fail(Control, "SEND_INDEX", f.stream, err)
		}
	}
	u.land(f)
	return nil
}

// land forgets the first packet under way of its stream.
func (u *sender) land(f *flight) {
	u.mu.Lock()
	defer u.mu.Unlock()
	st := f.stream
	st.flights[0] = nil
	if st.flights = st.flights[1:]; len(st.flights) == 0 {
		st.flights = nil
		u.streams = slices.DeleteFunc(u.streams, func(other *Stream) bool { return other == st })
	}
	u.held -= f.size
	u.open--
	if len(u.free) < maxFreeFlights {
		f.stream = nil
		u.free = append(u.free, f)
	}
}

// sendAgain sends what is missing, if that cannot be on its way any more.
func (u *sender) sendAgain(st *Stream, missing []lttng.UDPRange, asked time.Duration) error {
	u.mu.Lock()
	flights := slices.Clone(st.flights)
	for _, f := range flights {
		f.missing, f.tried = false, false
	}
	var torn []*flight // of each range
	for _, r := range missing {
		var f *flight
		if n := len(flights); n > 0 {
			if i := r.NetSeqNum - flights[0].index.NetSeqNum; i < uint64(n) && flights[i].whole {
				f = flights[i]
				f.missing, f.tried = true, u.tried(f, asked)
			}
		}
		torn = append(torn, f)
	}
	u.mu.Unlock()
	if u.unreliable {
		return nil
	}
	for i, r := range missing {
		if f := torn[i]; f != nil {
			if err := u.sendPieces(f, r, asked); err != nil {
				return u.s.fail(Data, fmt.Sprintf("packet %d again", r.NetSeqNum), st, err)
			}
		}
	}
	return nil
}

// sendPieces sends a range of a packet again: those pieces that were sent long
// enough ago, and before the relay was asked.
func (u *sender) sendPieces(f *flight, r lttng.UDPRange, asked time.Duration) error {
	first := int(min(int64(r.Offset), f.size)) / u.payload
	last := int((min(int64(r.Offset)+int64(r.Length), f.size) + int64(u.payload) - 1) / int64(u.payload))
	now := u.now()
	due := func(i int) bool { return f.pieces[i] < asked && now-f.pieces[i] >= againPeriod }
	for i := first; i < last; i++ {
		if !due(i) {
			continue
		}
		end := i + 1
		for end < last && due(end) {
			end++
		}
		b := f.datagrams[i*f.step : min(end*f.step, len(f.datagrams))]
		u.renumber(b, f.step)
		if err := u.transmit(b, true); err != nil {
			return err
		}
		u.mu.Lock()
		f.resent = u.now()
		u.mu.Unlock()
		for ; i < end; i++ {
			f.pieces[i] = f.resent
		}
	}
	return nil
}

func (u *sender) renumber(b []byte, step int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for one := range slices.Chunk(b, step) {
		lttng.RenumberDatagram(one, u.number)
		u.number++
		u.again++
	}
}

// hopeless returns the packets to be given up: from the first one under way of
// each stream on those whose time is over, and if the window is full and nothing
// else helps the oldest one of all.
func (u *sender) hopeless(asked time.Duration) []*flight {
	u.mu.Lock()
	defer u.mu.Unlock()
	limit := giveUpTime
	if u.unreliable {
		limit = unreliableTime
	}
	var all []*flight
	var oldest *flight
	for _, st := range u.streams {
		for i, f := range st.flights {
			if !f.whole || asked-f.sent < limit {
				if i == 0 && f.whole && f.tried && (oldest == nil || f.sent < oldest.sent) {
					oldest = f
				}
				break
			}
			all = append(all, f)
		}
	}
	if len(all) == 0 && oldest != nil && u.full > 0 {
		all = append(all, oldest)
	}
	return all
}

// tried reports whether a packet of which a piece is missing has had its chance:
// some time has passed since it was sent again.
func (u *sender) tried(f *flight, asked time.Duration) bool {
	if u.unreliable {
		return asked-f.sent >= againPeriod
	}
	return f.resent > 0 && asked-f.resent >= againPeriod
}

// giveUp abandons packets, of each stream the first ones under way in their
// order.
func (u *sender) giveUp(all []*flight) error {
	if len(all) == 0 {
		return nil
	}
	s := u.s
	replies := make([]lttng.UDPAbandonReply, len(all))
	waiting := make([]call, len(all))
	for i, f := range all {
		waiting[i] = newCall(lttng.CmdUDPAbandon, f.stream, &replies[i], parseAbandon)
	}
	err := s.post(context.Background(), lttng.CmdUDPAbandon, nil, func(b []byte) []byte {
		for _, f := range all {
			m := lttng.UDPAbandon{Stream: f.index.Stream, NetSeqNum: f.index.NetSeqNum, PacketSeqNum: f.index.PacketSeqNum}
			b = lttng.AppendRequest(b, lttng.CmdUDPAbandon, m.Append)
		}
		return b
	}, waiting...)
	if err != nil {
		return err
	}
	for i, f := range all {
		if err := s.await(context.Background(), waiting[i]); err != nil {
			return err
		}
		if replies[i].Complete {
			if err := u.arrived(f); err != nil {
				return err
			}
			continue
		}
		s.mu.Lock()
		f.stream.lost++
		if s.indexed() {
			f.stream.confirmed = max(f.stream.confirmed, f.index.NetSeqNum+1)
		}
		s.mu.Unlock()
		u.mu.Lock()
		u.lost++
		u.mu.Unlock()
		u.land(f)
	}
	return nil
}
