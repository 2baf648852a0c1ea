// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"

	"github.com/weir-io/weir/internal/flow/record"
	"github.com/weir-io/weir/internal/flow/topology"
)

// noTraces is the flow traces of a hub to which no agent sends any.
type noTraces struct{}

func (noTraces) Flows(context.Context, topology.ID, Select) ([]Flow, error) { return nil, nil }

func (noTraces) Flow(_ context.Context, _, flow topology.ID) (Flow, error) {
	return Flow{}, faultf(http.StatusNotFound, "flow %v does not exist", flow)
}

func (noTraces) Events(context.Context, topology.ID, topology.ID, Select) ([]json.RawMessage, error) {
	return nil, nil
}

func (noTraces) FollowFlows(ctx context.Context, _ topology.ID, _ Select) iter.Seq2[Flow, error] {
	return func(func(Flow, error) bool) { <-ctx.Done() }
}

func (noTraces) FollowEvents(ctx context.Context, _, _ topology.ID, _ Select) iter.Seq2[json.RawMessage, error] {
	return func(func(json.RawMessage, error) bool) { <-ctx.Done() }
}

func (noTraces) Append(context.Context, []record.Record) error {
	return faultf(http.StatusNotFound, "this hub keeps no flow traces")
}

func (noTraces) SetStatus(context.Context, topology.ID, HostStatus) error { return nil }

func (noTraces) ResetStatus(context.Context, topology.ID) error { return nil }

func (noTraces) Delete(context.Context, topology.ID) error { return nil }

func (noTraces) Lost(context.Context, topology.ID) (uint64, error) { return 0, nil }

func (noTraces) Status(context.Context, topology.ID) ([]HostStatus, error) { return nil, nil }
