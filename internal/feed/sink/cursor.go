// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sink

import (
	"time"

	"github.com/weir-io/weir/changelog"
)

// State says what the tables are worth.
type State string

// States of the tables.
const (
	StateNew  State = "new"  // the source was never scanned to the end
	StateGap  State = "gap"  // records are missing; a scan is needed
	StateScan State = "scan" // the source is being scanned
	StateOK   State = "ok"
)

// Cursor is how far the tables are: the row of weir_cursor. Whoever commits has
// it move on from what it was, so that two sinks never write the same tables.
type Cursor struct {
	Feed    string        // id of the feed
	Source  string        // UUID of the file system
	Top     changelog.FID // directory that the tree begins with; zero: no tree was scanned
	Through uint64        // last index whose effects the tables have
	State   State
	Scan    int64 // number of the last scan
	Updated int64 // nanoseconds since 1970
}

// next is the cursor behind an index.
func (c Cursor) next(through uint64) Cursor {
	c.Through = max(c.Through, through)
	c.Updated = time.Now().UnixNano()
	return c
}
