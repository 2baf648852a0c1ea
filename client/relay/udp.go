// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"context"
	"fmt"
	"net"

	"github.com/weir-io/weir/lttng"
)

// UDP says how packets go in datagrams. The zero value will do. What is lost on
// the way is sent again until it has arrived, or is given up: then the packet is
// missing in the trace, as readers find by its number, and [Stream.Lost] counts
// it. Datagrams are not encrypted.
type UDP struct {
	Payload int   // bytes of a packet in one datagram; 0 = 1176, which fits all paths of IPv6
	Window  int64 // bytes of packets that are kept for sending again; 0 = 16 MiB
	Rate    int64 // most bytes a second; 0 = no limit but what arrives

	Unreliable bool // nothing is sent again
	AnySource  bool // the relay is to take datagrams from other addresses than the control connection's
}

// UDPStats are the figures of a session's datagrams.
type UDPStats struct {
	Datagrams     uint64 // sent
	Retransmitted uint64 // of them, those that had been sent before
	Lost          uint64 // packets given up
	OpenBytes     int64  // of packets that are kept
	Rate          int64  // bytes a second, at present
}

// UDPState is what a successor has to know of a session's datagrams.
type UDPState struct {
	Token         uint64  `json:"token"`                   // by which the relay knows the session
	Payload       int     `json:"payload"`                 // bytes of a packet in one datagram
	Window        int64   `json:"window"`                  // bytes of packets that are kept for sending again
	Unreliable    bool    `json:"unreliable,omitempty"`    // nothing is sent again
	Most          int64   `json:"most,omitempty"`          // bytes a second; 0 = no limit
	Rate          float64 `json:"rate"`                    // bytes a second, at present
	Number        uint64  `json:"number"`                  // of the next datagram
	Retransmitted uint64  `json:"retransmitted,omitempty"` // datagrams
	Lost          uint64  `json:"lost,omitempty"`          // packets given up
}

// UDP returns the figures of the datagrams; ok is false where packets go by a
// connection.
func (s *Session) UDP() (stats UDPStats, ok bool) {
	if s.udp == nil {
		return UDPStats{}, false
	}
	return s.udp.stats(), true
}

// openUDP finds the way for datagrams.
func (s *Session) openUDP(ctx context.Context, data target, o Options) error {
	failed := func(err error) error {
		return &DialError{Step: StepConnect, End: Data, Addr: s.data.addr, Err: err}
	}
	if !s.extensions.Has(lttng.ExtUDP) {
		return failed(ErrNoUDP)
	}
	payload, window := o.UDP.Payload, o.UDP.Window
	if payload == 0 {
		payload = lttng.DefaultDatagramPayload
	}
	if window <= 0 {
		window = defaultUDPWindow
	}
	if payload < lttng.MinDatagramPayload || payload > lttng.MaxDatagramPayload {
		return failed(fmt.Errorf("payload of datagrams: got %d bytes, want %d to %d", payload, lttng.MinDatagramPayload, lttng.MaxDatagramPayload))
	}
	m := lttng.UDPOpen{AnySource: o.UDP.AnySource, Payload: uint32(payload), Window: uint64(window)}
	r, err := ask(ctx, s, lttng.CmdUDPOpen, m.Append, lttng.ParseUDPOpenReply)
	if err == nil && r.Code != lttng.ReplyOK {
		err = &RefusedError{Op: lttng.CmdUDPOpen, Code: r.Code}
	}
	if err != nil {
		return failed(err)
	}
	if !data.portSet && r.Port != 0 {
		data.Port = r.Port
		s.data.addr = data.Addr()
	}
	c, err := data.dial(ctx, o)
	if err != nil {
		return err
	}
	s.udp = newSender(s, UDPState{
		Token: r.Token, Payload: payload, Window: min(window, int64(min(r.Window, 1<<62))),
		Unreliable: o.UDP.Unreliable, Most: o.UDP.Rate, Rate: startRate,
	})
	if err := s.showWay(ctx, c); err != nil {
		c.Close()
		return failed(err)
	}
	s.startUDP(c)
	return nil
}

// showWay sends heartbeats until one has arrived.
func (s *Session) showWay(ctx context.Context, c net.Conn) error {
	for p := newPace(maxStatusPeriod); ; {
		// An error that is not passing shows when time is over.
		_, failed := c.Write(s.udp.heartbeat())
		r, err := ask(ctx, s, lttng.CmdUDPStatus, lttng.UDPStatus{}.Append, parseUDPStatus(0))
		if err == nil && r.Heard {
			return nil
		}
		if err == nil {
			if err = p.wait(ctx, s.dead); err == nil {
				continue
			}
			err = s.because(err)
		}
		if ctx.Err() == nil {
			return err
		}
		if failed != nil {
			return fmt.Errorf("%w: %w", ErrNoDatagram, failed)
		}
		return fmt.Errorf("%w: %w", ErrNoDatagram, context.Cause(ctx))
	}
}

// startUDP begins to look after what is sent.
func (s *Session) startUDP(c net.Conn) {
	if b, ok := c.(interface{ SetWriteBuffer(int) error }); ok {
		_ = b.SetWriteBuffer(sendBuffer) // with less, writes wait more often
	}
	s.udp.use(c)
	if s.connectData(c) {
		s.readers.Go(s.udp.run) // ended by end and leave
	}
}

// flush waits until all packets that were sent by UDP are complete or given up,
// and what that means is written to the control connection. The caller has the
// turn on the data connection.
func (s *Session) flush(ctx context.Context) error {
	if s.udp == nil {
		return nil
	}
	return s.udp.flush(ctx)
}

// parseUDPStatus takes a refusal for an error, and an answer that is not about
// the streams.
func parseUDPStatus(want int) func([]byte) (lttng.UDPStatusReply, int, error) {
	return func(b []byte) (lttng.UDPStatusReply, int, error) {
		r, n, err := lttng.ParseUDPStatusReply(b)
		switch {
		case err != nil:
		case r.Code != lttng.ReplyOK:
			err = &RefusedError{Op: lttng.CmdUDPStatus, Code: r.Code}
		case len(r.Streams) != want:
			err = fmt.Errorf("%v: got %d streams, want %d", lttng.CmdUDPStatus, len(r.Streams), want)
		}
		return r, n, err
	}
}

// parseAbandon takes a refusal for an error.
func parseAbandon(b []byte) (lttng.UDPAbandonReply, int, error) {
	r, n, err := lttng.ParseUDPAbandonReply(b)
	if err == nil && r.Code != lttng.ReplyOK {
		err = &RefusedError{Op: lttng.CmdUDPAbandon, Code: r.Code}
	}
	return r, n, err
}
