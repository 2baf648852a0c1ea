// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feed

import "github.com/weir-io/weir/changelog"

// Access makes viewers of what users may see.
type Access interface {
	// View begins to check for a user, on the file system mounted at a directory.
	View(c Caller, dir string) (Viewer, error)
}

// Viewer checks what one user may see. One goroutine uses it.
type Viewer interface {
	// Show reports whether a record may be shown, and blanks what may not be in it.
	Show(*changelog.Record) bool
	// Close ends it.
	Close()
}

// Space tells of the disk that the store is on.
type Space interface {
	// Free is how many bytes are left for unprivileged users.
	Free() (uint64, error)
}
