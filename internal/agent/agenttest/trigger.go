// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package agenttest

import (
	"context"
	"fmt"
	"slices"

	"github.com/weir-io/weir/client/agent"
	daemon "github.com/weir-io/weir/internal/agent"
)

// Triggers lists triggers.
func (s *Service) Triggers(daemon.Caller) []agent.Trigger {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.triggers)
}

// AddTrigger adds one.
func (s *Service) AddTrigger(ctx context.Context, _ daemon.Caller, t agent.Trigger) (agent.Trigger, error) {
	if _, err := s.note(ctx, "add-trigger", "", t); err != nil {
		return t, err
	}
	if t.Name == "" {
		t.Name = "trigger0"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.triggers = append(s.triggers, t)
	return t, nil
}

// RemoveTrigger removes one.
func (s *Service) RemoveTrigger(ctx context.Context, _ daemon.Caller, name string) error {
	if _, err := s.note(ctx, "remove-trigger", "", name); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.triggers)
	s.triggers = slices.DeleteFunc(s.triggers, func(t agent.Trigger) bool { return t.Name == name })
	if len(s.triggers) == n {
		return agent.NewProblem(agent.CodeTriggerNotFound, fmt.Sprintf("trigger %q not found", name))
	}
	return nil
}
