// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/weir-io/weir/changelog"
)

// tellEvery is after how many keys progress is told, and ctx looked at.
const tellEvery = 1 << 14

// Check reads everything that the journal holds, as it is at one moment, and tells
// the first fault, which is a CorruptError: a record that is missing, too many or not
// good to Options.Verify, sizes that do not add up, a name without its link or the
// reverse, a link to no object, a directory with two names, an object that is not
// good to Options.VerifyObject, a feed that has cancelled what was never given.
// progress gets the number of keys read; it may be nil.
func (s *source) Check(ctx context.Context, progress func(done int64)) error {
	if err := s.d.users.enter(); err != nil {
		return err
	}
	defer s.d.users.exit()
	snapshot := s.d.db.NewSnapshot()
	defer snapshot.Close()
	c := &checker{ctx: ctx, s: s, r: snapshot, progress: progress}
	if err := c.load(); err != nil {
		return err
	}
	for _, step := range []func() error{c.records, c.names, c.objects, c.feeds} {
		if err := step(); err != nil {
			return err
		}
	}
	c.tell()
	return nil
}

// checker is one run of Check.
type checker struct {
	ctx      context.Context // of the one call that the checker lives for
	s        *source
	r        pebble.Reader
	progress func(int64)
	done     int64

	state state
	first uint64
}

func (c *checker) fault(key []byte, format string, args ...any) error {
	return &CorruptError{Path: c.s.d.dir, Key: keyText(key), Err: fmt.Errorf("journal %s: "+format, append([]any{c.s.uuid}, args...)...)}
}

func (c *checker) tell() {
	if c.progress != nil {
		c.progress(c.done)
	}
}

// scan calls f with each key that begins with prefix.
func (c *checker) scan(prefix []byte, f func(key, value []byte) error) error {
	return c.s.d.scanRange(c.r, prefix, after(prefix), func(key, value []byte) error {
		if c.done++; c.done%tellEvery == 0 {
			if err := c.ctx.Err(); err != nil {
				return err
			}
			c.tell()
		}
		return f(key, value)
	})
}

// load reads the state as it was when the check began.
func (c *checker) load() error {
	v, err := c.s.d.getOf(c.r, appendMetaOf(nil, metaState, c.s.number))
	if err != nil {
		return err
	}
	if len(v) == stateLen {
		c.state = stateOf(v)
	}
	v, err = c.s.d.getOf(c.r, appendMetaOf(nil, metaFirst, c.s.number))
	if err != nil {
		return err
	}
	c.first = 1
	if len(v) == 8 {
		c.first = binary.BigEndian.Uint64(v)
	}
	return nil
}

// records reads all records and adds up their bytes from one mark to the next.
func (c *checker) records() error {
	marks := make(map[uint64]uint64)
	err := c.scan(appendPrefix(nil, keyBytes, c.s.number), func(key, value []byte) error {
		if len(key) != recordLen || len(value) != 8 {
			return c.fault(key, "a count of %d bytes, want 8", len(value))
		}
		marks[binary.BigEndian.Uint64(key[prefixLen:])] = binary.BigEndian.Uint64(value)
		return nil
	})
	if err != nil {
		return err
	}
	next, sum, known := c.first, uint64(0), c.first == 1
	agrees := func(key []byte, want uint64) error {
		if known && sum != want {
			return c.fault(key, "records before %d are %d bytes, %d are said", next, sum, want)
		}
		sum, known = want, true
		return nil
	}
	err = c.scan(appendPrefix(nil, keyRecord, c.s.number), func(key, value []byte) error {
		if got := indexOf(key); got != next || got > c.state.last {
			return c.fault(key, "record %d, want %d of %d to %d", got, next, c.first, c.state.last)
		}
		if want, ok := marks[next]; ok {
			if err := agrees(key, want); err != nil {
				return err
			}
		}
		if verify := c.s.d.opts.Verify; verify != nil {
			if err := verify(next, value); err != nil {
				return c.fault(key, "record %d: %w", next, err)
			}
		}
		sum += uint64(len(value))
		next++
		return nil
	})
	if err != nil {
		return err
	}
	if next != c.state.last+1 {
		return c.fault(appendIndexed(nil, keyRecord, c.s.number, next), "no record %d, the last is %d", next, c.state.last)
	}
	return agrees(appendMetaOf(nil, metaState, c.s.number), c.state.bytes)
}

