// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tsdl

import "slices"

// nameSet finds names that come twice; small ones need no map.
type nameSet struct {
	few  []string
	many map[string]bool
}

const fewNames = 16

// add reports false when the name is in the set.
func (s *nameSet) add(name string) bool {
	if s.many != nil {
		if s.many[name] {
			return false
		}
		s.many[name] = true
		return true
	}
	if slices.Contains(s.few, name) {
		return false
	}
	s.few = append(s.few, name)
	if len(s.few) > fewNames {
		s.many = make(map[string]bool, 2*fewNames)
		for _, n := range s.few {
			s.many[n] = true
		}
	}
	return true
}
