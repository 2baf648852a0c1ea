// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import "github.com/weir-io/weir/client/agent"

// quota limits what there may be of something, so that no user takes all: each may
// have a part, and some are root's.
type quota struct {
	what        string
	all         int
	user        int // of one user who is not root
	keptForRoot int
}

// Quotas. Each rule about events is a process.
var (
	sessionQuota     = quota{"sessions", maxSessions, maxSessions / 4, maxSessions / 8}
	triggerQuota     = quota{"triggers", maxTriggers, maxTriggers / 4, maxTriggers / 8}
	ruleTriggerQuota = quota{"triggers about events", maxRuleTriggers, maxRuleTriggers / 4, maxRuleTriggers / 4}
)

// check refuses one more for a user; owners are those of all that there are.
func (q quota) check(uid uint32, owners []uint32) error {
	if len(owners) >= q.all {
		return problemf(agent.CodeUnknown, "%d %s: no more are allowed", len(owners), q.what)
	}
	if uid == 0 {
		return nil
	}
	own, users := 0, 0
	for _, o := range owners {
		if o == uid {
			own++
		}
		if o != 0 {
			users++
		}
	}
	switch {
	case own >= q.user:
		return problemf(agent.CodeUnknown, "%d %s of user %d: no more are allowed", own, q.what, uid)
	case users >= q.all-q.keptForRoot:
		return problemf(agent.CodeUnknown, "%d %s of users: the rest of %d is kept for root", users, q.what, q.all)
	}
	return nil
}
