// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"fmt"
	"testing"
	"time"

	"github.com/weir-io/weir/client/agent"
)

// TestSessionQuota lets no user have all sessions, nor all users those of root.
func TestSessionQuota(t *testing.T) {
	d := newHost(t).daemon
	add := func(uid uint32, n int) error {
		return d.add(newSession(d, Caller{UID: uid}, agent.CreateSession{Name: fmt.Sprint(n)}, false, time.Now()))
	}
	fill := func(uid uint32) (n int) {
		for add(uid, n) == nil {
			n++
		}
		return n
	}
	if n := fill(1); n != sessionQuota.user {
		t.Errorf("one user has %d sessions, want %d", n, sessionQuota.user)
	}
	users := sessionQuota.user
	for uid := uint32(2); uid < 10; uid++ {
		users += fill(uid)
	}
	if want := sessionQuota.all - sessionQuota.keptForRoot; users != want {
		t.Errorf("users have %d sessions, want %d", users, want)
	}
	if n := fill(0); n != sessionQuota.keptForRoot {
		t.Errorf("root has %d sessions, want %d", n, sessionQuota.keptForRoot)
	}
	d.mu.Lock()
	d.sessions = nil // which nothing has begun
	d.mu.Unlock()
}

// TestTriggerQuota lets no user have all triggers.
func TestTriggerQuota(t *testing.T) {
	d := newHost(t).daemon
	add := func(uid uint32) error {
		_, err := d.AddTrigger(t.Context(), Caller{UID: uid}, agent.Trigger{
			Condition: agent.TriggerCondition{Type: onRotationStarts}, Actions: []agent.TriggerAction{{Type: doNotify}},
		})
		return err
	}
	n := 0
	for add(1) == nil {
		n++
	}
	if n != triggerQuota.user {
		t.Errorf("a user has %d triggers, want %d", n, triggerQuota.user)
	}
	if err := add(2); err != nil {
		t.Errorf("another user has none: %v", err)
	}
	if err := ruleTriggerQuota.check(1, []uint32{1, 1, 1, 1}); err == nil {
		t.Error("a user has more triggers about events than a part")
	}
}
