// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"context"
	"fmt"

	"github.com/weir-io/weir/internal/flow/topology"
)

// testPresent asks after each of many changes: each answer has it, and there is no new
// snapshot without one.
func testPresent(s *stand) {
	p := s.Present()
	defer p.Close() //nolint:errcheck // the stand looks at the store itself
	b := s.newBridge()
	want := func(what string) *topology.Snapshot {
		s.Helper()
		now, err := p.Snapshot(s.ctx)
		if err != nil || now.Bridges[b.ID] == nil || now.Bridges[b.ID].Name != b.Name {
			s.Fatalf("%s: %+v, %v, want the bridge %s", what, now, err, b.Name)
		}
		return now
	}
	for i := range 20 {
		b.Name = fmt.Sprint("b", i)
		s.ok(s.UpdateBridge(s.ctx, b))
		now := want("after a change")
		if want("without a change") != now {
			s.Errorf("change %d: another snapshot though nothing changed", i)
		}
	}
	s.ok(p.view.session.Close()) // as if it had expired
	want("with another session")
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	if now, err := p.Snapshot(ctx); err == nil {
		s.Errorf("with a context that has ended: %+v", now)
	}
	want("after that")
}
