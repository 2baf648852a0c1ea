// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package match

// globList is a list of patterns, of which the last that fits decides.
type globList []globItem

type globItem struct {
	*glob
	exclude bool
}

// pass reports whether the list lets a text through. Texts that fit no pattern pass a
// list that begins with an exclusion; nil, which is no text, fits none.
func (l globList) pass(text []byte) bool {
	if len(l) == 0 {
		return true
	}
	if text != nil {
		for i := len(l) - 1; i >= 0; i-- {
			if l[i].match(text) {
				return !l[i].exclude
			}
		}
	}
	return l[0].exclude
}