// names looks whether names and links are the same.
func (c *checker) names() error {
	names, links := 0, 0
	err := c.scan(appendPrefix(nil, keyDirent, c.s.number), func(key, value []byte) error {
		if len(key) < objectLen || len(value) != fidLen {
			return c.fault(key, "a name of %d bytes stands for %d bytes, want %d", len(key), len(value), fidLen)
		}
		names++
		return nil
	})
	if err != nil {
		return err
	}
	err = c.scan(appendPrefix(nil, keyLink, c.s.number), func(key, _ []byte) error {
		if len(key) < objectLen+fidLen {
			return c.fault(key, "a link of %d bytes", len(key))
		}
		links++
		f := fidOf(key[prefixLen:])
		name := appendDirent(nil, c.s.number, fidOf(key[objectLen:]), key[objectLen+fidLen:])
		v, err := c.s.d.getOf(c.r, name)
		if err != nil {
			return err
		}
		if !bytes.Equal(v, appendFID(nil, f)) {
			return c.fault(key, "a link to %x, whose name stands for %x", appendFID(nil, f), v)
		}
		return nil
	})
	if err != nil || names == links {
		return err
	}
	// Every link has its name, so there are names without a link.
	return c.scan(appendPrefix(nil, keyDirent, c.s.number), func(key, value []byte) error {
		link := appendLink(nil, c.s.number, fidOf(value), fidOf(key[prefixLen:]), key[objectLen:])
		_, closer, err := c.r.Get(link)
		if err != nil {
			return c.fault(key, "a name without its link to %x", value)
		}
		return closer.Close()
	})
}

// objects goes through objects and links side by side, for both are in the order of
// objects.
func (c *checker) objects() error {
	prefix := appendPrefix(nil, keyLink, c.s.number)
	links, err := c.r.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: after(prefix)})
	if err != nil {
		return readFault(c.s.d.dir, prefix, err)
	}
	defer links.Close()
	links.First()
	err = c.scan(appendPrefix(nil, keyObject, c.s.number), func(key, value []byte) error {
		var o Object
		f, err := objectOf(key, value, &o)
		if err != nil {
			return c.fault(key, "%w", err)
		}
		names := uint64(0)
		for ; links.Valid(); links.Next() {
			order := bytes.Compare(links.Key()[prefixLen:objectLen], key[prefixLen:])
			if order < 0 {
				return c.fault(links.Key(), "a link to no object")
			}
			if order > 0 {
				break
			}
			names++
		}
		return c.object(key, f, &o, names)
	})
	switch {
	case err != nil:
		return err
	case links.Valid():
		return c.fault(links.Key(), "a link to no object")
	}
	return readFault(c.s.d.dir, prefix, links.Error())
}

func (c *checker) object(key []byte, f changelog.FID, o *Object, names uint64) error {
	if o.Type == syscall.S_IFDIR && names > 1 {
		return c.fault(key, "a directory with %d names", names)
	}
	if verify := c.s.d.opts.VerifyObject; verify != nil {
		if err := verify(f, o, names); err != nil {
			return c.fault(key, "%w", err)
		}
	}
	return nil
}

func (c *checker) feeds() error {
	return c.scan([]byte{keyFeed}, func(key, value []byte) error {
		f, err := feedOf(key, value)
		if err != nil {
			return c.fault(key, "%w", err)
		}
		if f.Source == c.s.uuid && f.Cancelled > c.state.last {
			return c.fault(key, "feed %d has cancelled %d, and %d is the last", f.ID, f.Cancelled, c.state.last)
		}
		return nil
	})
}
