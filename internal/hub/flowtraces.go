// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"encoding/json"
	"iter"

	"github.com/weir-io/weir/internal/flow/archive"
	"github.com/weir-io/weir/internal/flow/record"
	"github.com/weir-io/weir/internal/flow/rest"
	"github.com/weir-io/weir/internal/flow/topology"
)

// flowTraces is the archive as the interface asks for it.
type flowTraces struct {
	archive *archive.Archive
}

// Flows returns flows that a request has traced.
func (t flowTraces) Flows(ctx context.Context, request topology.ID, s rest.Select) ([]rest.Flow, error) {
	flows, err := t.archive.Flows(ctx, request, archive.Select(s))
	all := make([]rest.Flow, len(flows))
	for i, f := range flows {
		all[i] = rest.Flow(f)
	}
	return all, err
}

// Flow returns a flow.
func (t flowTraces) Flow(ctx context.Context, request, flow topology.ID) (rest.Flow, error) {
	f, err := t.archive.Flow(ctx, request, flow)
	return rest.Flow(f), err
}

// Events returns what happened to a flow.
func (t flowTraces) Events(ctx context.Context, request, flow topology.ID, s rest.Select) ([]json.RawMessage, error) {
	return t.archive.Events(ctx, request, flow, archive.Select(s))
}

// FollowFlows goes on with flows that come, until ctx ends.
func (t flowTraces) FollowFlows(ctx context.Context, request topology.ID, s rest.Select) iter.Seq2[rest.Flow, error] {
	return func(yield func(rest.Flow, error) bool) {
		for f, err := range t.archive.FollowFlows(ctx, request, archive.Select(s)) {
			if !yield(rest.Flow(f), err) {
				return
			}
		}
	}
}

// FollowEvents goes on with what happens to a flow, until ctx ends.
func (t flowTraces) FollowEvents(ctx context.Context, request, flow topology.ID, s rest.Select) iter.Seq2[json.RawMessage, error] {
	return t.archive.FollowEvents(ctx, request, flow, archive.Select(s))
}

// Append keeps records.
func (t flowTraces) Append(ctx context.Context, records []record.Record) error {
	return t.archive.Append(ctx, records)
}

// SetStatus keeps how a host counts for a request.
func (t flowTraces) SetStatus(_ context.Context, request topology.ID, s rest.HostStatus) error {
	return t.archive.SetStatus(request, archive.HostStatus(s))
}

// ResetStatus forgets how hosts count for a request.
func (t flowTraces) ResetStatus(_ context.Context, request topology.ID) error {
	return t.archive.ResetStatus(request)
}

// Delete forgets what a request has traced.
func (t flowTraces) Delete(_ context.Context, request topology.ID) error {
	return t.archive.DeleteRequest(request)
}

// Lost returns how many flows of a request have made room for others.
func (t flowTraces) Lost(ctx context.Context, request topology.ID) (uint64, error) {
	return t.archive.Lost(ctx, request)
}

// Status returns how the hosts count for a request.
func (t flowTraces) Status(ctx context.Context, request topology.ID) ([]rest.HostStatus, error) {
	hosts, err := t.archive.Status(ctx, request)
	all := make([]rest.HostStatus, len(hosts))
	for i, h := range hosts {
		all[i] = rest.HostStatus(h)
	}
	return all, err
}
