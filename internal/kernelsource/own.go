// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kernelsource

import (
	"errors"
	"slices"
	"sync"
)

// ownThreads keeps weir's own processes out of all traces that are not to have
// them: also those of other sessions, which would record each other's reading.
type ownThreads struct {
	mu       sync.Mutex         // a leaf: held while the kernel's lists are written
	pids     map[*trace][]int32 // guarded by mu
	channels map[*channel]bool  // guarded by mu; true once its list is begun
}

// exclude takes note of a trace's own processes, and leaves them out everywhere.
func (o *ownThreads) exclude(t *trace, pids []int32) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.pids == nil {
		o.pids = make(map[*trace][]int32)
	}
	o.pids[t] = pids
	var errs []error
	for c, begun := range o.channels {
		if begun { // the kernel has taken out who has ended
			errs = append(errs, cover(pids, nil, c.instance.AddNotracePIDs))
			continue
		}
		errs = append(errs, o.beginLocked(c))
	}
	return errors.Join(errs...)
}

// add leaves weir's own processes out of a channel, from now on.
func (o *ownThreads) add(c *channel) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.channels == nil {
		o.channels = make(map[*channel]bool)
	}
	o.channels[c] = false
	return o.beginLocked(c)
}

func (o *ownThreads) beginLocked(c *channel) error {
	all := o.allLocked()
	if len(all) == 0 {
		return nil
	}
	if err := c.instance.SetOption("event-fork", true); err != nil {
		return err
	}
	if err := cover(all, c.instance.SetNotracePIDs, c.instance.AddNotracePIDs); err != nil {
		return err
	}
	o.channels[c] = true
	return nil
}

func (o *ownThreads) allLocked() (all []int32) {
	for _, pids := range o.pids {
		all = append(all, pids...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// forget takes a channel out that is about to go.
func (o *ownThreads) forget(c *channel) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.channels, c)
}

// leave takes a trace out, whose processes have ended.
func (o *ownThreads) leave(t *trace) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.pids, t)
}
