// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"fmt"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/kernel/fanotify"
)

// kinds are the kinds of file systems as handles of FIDs know them.
var kinds = map[fanotify.Kind]changelog.FSKind{
	fanotify.Ext4: changelog.FSExt4, fanotify.XFS: changelog.FSXFS,
	fanotify.Btrfs: changelog.FSBtrfs, fanotify.Tmpfs: changelog.FSTmpfs,
}

// fidOf returns the FID of a handle.
func fidOf(h fanotify.Handle) (changelog.FID, error) {
	f, ok := changelog.FIDOfHandle(h.Type, h.Bytes)
	if !ok {
		return f, fmt.Errorf("file handle %v: of a kind that has no FID", h)
	}
	return f, nil
}
