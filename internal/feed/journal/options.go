// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"log/slog"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/weir-io/weir/changelog"
)

// Options of a store. The zero value is what an agent uses, but for the log.
type Options struct {
	// FS is where the database is; nil is the operating system's.
	FS vfs.FS
	// Log gets what becomes of the store; nil: nobody.
	Log *slog.Logger
	// CacheBytes is how much of the files is kept in memory, and of what will be files.
	CacheBytes int64 // 0: 64 MiB
	// MemTableBytes is how much is collected in memory before it is sorted into files.
	// Up to three times that is held while it is, out of CacheBytes.
	MemTableBytes int // 0: 16 MiB
	// CacheEntries is how many objects, and how many names, are kept decoded.
	CacheEntries int // 0: 32,768
	// ReserveBytes is how much of the file system batches leave free, so that there is
	// room for trimming. An eighth of the file system at most.
	ReserveBytes int64 // 0: 64 MiB; less: nothing

	// Verify tells what is wrong with the bytes of a record; nil: Check and Repair take
	// any bytes for good.
	Verify func(index uint64, record []byte) error
	// VerifyObject tells what is wrong with an object that has so many names.
	VerifyObject func(f changelog.FID, o *Object, names uint64) error

	// salvage opens what is damaged as far as it can be read, and changes nothing.
	salvage bool
}

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = 64 << 20
	}
	if o.MemTableBytes == 0 {
		o.MemTableBytes = 16 << 20
	}
	if o.CacheEntries == 0 {
		o.CacheEntries = 32 << 10
	}
	if o.ReserveBytes == 0 {
		o.ReserveBytes = 64 << 20
	}
	return o
}

// apart has records lie in files of their own. They are written once and in order, so
// that such files are moved to lower levels as they are, while those of the index are
// merged again and again.
func apart(start []byte) (policy pebble.SpanPolicy, end []byte, err error) {
	switch kind := start[0]; {
	case kind < keyRecord:
		return policy, []byte{keyRecord}, nil
	case kind == keyRecord:
		return policy, []byte{keyRecord + 1}, nil
	}
	return policy, nil, nil
}

// pebble makes the database's options. The format is named, so that a newer library
// does not write what an older weir cannot read.
func (o Options) pebble(d *disk, cache *pebble.Cache) *pebble.Options {
	p := &pebble.Options{
		ReadOnly:                    o.salvage,
		DisableConsistencyCheck:     o.salvage, // tables that are cut or missing cannot be read; the others can
		Cache:                       cache,
		FS:                          d,
		Logger:                      logger{d.log, d},
		EventListener:               d.listener(),
		FormatMajorVersion:          pebble.FormatTableFormatV6,
		MemTableSize:                uint64(o.MemTableBytes),
		MemTableStopWritesThreshold: 3,
		L0CompactionThreshold:       8,
		L0StopWritesThreshold:       64,
		LBaseMaxBytes:               64 << 20,
		FlushDelayDeleteRange:       trimDelay,
		MaxOpenFiles:                256,
	}
	for i := range p.Levels {
		p.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		p.Levels[i].BlockSize = 8 << 10
		p.Levels[i].IndexBlockSize = 64 << 10
	}
	p.Experimental.SpanPolicyFunc = apart
	p.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionFastest })
	return p
}
