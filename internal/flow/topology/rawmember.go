// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package topology

import "encoding/json"

// rawMember is a member of a JSON object. Hubs read hundreds of thousands of objects
// when they start: nothing is copied.
type rawMember struct {
	name  []byte // without escapes
	value json.RawMessage
}

// splitObject returns the members of a JSON object, which is valid.
func splitObject(data []byte) []rawMember {
	members := make([]rawMember, 0, 16)
	i := skipSpace(data, 1)
	for data[i] != '}' {
		end := stringEnd(data, i)
		name := data[i+1 : end-1]
		for _, c := range name {
			if c == '\\' {
				text, _ := unquote(data[i:end])
				name = []byte(text)
				break
			}
		}
		i = skipSpace(data, skipSpace(data, end)+1) // over the colon
		end = valueEnd(data, i)
		members = append(members, rawMember{name, data[i:end:end]})
		if i = skipSpace(data, end); data[i] == ',' {
			i = skipSpace(data, i+1)
		}
	}
	return members
}

func skipSpace(data []byte, i int) int {
	for data[i] == ' ' || data[i] == '\t' || data[i] == '\n' || data[i] == '\r' {
		i++
	}
	return i
}

// stringEnd returns where the string that begins at i has ended.
func stringEnd(data []byte, i int) int {
	for i++; data[i] != '"'; i++ {
		if data[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// valueEnd returns where the value that begins at i has ended.
func valueEnd(data []byte, i int) int {
	depth := 0
	for ; ; i++ {
		switch data[i] {
		case '"':
			i = stringEnd(data, i) - 1
			if depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			depth--
			if depth == 0 {
				return i + 1
			}
			if depth < 0 { // of what the value is in
				return i
			}
		case ',', ' ', '\t', '\n', '\r':
			if depth == 0 {
				return i
			}
		}
	}
}
