// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package sink keeps the tree of a source, and what happened to it, in a database that
// a feed drives: SQLite or PostgreSQL.
//
// # Exactly once
//
// The effects of a batch and the index that it goes through are written in one
// transaction. Only when that is durable is the feed cancelled. A batch that is
// delivered again, because the process died in between, is known by its indexes and
// skipped.
//
// # The tree
//
// At first, and after a gap that no record tells of, the source is scanned by file
// handles, directory by directory; rows that the scan and later records do not name are
// swept away. Records that were made before the scan looked come after it and do no
// harm: a name stands for what the last record says, and where no record names it, for
// what the scan saw. A directory that comes from where nothing is known of it is
// scanned, too. What records do not carry, such as the times of a directory that a name
// was made in, is looked up once for each batch.
//
// # Concurrency
//
// One goroutine uses a Sink.
//
//	Sink      a feed, a source and a database
//	delta     what a batch comes to: one operation for each name and each object
//	Tree      looks at the source by handles
//	database  SQLite or PostgreSQL
//	Query     useful questions
package sink
