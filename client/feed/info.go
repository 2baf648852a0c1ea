// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"time"
)

// Info is what is known of a feed.
type Info struct {
	ID     string `json:"id"` // as in "cl1"
	Name   string `json:"name,omitempty"`
	Source string `json:"source"`         // UUID
	Dir    string `json:"dir,omitempty"`  // where the file system is, or was when the feed was created
	Part   string `json:"part,omitempty"` // of it, from its root; empty: all
	Kind   Kind   `json:"kind"`
	Mode   Mode   `json:"mode"`
	State  string `json:"state"` // active or aborted
	Owner  uint32 `json:"owner"`
	// SourceState is that of the source: active, absent (not mounted), stalled (its journal
	// cannot be written) or unwatched; Problem tells more, if there is more to tell.
	SourceState string `json:"source_state"`
	Problem     string `json:"problem,omitempty"`

	Mask   string          `json:"mask"`
	Filter json.RawMessage `json:"filter,omitempty"`

	First          uint64 `json:"first"`                  // first index not cancelled; 0: none
	Last           uint64 `json:"last"`                   // index of the journal
	Available      uint64 `json:"available"`              // that the next READ could give
	AvailableExact bool   `json:"available_exact"`        // false: those that a filter drops are among them
	AvailableMax   uint64 `json:"available_max,omitzero"` // Available, if that is not exact
	Bytes          int64  `json:"bytes"`                  // from First on, about
	Cancelled      uint64 `json:"cancelled"`              // through this index
	Asked          uint64 `json:"asked"`                  // what was cancelled behind this index had no record for the feed
	Delivered      uint64 `json:"delivered"`              // through this index
	Consumer       *Lease `json:"consumer,omitempty"`     // nil: nobody reads it

	Created    time.Time `json:"created"`
	LastRead   time.Time `json:"last_read,omitzero"`
	LastCancel time.Time `json:"last_cancel,omitzero"`

	AbortTimeout Seconds `json:"abort_timeout"`
	AbortSize    uint64  `json:"abort_size"`         // records behind; 0: never
	AbortBytes   uint64  `json:"abort_bytes"`        // bytes behind; 0: never
	AbortProduct uint64  `json:"abort_product"`      // seconds without a cancel times records behind; 0: never
	AbortIn      string  `json:"abort_in,omitempty"` // how far it is from being given up, as "719h59m0s or 99999000 records"
	Aborted      *Abort  `json:"aborted,omitempty"`  // nil: it was not given up
	Gaps         uint64  `json:"gaps"`
	LastGap      uint64  `json:"last_gap,omitempty"` // index
	Rate         float64 `json:"rate_1m"`            // records a second

	// Since the agent's start.
	Batches uint64 `json:"batches"` // reads that gave records
	Records uint64 `json:"records"` // that they gave
	Cancels uint64 `json:"cancels"`
	Aborts  uint64 `json:"aborts"`
}

// Place is the directory whose changes the feed has.
func (i *Info) Place() string {
	if i.Dir == "" {
		return ""
	}
	return filepath.Join(i.Dir, i.Part)
}

// Lease tells who reads a feed.
type Lease struct {
	PID   int       `json:"pid,omitempty"`
	UID   uint32    `json:"uid"`
	Since time.Time `json:"since"`
	Held  uint64    `json:"held"` // records delivered and not cancelled
}

// String names the reader: its process is not known where it comes over TCP.
func (l *Lease) String() string {
	if l.PID == 0 {
		return fmt.Sprintf("a client of user %d", l.UID)
	}
	return fmt.Sprintf("process %d of user %d", l.PID, l.UID)
}

// Abort tells why a feed was given up, and what it lost.
type Abort struct {
	Reason string    `json:"reason"`
	First  uint64    `json:"first"`
	Last   uint64    `json:"last"`
	Since  time.Time `json:"since"`
}
