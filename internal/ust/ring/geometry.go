// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// Limits of what is made.
const (
	MinSubbufBytes = 4096
	MaxSubbufBytes = 1 << 30
	MaxSubbufs     = 1 << 20
	MaxRingBytes   = 1 << 32
	MaxStreams     = 4096
)

// HeaderLen is how much of a sub-buffer is the packet's header and context.
const HeaderLen = 84

// Geometry is what the memory of a ring is divided into.
type Geometry struct {
	SubbufBytes uint64 // a power of two
	Subbufs     uint64 // a power of two
	Overwrite   bool   // the oldest events go when there is no room, else the newest
}

// Check tells what cannot be.
func (g Geometry) Check() error {
	switch {
	case g.SubbufBytes < MinSubbufBytes || g.SubbufBytes > MaxSubbufBytes || bits.OnesCount64(g.SubbufBytes) != 1:
		return fmt.Errorf("ring: sub-buffers of %d bytes, want a power of two from %d to %d", g.SubbufBytes, MinSubbufBytes, MaxSubbufBytes)
	case g.Subbufs < g.leastSubbufs() || g.Subbufs > MaxSubbufs || bits.OnesCount64(g.Subbufs) != 1:
		return fmt.Errorf("ring: %d sub-buffers, want a power of two from %d to %d", g.Subbufs, g.leastSubbufs(), MaxSubbufs)
	case g.Subbufs*g.SubbufBytes > MaxRingBytes:
		return fmt.Errorf("ring of %d bytes, want at most %d", g.Subbufs*g.SubbufBytes, uint64(MaxRingBytes))
	}
	return nil
}

// leastSubbufs is how few sub-buffers a ring may have. One is written until the reader ends it,
// and no further; where writers overwrite, the reader would never have a whole one.
func (g Geometry) leastSubbufs() uint64 {
	if g.Overwrite {
		return 2
	}
	return 1
}

// Bytes is the size of the ring.
func (g Geometry) Bytes() uint64 { return g.SubbufBytes * g.Subbufs }

// pages is the number of sub-buffers in memory: one more for the reader where writers
// overwrite.
func (g Geometry) pages() uint64 {
	if g.Overwrite {
		return g.Subbufs + 1
	}
	return g.Subbufs
}

func (g Geometry) order() uint { return uint(bits.TrailingZeros64(g.Subbufs)) }

// mask is what commit counters are compared by.
func (g Geometry) mask() uint64 { return ^uint64(0) >> g.order() }

// Offsets of a stream object. Those of arrays are in Layout.
const (
	WriteOffset    = 128 // u64
	CommitHotRef   = 136
	ConsumedOffset = 152 // u64
	RecordDisabled = 160 // i32
	LastTime       = 168 // u64
	WriteTableRef  = 176 // begin of the back end
	ReadID         = 192 // u64
	CountsRef      = 200
	PagesRef       = 216
	MemoryRef      = 232
	ChannelRef     = 248
	CPUOffset      = 264 // i32
	AllocatedBit   = 280 // bit 0
	CommitColdRef  = 352
	TimeEndRef     = 368
	ActiveReaders  = 384 // u64
	LostFull       = 392 // u64
	LostWrap       = 400 // u64
	LostBig        = 408 // u64
	Finalized      = 432 // i32
	SelfRef        = 472

	streamHeadLen = 640
	counterLen    = 128 // of commit_hot and commit_cold
	SequenceAt    = 8   // of the sequence in commit_hot
	refLen        = 16
	pageLen       = 64
	PageDataSize  = 24 // in a page's description
	pageMemory    = 32
	memoryAlign   = 4096
)

// Layout is where the arrays of a stream object are.
type Layout struct {
	Hot, Cold, TimeEnds, PageRefs, Memory, Pages, WriteTable, Counts uint64
	Size                                                             uint64
}

// Layout places the arrays.
func (g Geometry) Layout() (l Layout) {
	at := uint64(streamHeadLen)
	place := func(n, align uint64) uint64 {
		at = (at + align - 1) &^ (align - 1)
		begin := at
		at += n
		return begin
	}
	l.Hot = place(counterLen*g.Subbufs, counterLen)
	l.Cold = place(counterLen*g.Subbufs, counterLen)
	l.TimeEnds = place(8*g.Subbufs, 8)
	l.PageRefs = place(refLen*g.pages(), refLen)
	l.Memory = place(g.SubbufBytes*g.pages(), memoryAlign)
	l.Pages = place(pageLen*g.pages(), pageLen)
	l.WriteTable = place(8*g.Subbufs, 8)
	l.Counts = place(8*g.Subbufs, 8)
	l.Size = place(0, memoryAlign)
	return l
}

// Parts of sub-buffers' ids where writers overwrite: which page, that no writer refers
// to it, and which turn through the ring it is of.
const (
	idIndex   = 1<<32 - 1
	IDNoRef   = 1 << 32
	idRoundAt = 33
)

func id(turn, page uint64) uint64 { return turn<<idRoundAt | IDNoRef | page }

var le = binary.LittleEndian

// Stream makes the object of a stream: all of it but what is zero is set. The memory
// has Layout().Size bytes.
func (g Geometry) Stream(b []byte, head Header, cpu uint32) {
	l, self := g.Layout(), uint64(cpu)+1
	ref := func(at, to uint64) {
		le.PutUint64(b[at:], self)
		le.PutUint64(b[at+8:], to)
	}
	ref(CommitHotRef, l.Hot)
	ref(WriteTableRef, l.WriteTable)
	ref(CountsRef, l.Counts)
	ref(PagesRef, l.PageRefs)
	ref(MemoryRef, l.Memory)
	ref(CommitColdRef, l.Cold)
	ref(TimeEndRef, l.TimeEnds)
	ref(SelfRef, 0)
	le.PutUint32(b[CPUOffset:], cpu)
	b[AllocatedBit] = 1
	le.PutUint64(b[ActiveReaders:], 1)
	le.PutUint64(b[WriteOffset:], HeaderLen)
	le.PutUint64(b[l.Hot:], HeaderLen)
	le.PutUint64(b[l.Hot+SequenceAt:], HeaderLen)
	for i := range g.pages() {
		page := l.Pages + i*pageLen
		ref(l.PageRefs+i*refLen, page)
		le.PutUint64(b[page:], i*g.SubbufBytes)
		ref(page+pageMemory, l.Memory+i*g.SubbufBytes)
	}
	for i := range g.Subbufs {
		v := i
		if g.Overwrite {
			v = id(0, i)
		}
		le.PutUint64(b[l.WriteTable+8*i:], v)
	}
	if g.Overwrite {
		le.PutUint64(b[ReadID:], id(0, g.Subbufs))
		// The first sub-buffer is being written.
		le.PutUint64(b[l.WriteTable:], 0)
	}
	head.CPU = cpu
	head.put(b[l.Memory:])
}
