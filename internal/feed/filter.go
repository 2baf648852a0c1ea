// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"encoding/json"

	"github.com/weir-io/weir/changelog"
	client "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed/match"
)

// selection is what a feed wants: types, a part of the file system, and a filter.
type selection struct {
	mask   changelog.Mask
	part   *match.Matcher // nil: all of the file system
	filter *match.Matcher // nil: all
}

// compile makes a selection of its texts. part is a directory from the root of the
// source, "." for all.
func compile(mask, part string, filter json.RawMessage) (s selection, err error) {
	s.mask = changelog.DefaultMask
	if mask != "" {
		if s.mask, err = changelog.ParseMask(mask); err != nil {
			return s, client.Errorf(client.CodeBadArgument, "%v", err)
		}
	}
	s.mask |= 1 << changelog.Mark
	if part != "" && part != "." {
		s.part = match.Below([]byte(part))
	}
	if len(filter) == 0 || string(filter) == "null" {
		return s, nil
	}
	f, err := match.Parse(filter)
	if err == nil {
		s.filter, err = f.Compile(match.HostNames())
	}
	if err != nil {
		return s, client.Errorf(client.CodeBadArgument, "%v", err)
	}
	return s, nil
}

// wants tells what of a record is wanted.
func (s *selection) wants(r *changelog.Record) match.Result {
	if !s.mask.Has(r.Type) {
		return match.None
	}
	res := match.Whole
	for _, m := range [...]*match.Matcher{s.part, s.filter} {
		if m == nil {
			continue
		}
		switch got := m.Match(r); {
		case got == match.None, res != match.Whole && got != match.Whole && got != res:
			return match.None
		case got != match.Whole:
			res = got
		}
	}
	return res
}

// isAll reports whether nothing but marks and the default types is left out.
func (s *selection) isAll() bool {
	return s.part == nil && s.filter == nil && s.mask&changelog.DefaultMask == changelog.DefaultMask
}
