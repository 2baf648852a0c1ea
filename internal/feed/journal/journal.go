// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"context"

	"github.com/weir-io/weir/changelog"
)

// UUID names a source: the file system's own.
type UUID [16]byte

// Store holds the journals of one agent. One process has it open at a time. All
// methods are safe for concurrent use.
type Store interface {
	// Open returns the journal of a source, made anew where there is none yet.
	Open(UUID) (Journal, error)
	// Sources lists those that have a journal.
	Sources() ([]UUID, error)
	// Feeds lists the feeds of all journals, by ID.
	Feeds() ([]Feed, error)
	// NextFeed hands out an ID that was never handed out before, durably.
	NextFeed() (uint32, error)
	// PutFeed sets a feed's state, durably when it returns.
	PutFeed(context.Context, Feed) error
	// DeleteFeed forgets a feed.
	DeleteFeed(context.Context, uint32) error
	// Remove deletes a journal with all that it holds.
	Remove(UUID) error
	// Bytes is what the store takes on disk.
	Bytes() int64
	// Failed is closed when nothing can be written any more; Close says why.
	Failed() <-chan struct{}
	Close() error
}

// Journal is the numbered records of one source, and what they say exists. One
// goroutine at a time may Apply; the others are free for all.
type Journal interface {
	// Apply commits a batch as a whole and durably. The indexes of its records must go
	// on where the journal ends.
	Apply(context.Context, *Batch) error
	// Bounds tells the first index kept and the last given; first is last+1 if nothing
	// is kept, and last 0 if nothing ever was.
	Bounds() (first, last uint64)
	// BytesFrom is about how many bytes the records from an index on are.
	BytesFrom(index uint64) int64
	// Read appends records from an index on to c until a limit of c is reached. It does
	// not wait. A record over the limit of bytes is given alone.
	Read(from uint64, c *Chunk) error
	// Changed returns the last index and a channel that is closed when there is another.
	Changed() (last uint64, changed <-chan struct{})
	// Trim deletes the records through an index.
	Trim(ctx context.Context, through uint64) error

	// Serial is that of the last batch that had one.
	Serial() uint64
	// Meta returns the value that a batch set, nil if none did.
	Meta(key string) ([]byte, error)

	// Object returns what is known of an object, into o.
	Object(f changelog.FID, o *Object) (found bool, err error)
	// ObjectsOf lets ask look up many objects, best in the order of FIDs. It gets nil for
	// those that are not known; what it gets is good until it asks again.
	ObjectsOf(ask func(lookUp func(changelog.FID) *Object)) error
	// Dirent returns the object that a name stands for.
	Dirent(parent changelog.FID, name []byte) (changelog.FID, bool, error)
	// Children calls yield with each name in a directory, in the order of bytes, until
	// it returns false. The name is good until yield returns.
	Children(parent changelog.FID, yield func(name []byte, f changelog.FID) bool) error
	// ChildrenAfter is Children for the names behind one, which need not be there.
	ChildrenAfter(parent changelog.FID, name []byte, yield func(name []byte, f changelog.FID) bool) error
	// Links calls yield with each name of an object.
	Links(f changelog.FID, yield func(parent changelog.FID, name []byte) bool) error
	// Objects calls yield with every object.
	Objects(yield func(f changelog.FID, o *Object) bool) error

	// Check reads everything and tells the first fault.
	Check(ctx context.Context, progress func(done int64)) error
}

// Chunk is a run of records as they are stored. Its memory is used again by the next
// read into it.
type Chunk struct {
	MaxRecords, MaxBytes int

	Data  []byte
	Ends  []int  // of each record, in Data
	First uint64 // index of the first record
	Next  uint64 // index to go on from
}

// Batch is what is committed at once. Its memory may be used again after Apply.
type Batch struct {
	data    []byte
	ends    []int
	first   uint64
	ops     []op
	bytes   []byte   // names and values of ops
	objects []Object // of ops

	// Serial of the buffer of events that the batch takes over; 0: none.
	Serial uint64
}

// Object is what the journal says of an object of the file system, as of the last
// record that named it.
type Object struct {
	Type         uint32 // S_IFMT part of the mode
	Mode         uint32 // the rest
	UID, GID     uint32
	Links        uint32
	RdevMajor    uint32
	RdevMinor    uint32
	Size, Blocks uint64
	Atime        int64 // nanoseconds
	Mtime, Ctime int64
	XattrHash    uint64
	Last         uint64 // index of the last record that named it
}

// Feed is a reader's place in a journal, and what it was promised.
type Feed struct {
	ID        uint32
	Source    UUID
	Cancelled uint64 // records through this one are not needed any more
	Document  []byte // the rest, in the form of whoever made the feed
}
