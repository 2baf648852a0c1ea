// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package capture turns what the kernel tells of a file system into the records of
// its journal.
//
//	Source   one file system: its group of notices, its journal, its state
//	index    what the journal says exists: names and objects
//	quiet    names to be looked up once nothing happens to them
//	scan     comparison of the index with the disk
//
// # Facts and truth
//
// An event says what was touched. The kernel folds events, so that the order of what
// it tells of one name is not always the order of what happened; what is true in the
// end is looked up, after a name has been left alone for a while. Replaying the
// records of a journal gives the names and objects that the file system has.
//
// # Nothing is lost
//
// Events are read into memory that outlives the process (see package holder), ahead of
// what is taken over. A batch of records is committed together with the changes of the
// index and the serial of the slot of that memory that they come from, so that after a
// crash each slot is taken over exactly once. Where events were or may have been lost, a MARK gap stands in the journal and
// the disk is compared with the index.
//
// # Concurrency
//
// One goroutine, Run, owns group, index and batch. The methods of Source that others
// call hand it their requests, which it serves between batches.
package capture
