// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/weir-io/weir/client"
	"github.com/weir-io/weir/internal/tracestore"
)

// listAge is how old a walk through the stored traces may be for an answer.
// Each walk reads the whole tree; what is open is always up to date.
const listAge = time.Second

// SessionPath names a session. Exported for the reason of [Paging].
type SessionPath struct {
	ID string `path:"id" maxLength:"64" doc:"ID of the session."`
}

type sessionsInput struct {
	Paging
	Host  string `query:"host" maxLength:"255" doc:"Only sessions of this host."`
	Name  string `query:"name" maxLength:"255" doc:"Only sessions of this name."`
	State string `query:"state" enum:"active,closed" doc:"Only sessions in this state."`
}

type sessionsOutput struct {
	Body client.Page[client.Session]
}

type sessionOutput struct {
	Body client.Session
}

// listSessions answers GET /api/v1/sessions, newest first.
func (a *API) listSessions(ctx context.Context, in *sessionsInput) (*sessionsOutput, error) {
	inv, err := a.opts.Catalog.List(ctx, listAge)
	if err != nil {
		return nil, err
	}
	chosen := make([]tracestore.StoredSession, 0, len(inv.Sessions))
	for _, s := range inv.Sessions {
		if (in.Host == "" || in.Host == s.Host) && (in.Name == "" || in.Name == s.Name) &&
			(in.State == "" || in.State == string(stateOf(&s))) {
			chosen = append(chosen, s)
		}
	}
	slices.SortFunc(chosen, func(x, y tracestore.StoredSession) int { return cmp.Compare(sessionKey(&x), sessionKey(&y)) })
	viewers := a.viewers()
	page, err := pageOf(in.Paging, chosen, sessionKey, func(s *tracestore.StoredSession) client.Session { return a.show(s, viewers) })
	if err != nil {
		return nil, err
	}
	return &sessionsOutput{page}, nil
}

// sessionKey sorts the newest first.
func sessionKey(s *tracestore.StoredSession) string {
	return fmt.Sprintf("%020d.%s", uint64(math.MaxInt64)-uint64(max(s.Created.UnixNano(), 0)), s.ID)
}

// getSession answers GET /api/v1/sessions/{id}.
func (a *API) getSession(ctx context.Context, in *SessionPath) (*sessionOutput, error) {
	s, err := a.find(ctx, in.ID, listAge)
	if err != nil {
		return nil, err
	}
	return &sessionOutput{a.show(&s, a.viewers())}, nil
}

// deleteSession answers DELETE /api/v1/sessions/{id}.
func (a *API) deleteSession(ctx context.Context, in *SessionPath) (*struct{}, error) {
	s, err := a.find(ctx, in.ID, 0)
	if err != nil {
		return nil, err
	}
	if err := a.opts.Catalog.RemoveSession(ctx, s); err != nil {
		return nil, storeError(err, codeSessionOpen, codeNoSuchSession)
	}
	a.log.Info("stored session deleted", "session_dir", s.Dir, "bytes", s.Bytes)
	return nil, nil
}

// find returns the session of an identifier from a walk of at most maxAge.
func (a *API) find(ctx context.Context, id string, maxAge time.Duration) (tracestore.StoredSession, error) {
	inv, err := a.opts.Catalog.List(ctx, maxAge)
	if err != nil {
		return tracestore.StoredSession{}, err
	}
	s, ok := inv.Session(id)
	if !ok {
		return s, problemf(codeNoSuchSession, "%q", id)
	}
	return s, nil
}

func stateOf(s *tracestore.StoredSession) client.State {
	if s.Active() {
		return client.Active
	}
	return client.Closed
}

// viewers returns how many viewers read a session by its open parts.
func (a *API) viewers() func([]*tracestore.Session) int {
	live, _ := a.opts.live()
	return func(parts []*tracestore.Session) int {
		n := 0
		for _, ss := range parts {
			n += live.Viewers[ss.ID()]
		}
		return n
	}
}

// show makes the resource of a session.
func (a *API) show(s *tracestore.StoredSession, viewers func([]*tracestore.Session) int) client.Session {
	out := client.Session{
		ID: s.ID, Name: s.Name, Host: s.Host, State: stateOf(s), Directory: s.Dir,
		Created: s.Created, Modified: s.Modified,
		Stored:    client.Stored{Bytes: s.Bytes, Files: s.Files, Chunks: len(s.Chunks)},
		Producers: make([]client.Peer, 0, len(s.Open)),
		Viewers:   viewers(s.Open),
	}
	if len(s.Open) == 0 {
		return out
	}
	received := &client.Received{Rate: a.rates.session(s.Open)}
	for _, ss := range s.Open {
		out.Live = out.Live || ss.Live()
		out.Producers = append(out.Producers, showPeer(ss))
		addReceived(received, ss)
		if a.opts.MetadataErrors != nil {
			out.MetadataErrors = append(out.MetadataErrors, a.opts.MetadataErrors(ss)...)
		}
	}
	out.Received = received
	return out
}

func showPeer(ss *tracestore.Session) client.Peer {
	r := ss.Request()
	return client.Peer{
		ID: idOf(uint64(ss.ID())), Address: ss.Peer().Unmap().String(),
		Protocol:  fmt.Sprintf("2.%d", ss.Minor()),
		LiveTimer: int64(r.LiveTimer), Snapshot: r.Snapshot, Connected: ss.Created(),
	}
}

// addReceived adds the figures of a part's streams.
func addReceived(sum *client.Received, ss *tracestore.Session) {
	for _, st := range ss.Streams() {
		s := st.Stats()
		sum.Streams++
		sum.Packets += s.Packets.Load()
		sum.Bytes += s.Bytes.Load()
		sum.DroppedPackets += s.DroppedPackets.Load()
		sum.DiscardedEvents += s.EventsDiscarded.Load()
		if at := arrival(s); at.After(sum.LastArrival) {
			sum.LastArrival = at
		}
	}
}

// arrival returns when a stream's newest packet arrived, or the zero time.
func arrival(s *tracestore.StreamStats) time.Time {
	ns := s.LastArrival.Load()
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns)
}

// idOf writes a handle: identifiers are strings.
func idOf(n uint64) string { return strconv.FormatUint(n, 10) }
