// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"fmt"

	"github.com/weir-io/weir/internal/filter"
	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/kernelfilter"
)

// setFilters has a drain decide about events whose filters the kernel could not
// take, or not whole. It runs on the drain's goroutine, or before that begins.
func (d *drain) setFilters(filters []handover.Filter) error {
	for _, id := range d.filtered {
		d.sieve.filter(id, nil)
	}
	d.filtered = d.filtered[:0]
	know := kernelfilter.Source{CPU: int(d.s.cpu) + 1, Tasks: d.table.tasks, Hostname: d.table.Options().Hostname}
	for _, f := range filters {
		e, err := filter.Parse(f.Expression)
		if err != nil {
			return fmt.Errorf("filter: %w", err)
		}
		for _, id := range f.Events {
			format, ok := d.table.Format(id)
			if !ok {
				return fmt.Errorf("filter of event %d, which is not declared", id)
			}
			keep, err := know.Compile(e, format, d.table.Options().Naming)
			if err != nil {
				return fmt.Errorf("filter of event %s:%s: %w", format.System, format.Name, err)
			}
			d.sieve.filter(id, keep)
			d.filtered = append(d.filtered, id)
		}
	}
	d.sieve.refresh() // for events that are new
	return nil
}
