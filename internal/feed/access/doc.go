// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package access decides what of a file system's changes a user may see: nothing that
// stat and ls, run by that user, would not show.
//
//	Access   makes viewers
//	viewer   shows records to one user, or hides them or parts of them
//	subject  a thread that has the user's rights, and no others, for ever
//
// The kernel decides. A directory is opened from the root of the file system by the
// names that the journal has for it, with the user's rights, never by its handle: that
// would not look at the directories above it. What was opened must be the object that
// the record names, or another one that has its name now would answer for it. An
// unknown answer, or none, hides.
//
// The agent's own view of mounts counts: a user in another mount namespace may be shown
// what the namespace hides from him.
package access
