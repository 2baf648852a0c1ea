// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package archive is the hub's store of flow traces: what agents have recorded of
// traced packets, by trace request and flow.
//
// It is a file of bbolt. Records that come together, or while others are written, are
// in it with one sync before they are acknowledged; a record that comes twice is there
// once. A disk that is full is an error of who writes, and of nobody else.
//
// # Retention
//
// Run deletes flows that are older than the archive keeps them. A request that has more
// flows than it may loses its oldest when others come, and so does the archive when all
// flows together are larger than it may be; a request counts those that it has lost. Of a
// flow that has more events than it may the first stay, and its result; it counts the
// others.
package archive
