// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"slices"

	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/source"
)

// publish tells the consumer what is new in tables and metadata, before any of it
// is recorded.
func (m *domain) publish() error {
	if m.proc == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(m.s.ctx, finishTimeout)
	defer cancel()
	if err := m.tellFeed(ctx, m.proc); err != nil {
		return err
	}
	for _, c := range m.channels {
		if err := c.tellTable(ctx, m.proc); err != nil {
			return err
		}
	}
	texts, err := m.newTexts(false)
	if err != nil {
		return err
	}
	for _, t := range texts { // for its successor, if this process does not get them
		all := m.text(t.Part)
		all.Text = append(all.Text, t.Text...)
	}
	for _, t := range texts {
		if err := m.tellMetadata(ctx, handover.OpMetadata, t); err != nil {
			return err
		}
	}
	return nil
}

// newTexts returns the metadata that the trace has not told, or, anew, all.
func (m *domain) newTexts(anew bool) ([]source.Text, error) {
	if split, ok := m.trace.(source.Split); ok {
		return split.Texts(anew)
	}
	tell := m.trace.Metadata
	if anew {
		tell = m.trace.Regenerate
	}
	text, err := tell()
	if err != nil || len(text) == 0 {
		return nil, err
	}
	return []source.Text{{Text: text}}, nil
}

// text returns the metadata of a part, which are there then.
func (m *domain) text(p handover.Part) *source.Text {
	i := slices.IndexFunc(m.texts, func(t source.Text) bool { return t.Part == p })
	if i < 0 {
		i = len(m.texts)
		m.texts = append(m.texts, source.Text{Part: p})
	}
	return &m.texts[i]
}

// tellAllMetadata tells a new consumer what its predecessor knew.
func (m *domain) tellAllMetadata(ctx context.Context) error {
	for _, t := range m.texts {
		if err := m.tellMetadata(ctx, handover.OpMetadata, t); err != nil {
			return err
		}
	}
	return nil
}

func (m *domain) tellMetadata(ctx context.Context, op handover.Op, t source.Text) error {
	blob, err := handover.Blob("metadata", t.Text)
	if err != nil {
		return err
	}
	defer blob.Close()
	return m.proc.Call(ctx, op, t.Part, nil, blob)
}
