// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/weir-io/weir/lttng"
)

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

// tried reports whether a packet of which a piece is missing has had its chance:
// some time has passed since it was sent again.
func (u *sender) tried(f *flight, asked time.Duration) bool {
	if u.unreliable {
		return asked-f.sent >= againPeriod
	}
	return f.resent > 0 && asked-f.resent >= againPeriod
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
