// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"errors"

	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/source"
)

// handing is the way of a channel's streams to a consumer. A stream that it has refused,
// or of which nobody knows whether it has it, stays here, to be handed over again: sources
// give each one once. It is guarded by Session.mu.
type handing struct {
	left []source.Stream
}

// tell hands over streams that have come, and those that are left. One that is refused
// holds up no other; a consumer that has one already takes note of no second.
func (h *handing) tell(ctx context.Context, p *process, channel uint32, fresh []source.Stream) error {
	all := append(h.left, fresh...)
	h.left = nil
	var errs []error
	for i, st := range all {
		o := handover.Stream{Channel: channel, CPU: st.CPU, SubbufBytes: st.SubbufBytes, Resumed: st.Resumed, Class: st.Class, Part: st.Part}
		err := p.Call(ctx, handover.OpStream, o, nil, st.Files...)
		if err == nil {
			handover.CloseAll(st.Files)
			continue
		}
		errs = append(errs, err)
		h.left = append(h.left, st)
		if _, refused := errors.AsType[*handover.OrderError](err); !refused { // nor would it answer for the others
			h.left = append(h.left, all[i+1:]...)
			break
		}
	}
	return errors.Join(errs...)
}

// drop lets go of what is left: the consumer is gone, and the next one gets all.
func (h *handing) drop() {
	for _, st := range h.left {
		handover.CloseAll(st.Files)
	}
	h.left = nil
}
