// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package changelog turns records of file-system changes into bytes and texts and
// back. It does no I/O and keeps no state.
//
//	native   Lustre's changelog_rec with blocks of weir's own behind it: on disk and on the wire
//	lustre   the same without these blocks: what parsers of Lustre's changelogs read
//	json     one object a record
//	text     one line a record, as "lfs changelog" prints it
//
// A record names objects by FID, which on the file systems that weir watches is
// the file handle in another order.
package changelog
