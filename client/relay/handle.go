// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/weir-io/weir/lttng"
)

// Handle is a session on its way to another process: plain data, and the two
// connections.
type Handle struct {
	State
	Control, Data *os.File
}

// Close closes the connections, and with them the session, unless it was adopted.
func (h *Handle) Close() error { return errors.Join(h.Control.Close(), h.Data.Close()) }

// State is what a successor has to know of a session. It can be encoded as JSON;
// its fields are for this package alone.
type State struct {
	Minor        lttng.Minor      `json:"minor"`
	ID           lttng.SessionID  `json:"id"`
	Path         string           `json:"path,omitempty"`
	ClearAllowed bool             `json:"clear_allowed,omitempty"`
	Extensions   lttng.Extensions `json:"extensions,omitempty"`
	Live         bool             `json:"live,omitempty"`
	Snapshot     bool             `json:"snapshot,omitempty"`
	LegacyRoot   string           `json:"legacy_root,omitempty"`
	Created      time.Time        `json:"created"`
	Identity     Identity         `json:"identity"`
	ReplyTimeout time.Duration    `json:"reply_timeout"`
	StallTimeout time.Duration    `json:"stall_timeout"`
	Window       int              `json:"window"`
	ControlAddr  string           `json:"control_addr"`
	DataAddr     string           `json:"data_addr"`

	ChunkOpen    bool          `json:"chunk_open,omitempty"`
	Chunk        lttng.ChunkID `json:"chunk,omitempty"`
	NextChunk    lttng.ChunkID `json:"next_chunk,omitempty"`
	ChunkRotated bool          `json:"chunk_rotated,omitempty"`

	UDP     *UDPState     `json:"udp,omitempty"`
	Streams []StreamState `json:"streams,omitempty"`
}

// StreamState is what a successor has to know of a stream.
type StreamState struct {
	ID         lttng.StreamID `json:"id"`
	Parked     bool           `json:"parked,omitempty"`
	Options    StreamOptions  `json:"options"`
	First      uint64         `json:"first,omitempty"`
	Sent       uint64         `json:"sent,omitempty"`
	NextNumber uint64         `json:"next_number,omitempty"`
	Confirmed  uint64         `json:"confirmed,omitempty"`
	Stored     uint64         `json:"stored,omitempty"`
	Lost       uint64         `json:"lost,omitempty"`
	Version    uint64         `json:"version,omitempty"`
}

// filer is a connection that can be handed over.
type filer interface{ File() (*os.File, error) }

// Detach ends the session in this process without the relay noticing: it waits
// for the outstanding answers and returns what [Adopt] goes on with. Nothing may
// use the session meanwhile, [ErrBusy], or afterwards, [ErrClosed]. An error
// leaves the session as it was, or ended if that is what it says.
func (s *Session) Detach(ctx context.Context) (Handle, error) {
	control, ok := s.control.conn.(filer)
	data, ok2 := s.data.conn.(filer)
	if !ok || !ok2 {
		return Handle{}, fmt.Errorf("relay: detach from connections without files: %w", errors.ErrUnsupported)
	}
	if err := s.data.take(ctx, s.dead); err != nil {
		return Handle{}, s.because(err)
	}
	defer s.data.give()
	if err := s.flush(ctx); err != nil {
		return Handle{}, err
	}
	if err := s.Sync(ctx); err != nil {
		return Handle{}, err
	}
	if err := s.leave(); err != nil {
		return Handle{}, err
	}
	h := Handle{State: s.state()}
	var err error
	if h.Control, err = control.File(); err == nil {
		if h.Data, err = data.File(); err != nil {
			h.Control.Close()
		}
	}
	s.Abort()
	if err != nil {
		return Handle{}, fmt.Errorf("relay: detach: %w", err)
	}
	return h, nil
}

// leave stops the readers and lets nobody begin anything.
func (s *Session) leave() error {
	s.mu.Lock()
	switch {
	case s.err != nil:
		defer s.mu.Unlock()
		return s.err
	case s.calls.count > 0 || len(s.window) > 0 || s.leaving:
		s.mu.Unlock()
		return fmt.Errorf("relay: detach: %w", ErrBusy)
	}
	s.leaving = true
	_ = s.control.conn.SetReadDeadline(time.Unix(1, 0)) // if it fails the connection is gone
	_ = s.data.conn.SetReadDeadline(time.Unix(1, 0))
	s.mu.Unlock()
	if s.udp != nil {
		close(s.udp.left)
	}
	s.readers.Wait()
	if n := s.in.Buffered(); n > 0 {
		return s.fail(Control, "detach", nil, fmt.Errorf("%w: %d bytes", ErrUnasked, n))
	}
	return s.Err()
}

