// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kernelsource

import (
	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/kernel/proc"
)

// CheckUsers implements source.UserTracker. Threads have to have the numbers here
// that their events have.
func (t *trace) CheckUsers() error {
	if !proc.Numbered() {
		return agent.NewProblem(agent.CodeNotSupported, "users cannot be tracked in a name space of process ids")
	}
	return nil
}
