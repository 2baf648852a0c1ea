// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package tracefs is the door to the files of the kernel's tracefs: where it is
// mounted, what this kernel can do, which events it has, trace instances of
// one's own and their rings, and probes.
//
// It moves bytes and knows names. What stands in a format file or in a page of
// a ring is for package ftrace to read.
//
// # Other people's tracing
//
// tracefs belongs to the whole machine, so the package writes in two places
// only: below instances/NAME, and at the end of the three lists of dynamic
// events (dynamic_events, uprobe_events, kprobe_events), where it adds and
// removes what is in a group that begins with ProbeGroupPrefix. The lists are
// never opened with O_TRUNC: that removes everybody's definitions. All files
// are opened relative to a handle of the mount, by names that are checked: a
// name that contains a slash or is "..", from a command line or a peer, is a
// NameError and reaches no file.
//
// # Concurrency
//
// An FS and an Instance may be used from several goroutines at once; Close
// comes after everything else. A Ring belongs to one goroutine.
package tracefs
