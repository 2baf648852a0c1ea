// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/weir-io/weir/internal/gate"
	"github.com/weir-io/weir/lttng"
)

// conn is a connection that is to be passed on.
type conn struct {
	server *Server
	near   net.Conn
	peer   netip.Addr
	cancel context.CancelFunc
	seat   gate.Seat
	active atomic.Int64 // ns since the epoch of the last byte
}

// refusal is an answer other than 200.
type refusal struct{ lttng.HopReply }

func (r *refusal) Error() string { return fmt.Sprintf("%d %s", r.Code, r.Reason) }

func refuse(code lttng.HopCode, format string, args ...any) error {
	return &refusal{lttng.HopReply{Code: code, Reason: fmt.Sprintf(format, args...)}}
}

// serve lives as long as the connection.
func (c *conn) serve(ctx context.Context) {
	defer c.near.Close()
	s := c.server
	chain, cancel := context.WithTimeout(ctx, s.opts.ChainTimeout)
	defer cancel()
	far, to, err := c.connect(chain)
	if ctx.Err() != nil {
		if far != nil {
			far.Close()
		}
		return // the hop stops, or the place was needed
	}
	if err != nil {
		c.answer(err)
		return
	}
	defer far.Close()
	if !s.gate.Spoke(&c.seat) {
		return
	}
	_ = c.near.SetDeadline(time.Now().Add(s.opts.ChainTimeout))
	if _, err := c.near.Write(lttng.HopReply{Code: lttng.HopOK, Reason: "OK"}.Append(nil)); err != nil {
		return
	}
	s.counters.Passed.Add(1)
	s.opts.Log.Info("connection passed on", "peer", c.peer, "to", to)
	c.pipe(ctx, far)
}

// answer says why not.
func (c *conn) answer(err error) {
	r, ok := errors.AsType[*refusal](err)
	if !ok {
		return // there is nobody to be told
	}
	counters := &c.server.counters
	switch r.Code {
	case lttng.HopDenied:
		counters.Denied.Add(1)
	case lttng.HopTimeout:
		counters.TimedOut.Add(1)
	case lttng.HopLoop:
		counters.Loops.Add(1)
	default:
		counters.Failed.Add(1)
	}
	c.server.opts.Log.Warn("connection not passed on", "peer", c.peer, "err", r)
	_ = c.near.SetDeadline(time.Now().Add(c.server.opts.ChainTimeout))
	_, _ = c.near.Write(r.Append(nil)) // who has gone does not read it
}

// connect reads the line and connects to the end of the chain.
func (c *conn) connect(ctx context.Context) (far net.Conn, to string, err error) {
	line, err := readLine(ctx, c.near, lttng.MaxHopRequest)
	switch {
	case ctx.Err() != nil:
		return nil, "", refuse(lttng.HopTimeout, "no whole line within %v", c.server.opts.ChainTimeout)
	case errors.Is(err, errLong):
		return nil, "", refuse(lttng.HopFailed, "line of more than %d bytes", lttng.MaxHopRequest)
	case err != nil:
		return nil, "", err
	}
	m, err := lttng.ParseHopRequest(line)
	if err != nil {
		return nil, "", refuse(lttng.HopFailed, "not a request: %v", err)
	}
	if slices.ContainsFunc(m.Chain, c.server.self.is) {
		return nil, "", refuse(lttng.HopLoop, "loop")
	}
	next := m.Chain[0]
	if far, err = c.server.dial(ctx, next); err != nil {
		return nil, "", err
	}
	if rest := m.Chain[1:]; len(rest) > 0 {
		if err := passOn(ctx, far, next, rest); err != nil {
			far.Close()
			return nil, "", err
		}
	}
	return far, m.Chain[len(m.Chain)-1].String(), nil
}

