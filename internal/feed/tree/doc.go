// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package tree follows changes below a directory without an agent, for any user and on
// any file system, by inotify. It is the poor relation of package capture:
//
//   - each directory takes a watch, of which a user has fs.inotify.max_user_watches
//   - directories that the user may not list are not followed, nor are other mounts
//   - what is made in a directory before it is watched is found by listing, and told
//     with flag SYNTH; what was made and removed meanwhile is not told
//   - nobody knows who did it; the object of a record has no FID, and its attributes are
//     those that it has when the event is read
//   - a change of attributes is told as SATTR, whichever it was; TRUNC is told as MTIME,
//     XATTR, CTIME and NOPEN are not told, nor is what was the victim of a rename
//   - nothing is kept: what the kernel's queue does not hold is lost, which is told by a
//     MARK gap, behind which the tree is compared with what was known
package tree
