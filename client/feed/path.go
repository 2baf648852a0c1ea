// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"encoding/json"
	"unicode/utf8"
)

// Path is a path of any bytes. In JSON it is what MarshalPath makes of it.
type Path string

// MarshalJSON makes JSON of a path.
func (p Path) MarshalJSON() ([]byte, error) { return MarshalPath(string(p)) }

// UnmarshalJSON reads what MarshalJSON makes.
func (p *Path) UnmarshalJSON(b []byte) error {
	path, err := UnmarshalPath(b)
	*p = Path(path)
	return err
}

// MarshalPath makes JSON of a path: a string, or for one that is no UTF-8 an object
// with the member b64.
func MarshalPath(path string) ([]byte, error) {
	if utf8.ValidString(path) {
		return json.Marshal(path)
	}
	return json.Marshal(pathBytes{[]byte(path)})
}

// UnmarshalPath is the reverse of MarshalPath.
func UnmarshalPath(b []byte) (string, error) {
	if len(b) > 0 && b[0] == '{' {
		var p pathBytes
		err := json.Unmarshal(b, &p)
		return string(p.B64), err
	}
	var p string
	err := json.Unmarshal(b, &p)
	return p, err
}

type pathBytes struct {
	B64 []byte `json:"b64"`
}
