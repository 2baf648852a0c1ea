// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/feed/journal"
)

// Access makes viewers of what users may see.
type Access interface {
	// View begins to check for a user.
	View(Caller, Scene) (Viewer, error)
	// Reach reports why a user cannot come to a directory, nil if he can.
	Reach(c Caller, dir string) error
}

// Scene is what a viewer looks at: a file system, and what its journal says exists.
type Scene struct {
	Source journal.UUID
	Dir    string // where it is mounted, or was last
	Index  Index
}

// Index knows the names and types of objects; a journal does.
type Index interface {
	Object(f changelog.FID, o *journal.Object) (found bool, err error)
	Links(f changelog.FID, yield func(parent changelog.FID, name []byte) bool) error
}

// Viewer checks what one user may see. One goroutine uses it.
type Viewer interface {
	// Show reports whether a record may be shown, and takes out of it what may not. It is
	// to be asked about every record of the journal in turn: some end what it knew.
	Show(*changelog.Record) bool
	// Paths returns those names of an object, from the root of the source, that may be
	// shown.
	Paths(changelog.FID) ([]string, error)
	// Close ends it.
	Close()
}

// Space tells of the disk that the store is on.
type Space interface {
	// Free is how many bytes are left for unprivileged users.
	Free() (uint64, error)
}
