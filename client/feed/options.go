// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"encoding/json"
	"time"
)

// CreateOptions say what a new feed is like. Zero values stand for the defaults of the
// agent.
type CreateOptions struct {
	Name   string          `json:"name,omitempty"`   // a letter, then letters, digits, - and _; 63 at most
	Source string          `json:"source"`           // directory or UUID of a file system
	Kind   Kind            `json:"kind,omitempty"`   // default: the only one that there is here
	Mode   Mode            `json:"mode,omitempty"`   // default: ModeOneshot
	Start  string          `json:"start,omitempty"`  // "now", "oldest" or an index; default: now
	Mask   string          `json:"mask,omitempty"`   // see changelog.ParseMask
	Filter json.RawMessage `json:"filter,omitempty"` // see docs/protocol/feed.md
	Owner  *uint32         `json:"owner,omitempty"`  // user who may read it; default: who creates it
	Index  string          `json:"index,omitempty"`  // of the source: "full" or "dirs"; default: full

	Restricted   bool     `json:"restricted,omitempty"` // show what its owner could see by himself
	AbortTimeout *Seconds `json:"abort_timeout,omitempty"`
	AbortSize    *uint64  `json:"abort_size,omitempty"`  // records; 0: never
	AbortBytes   *uint64  `json:"abort_bytes,omitempty"` // 0: never
	// AbortProduct bounds seconds without a cancel times records; 0: never, the default.
	AbortProduct *uint64 `json:"abort_product,omitempty"`
	ExpandMoves  *bool   `json:"expand_moves,omitempty"`
}

// Kind says how long a feed lives.
type Kind string

// Kinds of feeds.
const (
	KindPersistent Kind = "persistent" // until it is destroyed; Create makes them
	KindTransient  Kind = "transient"  // as long as its consumer; Tail makes them
)

// Mode says what cancels records.
type Mode string

// Modes of feeds.
const (
	ModeOneshot  Mode = "oneshot"  // the next Read cancels the batch before
	ModeExplicit Mode = "explicit" // only Cancel does
)

// Seconds is a duration that JSON has in seconds.
type Seconds time.Duration

// MarshalJSON writes the number of seconds.
func (s Seconds) MarshalJSON() ([]byte, error) {
	return json.Marshal(time.Duration(s).Seconds())
}

// UnmarshalJSON reads a number of seconds.
func (s *Seconds) UnmarshalJSON(b []byte) error {
	var n float64
	if err := json.Unmarshal(b, &n); err != nil {
		return err
	}
	*s = Seconds(n * float64(time.Second))
	return nil
}

// ReadOptions bound a read. Zero values stand for the defaults.
type ReadOptions struct {
	MaxRecords int           // 1 to 65536; default: 1000
	MaxBytes   int           // 4 KiB to 16 MiB; default: 1 MiB
	Wait       time.Duration // for the first record; 0: do not wait; negative: for ever
	Linger     time.Duration // for more after the first; 1 s at most
	Keep       bool          // do not cancel the batch before
}