func (s *Session) state() State {
	var datagrams *UDPState
	if s.udp != nil {
		datagrams = s.udp.state()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st := State{
		Minor: s.minor, ID: s.id, Path: s.path, ClearAllowed: s.clear, Extensions: s.extensions, Live: s.live, Snapshot: s.snapshot,
		LegacyRoot: s.legacyRoot, Created: s.created, Identity: s.identity, ReplyTimeout: s.replyTimeout, StallTimeout: s.control.stall,
		Window: cap(s.window), ControlAddr: s.control.addr, DataAddr: s.data.addr,
		ChunkOpen: s.chunks.open, Chunk: s.chunks.current, NextChunk: s.chunks.next, ChunkRotated: s.chunks.rotated,
		UDP: datagrams,
	}
	for _, x := range s.streams {
		st.Streams = append(st.Streams, StreamState{
			ID: x.id, Parked: x.parked, Options: x.o, First: x.first, Sent: x.sent, NextNumber: x.nextNumber,
			Confirmed: x.confirmed, Stored: x.stored, Lost: x.lost, Version: x.version,
		})
	}
	return st
}

// Adopt goes on with a session that was detached, as a rule by another process.
// It takes over the connections of h, also when it fails. [Session.Streams] has
// the streams in their old order.
func Adopt(h Handle) (*Session, error) {
	defer h.Close() // the connections are duplicates
	if h.Minor < 1 || h.Minor > lttng.MinorVersion || h.Window < 1 || h.ReplyTimeout <= 0 || h.StallTimeout <= 0 {
		return nil, fmt.Errorf("relay: adopt: got a state of minor %d, window %d, time-outs %v and %v, want that of a session",
			h.Minor, h.Window, h.ReplyTimeout, h.StallTimeout)
	}
	if u := h.UDP; u != nil && (u.Payload < lttng.MinDatagramPayload || u.Payload > lttng.MaxDatagramPayload || u.Window < 1 || u.Rate <= 0) {
		return nil, fmt.Errorf("relay: adopt: got datagrams of %d bytes, window %d, rate %v, want those of a session", u.Payload, u.Window, u.Rate)
	}
	control, err := net.FileConn(h.Control)
	if err != nil {
		return nil, fmt.Errorf("relay: adopt control connection: %w", err)
	}
	data, err := net.FileConn(h.Data)
	if err != nil {
		control.Close()
		return nil, fmt.Errorf("relay: adopt data connection: %w", err)
	}
	s := newSession(Options{
		Snapshot: h.Snapshot, Created: h.Created, ReplyTimeout: h.ReplyTimeout,
		StallTimeout: h.StallTimeout, Window: h.Window,
	}, h.ControlAddr, h.DataAddr)
	s.minor, s.id, s.path, s.clear, s.live, s.legacyRoot = h.Minor, h.ID, h.Path, h.ClearAllowed, h.Live, h.LegacyRoot
	s.extensions, s.identity = h.Extensions, h.Identity
	s.chunks = chunks{h.ChunkOpen, h.Chunk, h.NextChunk, h.ChunkRotated}
	for _, x := range h.Streams {
		s.streams = append(s.streams, &Stream{
			s: s, o: x.Options, id: x.ID, parked: x.Parked, first: x.First, sent: x.Sent, nextNumber: x.NextNumber,
			confirmed: x.Confirmed, stored: x.Stored, lost: x.Lost, version: x.Version,
		})
	}
	tune(control, h.StallTimeout)
	tune(data, h.StallTimeout)
	if h.UDP != nil {
		s.maxReply = max(s.maxReply, lttng.MaxUDPStatusReply)
		s.udp = newSender(s, *h.UDP)
	}
	s.startControl(control)
	if s.udp != nil {
		s.startUDP(data)
	} else {
		s.startData(data)
	}
	return s, nil
}
