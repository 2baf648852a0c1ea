// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/weir-io/weir/client"
	"github.com/weir-io/weir/internal/tracestore"
)

type streamsInput struct {
	SessionPath
	Paging
}

type streamsOutput struct {
	Body client.Page[client.Stream]
}

// listStreams answers GET /api/v1/sessions/{id}/streams. A closed session has
// none.
func (a *API) listStreams(ctx context.Context, in *streamsInput) (*streamsOutput, error) {
	s, err := a.find(ctx, in.ID, listAge)
	if err != nil {
		return nil, err
	}
	var all []*tracestore.Stream
	for _, ss := range s.Open {
		all = append(all, ss.Streams()...)
	}
	slices.SortFunc(all, func(x, y *tracestore.Stream) int { return cmp.Compare(x.ID(), y.ID()) })
	page, err := pageOf(in.Paging, all, streamKey, a.showStream)
	if err != nil {
		return nil, err
	}
	return &streamsOutput{page}, nil
}

func streamKey(st **tracestore.Stream) string { return fmt.Sprintf("%020d", uint64((*st).ID())) }

func (a *API) showStream(p **tracestore.Stream) client.Stream {
	st := *p
	s := st.Stats()
	out := client.Stream{
		ID: idOf(uint64(st.ID())), Peer: idOf(uint64(st.Session().ID())), Channel: st.Channel(),
		Metadata: st.IsMetadata(), Closed: st.Closed(),
		Packets: s.Packets.Load(), Bytes: s.Bytes.Load(), DroppedPackets: s.DroppedPackets.Load(),
		Discarded:     s.EventsDiscarded.Load(),
		LastTimestamp: idOf(s.LastTimestamp.Load()),
		LastArrival:   arrival(s), Rate: a.rates.stream(st.ID()),
	}
	if t := st.Trace(); t != nil {
		out.Trace = t.Path()
	}
	return out
}
