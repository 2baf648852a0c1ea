// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kerneltrace

import (
	"encoding/json"
	"fmt"

	"github.com/weir-io/weir/internal/kernel/ftrace"
)

// serialized is what MarshalBinary writes, in JSON.
type serialized struct {
	Version int
	Options Options
	Formats []*ftrace.Format
}

const serializedVersion = 1

// MarshalBinary writes the table for another process of the same program: its
// options and the events in the order of declaration, so that they have the same
// ids there.
func (t *Table) MarshalBinary() ([]byte, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return json.Marshal(serialized{serializedVersion, t.opts, t.formats})
}

// UnmarshalBinary makes a table, the zero value, what another process has
// written. No metadata counts as told.
func (t *Table) UnmarshalBinary(b []byte) error {
	var s serialized
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("table of kernel events: %w", err)
	}
	if s.Version != serializedVersion {
		return fmt.Errorf("table of kernel events: version %d, want %d", s.Version, serializedVersion)
	}
	if err := t.init(s.Options); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	plans, kernelIDs := make([]*plan, 0, len(s.Formats)), make([]uint16, 0, len(s.Formats))
	for i, f := range s.Formats {
		if f == nil {
			return fmt.Errorf("table of kernel events: event %d is missing", i)
		}
		_, p, err := t.declare(f)
		if err != nil {
			return err
		}
		plans, kernelIDs = append(plans, p), append(kernelIDs, f.ID)
	}
	t.publish(plans, kernelIDs)
	return nil
}
