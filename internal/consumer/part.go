// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"slices"

	"github.com/weir-io/weir/internal/handover"
)

// part is one of the traces that a domain records. Most record one, in the domain's own
// place; of applications those of each user have one of their own.
type part struct {
	place string // below that of the domain, "" for that itself
	uuid  [16]byte
}

// part finds the part that an order is about.
func (e *engine) part(p handover.Part) part {
	if p.UUID == [16]byte{} {
		p.UUID = e.uuid
	}
	return part{p.Place, p.UUID}
}

// partText is the metadata of a part.
type partText struct {
	part

	text []byte
}

// partTexts are those of all parts, in the order in which they came.
type partTexts []*partText

// of returns the text of a part, which is there then.
func (all *partTexts) of(p part) *partText {
	if t := all.find(p.place); t != nil {
		return t
	}
	t := &partText{part: p}
	*all = append(*all, t)
	return t
}

// find returns the text of a part, nil if there is none.
func (all *partTexts) find(place string) *partText {
	i := slices.IndexFunc(*all, func(t *partText) bool { return t.place == place })
	if i < 0 {
		return nil
	}
	return (*all)[i]
}
