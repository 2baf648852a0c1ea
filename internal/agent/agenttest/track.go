// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package agenttest

import (
	"context"

	"github.com/weir-io/weir/client/agent"
	daemon "github.com/weir-io/weir/internal/agent"
)

// Track records the order.
func (s *Service) Track(ctx context.Context, _ daemon.Caller, name string, r agent.Track) (agent.Done, error) {
	return s.order(ctx, "track", name, r, func(x *agent.Session) {
		channel(x, r.Domain, "")
		x.Domains[0].PIDs = append(x.Domains[0].PIDs, r.PIDs...)
	})
}

// Untrack records the order.
func (s *Service) Untrack(ctx context.Context, _ daemon.Caller, name string, r agent.Track) (agent.Done, error) {
	return s.order(ctx, "untrack", name, r, nil)
}