// passOn asks the next hop for the rest of the chain. Its refusal is ours.
func passOn(ctx context.Context, far net.Conn, next lttng.Hop, rest []lttng.Hop) error {
	release := interrupt(ctx, far)
	_, err := far.Write(lttng.HopRequest{Chain: rest}.Append(nil))
	if !release() {
		return refuse(lttng.HopTimeout, "timeout at %s", next)
	}
	if err != nil {
		return refuse(lttng.HopFailed, "%s: %v", next, err)
	}
	line, err := readLine(ctx, far, lttng.MaxHopReply)
	if ctx.Err() != nil {
		return refuse(lttng.HopTimeout, "timeout at %s", next)
	}
	if err != nil {
		return refuse(lttng.HopFailed, "%s: no answer: %v", next, err)
	}
	r, err := lttng.ParseHopReply(line)
	switch {
	case err != nil:
		return refuse(lttng.HopFailed, "%s: no answer of a hop", next)
	case r.Code == lttng.HopOK:
		return nil
	case r.Code < 400 || r.Code > 599:
		return refuse(lttng.HopFailed, "%s answered %d %s", next, r.Code, r.Reason)
	}
	return &refusal{r}
}

// dial connects to a place that is allowed, at an address that was checked.
func (s *Server) dial(ctx context.Context, h lttng.Hop) (net.Conn, error) {
	addrs, err := s.allowed(ctx, h)
	if err != nil {
		return nil, err
	}
	for _, a := range addrs {
		var c net.Conn
		c, err = s.opts.Dial(ctx, "tcp", net.JoinHostPort(a.String(), strconv.Itoa(int(h.Port))))
		if err == nil {
			return c, nil
		}
		if ctx.Err() != nil {
			return nil, refuse(lttng.HopTimeout, "timeout at %s", h)
		}
	}
	return nil, refuse(lttng.HopFailed, "%s: %s", h, cause(err))
}

// allowed returns the addresses of a place that the hop may connect to, those
// of the family that plain names mean first.
func (s *Server) allowed(ctx context.Context, h lttng.Hop) ([]netip.Addr, error) {
	byName := s.opts.Allow.allowName(h.Host, h.Port)
	addrs := []netip.Addr{}
	if a, err := netip.ParseAddr(h.Host); err == nil {
		addrs = append(addrs, a)
	} else {
		if !byName && !s.opts.Allow.hasRanges() {
			return nil, refuse(lttng.HopDenied, "denied")
		}
		network := "ip" + strings.TrimPrefix(string(h.Scheme), "tcp")
		if addrs, err = s.opts.Resolve(ctx, network, h.Host); err != nil {
			if ctx.Err() != nil {
				return nil, refuse(lttng.HopTimeout, "timeout at %s", h)
			}
			return nil, refuse(lttng.HopFailed, "%s: %s", h, cause(err))
		}
	}
	slices.SortStableFunc(addrs, func(a, b netip.Addr) int { return a.Unmap().BitLen() - b.Unmap().BitLen() })
	for _, a := range addrs {
		if s.self.isAt(a, h.Port) {
			return nil, refuse(lttng.HopLoop, "loop")
		}
	}
	may := slices.DeleteFunc(addrs, func(a netip.Addr) bool { return !byName && !s.opts.Allow.allowAddr(a, h.Port) })
	if len(may) == 0 {
		return nil, refuse(lttng.HopDenied, "denied")
	}
	return may, nil
}

// cause is what of a network error concerns the other end: no addresses of this
// one.
func cause(err error) string {
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*net.OpError](err); ok {
		err = e.Err
	}
	if e, ok := errors.AsType[*os.SyscallError](err); ok {
		err = e.Err
	}
	return err.Error()
}

var errLong = errors.New("line too long")

// readLine reads to a newline and not a byte further: that is of the connection
// passed on. The lines are short and rare.
func readLine(ctx context.Context, c net.Conn, limit int) ([]byte, error) {
	release := interrupt(ctx, c)
	defer release()
	var line []byte
	var b [1]byte
	for {
		if _, err := io.ReadFull(c, b[:]); err != nil {
			return nil, err
		}
		if line = append(line, b[0]); b[0] == '\n' {
			return line, nil
		}
		if len(line) >= limit {
			return nil, errLong
		}
	}
}

// interrupt lets reads and writes fail once the context ends. release says false
// if it has.
func interrupt(ctx context.Context, c net.Conn) (release func() bool) {
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		_ = c.SetDeadline(time.Unix(1, 0)) // an error shows in the call that follows
	})
	return func() bool {
		if !stop() {
			<-done
			return false
		}
		return true
	}
}
