// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"time"

	"github.com/weir-io/weir/internal/handover"
)

// drain has everything read and brought to its place, for which the output may take
// as long as settle.
func (m *domain) drain(ctx context.Context, settle time.Duration) error {
	if m.proc == nil {
		return nil
	}
	m.unsettled = true
	m.follow() // rings and events that have come since
	if _, stuck := m.isStuck(); stuck {
		settle = 0
	}
	var st handover.Stopped
	if err := m.proc.Call(ctx, handover.OpStop, handover.Stop{Settle: settle}, &st); err != nil {
		return err
	}
	if st.Unsettled != "" {
		return &unsettledError{st.Unsettled}
	}
	m.unsettled = false
	return nil
}

// unsettledError tells what is read and not at its place. It may come there yet.
type unsettledError struct{ text string }

func (e *unsettledError) Error() string { return e.text }

// pause has the process read no further. As with tellOutput, whoever wanted that may
// be gone meanwhile.
func (m *domain) pause(ctx context.Context, now bool) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	return m.proc.Call(ctx, handover.OpPause, handover.Pause{Now: now}, nil)
}

// goOn takes a pause back, and waits for that for a time.
func (m *domain) goOn(ctx context.Context, most time.Duration) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), most)
	defer cancel()
	return m.proc.Call(ctx, handover.OpResume, struct{}{}, nil)
}

// resume lets a paused process read on. What the rings of a stopped session still
// hold is read at once.
func (m *domain) resume(ctx context.Context) error {
	if m.proc == nil {
		return nil
	}
	if err := m.goOn(ctx, finishTimeout); err != nil || m.s.active {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, finishTimeout+drainTimeout)
	defer cancel()
	return m.drain(ctx, finishTimeout)
}
