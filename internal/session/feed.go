// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"fmt"

	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/source"
)

// tellFeed tells a consumer of what is recorded for it alone: all of it, or what has
// come since.
func (m *domain) tellFeed(ctx context.Context, p *process) error {
	t, ok := m.trace.(source.Feeding)
	if !ok {
		return nil
	}
	f, err := t.Feed()
	if err != nil || f == nil {
		return err
	}
	op, open := handover.OpChannel, f.Streams
	if m.fed == p {
		op, open = handover.OpTable, f.MoreStreams
	}
	o := handover.Channel{ID: handover.FeedChannel, Name: "feeds"}
	events, err := f.Describe(&o)
	if err != nil {
		return fmt.Errorf("feeds: %w", err)
	}
	defer events.Close()
	if err := p.Call(ctx, op, o, nil, events); err != nil {
		return fmt.Errorf("feeds: %w", err)
	}
	if m.fed != p {
		m.fed = p
		m.feeding.drop()
	}
	streams, err := open()
	if err != nil {
		return fmt.Errorf("feeds: %w", err)
	}
	return m.feeding.tell(ctx, p, handover.FeedChannel, streams)
}
