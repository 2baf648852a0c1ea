// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"fmt"
	"slices"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/source"
)

// usersNote is what a user of tracking by users should know.
const usersNote = "users are tracked by what is known of threads when their events are read: those that have ended by then may be missed"

// trackUsers changes the tracked users and groups as a request says. It reports
// false for a request that is not about them.
func (m *domain) trackUsers(r agent.Track, change func(have, given []int64) ([]int64, error)) (bool, error) {
	users := r.Of == agent.TrackUID || len(r.UIDs) > 0
	groups := r.Of == agent.TrackGID || len(r.GIDs) > 0
	if !users && !groups {
		return false, nil
	}
	if err := m.checkUsers(); err != nil {
		return true, err
	}
	domain := m.src.Domain()
	before := m.s.users[domain]
	after := before
	var err error
	if users {
		if after.UIDs, err = change(slices.Clone(before.UIDs), r.UIDs); err != nil {
			return true, err
		}
	}
	if groups {
		if after.GIDs, err = change(slices.Clone(before.GIDs), r.GIDs); err != nil {
			return true, err
		}
	}
	m.s.users[domain] = after
	ctx, cancel := context.WithTimeout(m.s.ctx, finishTimeout)
	defer cancel()
	if err := m.restrict(ctx); err != nil {
		m.s.users[domain] = before
		return true, err
	}
	return true, nil
}

// checkUsers tells why users cannot be tracked.
func (m *domain) checkUsers() error {
	switch t := m.trace.(type) {
	case source.UserRestricted:
		return nil
	case source.UserTracker:
		return t.CheckUsers()
	}
	return problemf(agent.CodeNotSupported, "domain %s: users are not tracked", m.src.Domain())
}

// readUsers reports whether the users of threads are looked up when events are read.
func (m *domain) readUsers() bool {
	_, ok := m.trace.(source.UserTracker)
	return ok
}

// restrict applies the session's tracked users.
func (m *domain) restrict(ctx context.Context) error {
	if t, ok := m.trace.(source.UserRestricted); ok {
		to := m.s.users[m.src.Domain()]
		return t.TrackUsers(to.UIDs, to.GIDs)
	}
	return m.tellUsers(ctx)
}

// tellUsers tells the consumer whose threads are recorded.
func (m *domain) tellUsers(ctx context.Context) error {
	if _, ok := m.trace.(source.UserRestricted); ok {
		return nil
	}
	to := m.s.users[m.src.Domain()]
	if m.proc == nil || to.UIDs == nil && to.GIDs == nil && !m.toldUsers {
		return nil
	}
	m.toldUsers = true
	return m.proc.Call(ctx, handover.OpUsers, to, nil)
}

// included adds what is given to a set, which is all without it.
func included(all bool, have, given []int64, done *agent.Done) []int64 {
	if all {
		return nil
	}
	for _, id := range given {
		if slices.Contains(have, id) {
			warn(done, agent.CodeInvalid, fmt.Sprintf("user or group %d is tracked already", id))
			continue
		}
		have = append(have, id)
	}
	return have
}

// excluded takes what is given out of a set; without any left, none is recorded.
func excluded(all bool, have, given []int64, done *agent.Done) []int64 {
	if all {
		return []int64{}
	}
	for _, id := range given {
		if !slices.Contains(have, id) {
			warn(done, agent.CodeInvalid, fmt.Sprintf("user or group %d is not tracked", id))
		}
	}
	return slices.DeleteFunc(have, func(id int64) bool { return slices.Contains(given, id) })
}
