// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package fssource

import (
	"context"
	"time"

	"github.com/weir-io/weir/changelog"
)

// Feeds watches file systems. Its methods may be called from several goroutines.
type Feeds interface {
	// Watched lists where the file systems are mounted that are watched now. It fails while
	// none can be.
	Watched() ([]string, error)
	// Open opens a feed for a user: what changes at or below a directory from now on,
	// of some types of records.
	Open(ctx context.Context, user uint32, dir string, types changelog.Mask) (Feed, error)
}

// Feed is what one reader gets. One goroutine uses it.
type Feed interface {
	// Read hands each record that there is to record, which must not keep it. It waits
	// for the first, and returns how many there were.
	Read(ctx context.Context, wait time.Duration, record func(*changelog.Record)) (n int, err error)
	// Forward leaves out what there is now.
	Forward() error
	Close() error
}
