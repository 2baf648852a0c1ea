// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kernelsource

import (
	"encoding/json"

	"github.com/weir-io/weir/internal/kernel/proc"
	"github.com/weir-io/weir/internal/kerneltrace"
)

// StateDump implements source.Trace.
func (t *trace) StateDump() (channel uint32, events []byte, err error) {
	if err := t.startFeeds(); err != nil {
		return 0, nil, err
	}
	if len(t.channels) == 0 || !proc.Numbered() {
		return 0, nil, nil // processes have other numbers in the events
	}
	p, err := proc.Open("/proc")
	if err != nil {
		return 0, nil, err
	}
	defer p.Close()
	begin := t.now()
	dump, left, err := kerneltrace.ReadStateDump(p, proc.Options{})
	if err != nil || left != (proc.LeftOut{}) {
		t.s.log.Info("state dump is not complete", "session", t.info.Name, "left_out", left, "err", err)
	}
	dump.Time = begin
	events, err = json.Marshal(dump)
	return t.channels[0].id, events, err
}
