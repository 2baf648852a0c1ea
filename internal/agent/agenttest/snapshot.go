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

// SnapshotRecord names a snapshot.
func (s *Service) SnapshotRecord(ctx context.Context, _ daemon.Caller, name string, to agent.SnapshotOutput) (agent.Done, error) {
	done, err := s.order(ctx, "record-snapshot", name, to, nil)
	done.Names = []string{"/traces/" + name + "/snapshot-1"}
	return done, err
}

// SnapshotOutputs lists outputs.
func (s *Service) SnapshotOutputs(_ daemon.Caller, name string) ([]agent.SnapshotOutput, error) {
	if _, err := s.find(name); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.outputs[name]), nil
}

// AddSnapshotOutput adds one.
func (s *Service) AddSnapshotOutput(ctx context.Context, _ daemon.Caller, name string, o agent.SnapshotOutput) (agent.SnapshotOutput, error) {
	if _, err := s.order(ctx, "add-snapshot-output", name, o, nil); err != nil {
		return o, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.outputs == nil {
		s.outputs = make(map[string][]agent.SnapshotOutput)
	}
	o.ID = uint32(len(s.outputs[name]) + 1)
	if o.Name == "" {
		o.Name = fmt.Sprintf("snapshot-%d", o.ID)
	}
	s.outputs[name] = append(s.outputs[name], o)
	return o, nil
}

// RemoveSnapshotOutput records the order.
func (s *Service) RemoveSnapshotOutput(ctx context.Context, _ daemon.Caller, name, output string) error {
	_, err := s.order(ctx, "remove-snapshot-output", name, output, nil)
	return err
}
