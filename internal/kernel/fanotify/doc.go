// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package fanotify is the door to the kernel's notices of file-system changes: a
// group that watches whole file systems, the events that are read from it, and
// the file handles that events name objects by.
//
//	Group    a notification group; one mark a file system
//	Event    one notice, decoded from a buffer without copying
//	Handle   names an object of a file system for as long as it exists
//	Root     an open file system: handles to descriptors and back
//	Mounts   what is mounted where, and word of changes
//
// An event says what was touched, not what is true now: the kernel folds events of
// the same process, object and name into the first of them, whatever came between.
package fanotify
