// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"

	"github.com/weir-io/weir/client"
	"github.com/weir-io/weir/internal/tracestore"
)

// maxReported bounds the removals that a report lists.
const maxReported = 1000

type retentionInput struct {
	DryRun bool `query:"dry_run" doc:"Only say what would be removed."`
}

type retentionOutput struct {
	Body client.RetentionReport
}

// runRetention answers POST /api/v1/retention/run.
func (a *API) runRetention(ctx context.Context, in *retentionInput) (*retentionOutput, error) {
	run := a.opts.Retention.RunOnce
	if in.DryRun {
		run = a.opts.Retention.Plan
	}
	removed, err := run(ctx)
	if err != nil {
		return nil, err
	}
	limits := a.opts.Retention.Limits()
	report := client.RetentionReport{
		DryRun: in.DryRun, Count: len(removed), Removed: []client.Removal{},
		Limits: client.RetentionLimits{MaxAge: limits.MaxAge.String(), MaxBytes: limits.MaxBytes, MinFree: limits.MinFree},
	}
	for i := range removed {
		report.Bytes += removed[i].Chunk.Bytes
		if i < maxReported {
			report.Removed = append(report.Removed, showRemoval(&removed[i]))
		}
	}
	return &retentionOutput{report}, nil
}

func showRemoval(m *tracestore.Removal) client.Removal {
	return client.Removal{
		Session: m.Session.ID, Chunk: m.Chunk.ID, Directory: m.Chunk.Dir, Bytes: m.Chunk.Bytes,
		Ended: m.Chunk.Ended(), Reason: m.Reason.String(), Last: m.Whole,
	}
}
