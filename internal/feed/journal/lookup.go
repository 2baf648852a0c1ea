// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/weir-io/weir/changelog"
)

// Limits of a chunk that sets none.
const (
	defaultRecords = 1000
	defaultBytes   = 1 << 20
)

// keys lends memory for keys, which would be allocated for each look-up otherwise.
type keys struct{ pool sync.Pool }

func (k *keys) get() *[]byte {
	if b, ok := k.pool.Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, 0, objectLen+fidLen+256)
	return &b
}

func (k *keys) put(b *[]byte) { k.pool.Put(b) }

// Object returns what is known of an object, into o.
func (s *source) Object(f changelog.FID, o *Object) (bool, error) {
	if s.lacksObject(f) {
		return false, nil
	}
	found, gen := s.d.index.object(s.number, f, o)
	if found {
		return true, nil
	}
	found, err := s.lookUp(func(k []byte) []byte { return appendObject(k, keyObject, s.number, f) }, o.parse)
	if found {
		s.d.index.putObject(s.number, f, o, gen)
	}
	return found, err
}

// Dirent returns the object that a name stands for.
func (s *source) Dirent(parent changelog.FID, name []byte) (changelog.FID, bool, error) {
	if s.lacksDirent(parent, name) {
		return changelog.FID{}, false, nil
	}
	f, found, gen := s.d.index.dirent(s.number, parent, name)
	if found {
		return f, true, nil
	}
	found, err := s.lookUp(
		func(k []byte) []byte { return appendDirent(k, s.number, parent, name) },
		func(v []byte) error {
			if len(v) != fidLen {
				return fmt.Errorf("%d bytes for an object, want %d", len(v), fidLen)
			}
			f = fidOf(v)
			return nil
		})
	if found {
		s.d.index.putDirent(s.number, parent, name, f, gen)
	}
	return f, found, err
}

// lookUp hands the value of a key to parse.
func (s *source) lookUp(key func([]byte) []byte, parse func([]byte) error) (found bool, err error) {
	if err := s.d.users.enter(); err != nil {
		return false, err
	}
	defer s.d.users.exit()
	buf := s.d.keys.get()
	defer s.d.keys.put(buf)
	*buf = key((*buf)[:0])
	v, closer, err := s.d.db.Get(*buf)
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, readFault(s.d.dir, *buf, err)
	}
	defer closer.Close()
	if err := parse(v); err != nil {
		return false, &CorruptError{Path: s.d.dir, Key: keyText(*buf), Err: err}
	}
	return true, nil
}

// errEnough ends a scan.
var errEnough = errors.New("enough")

// each calls yield with the keys that begin with prefix until it returns errEnough.
func (s *source) each(prefix []byte, yield func(key, value []byte) error) error {
	return s.eachFrom(prefix, after(prefix), yield)
}

// eachFrom is each for the keys from one on and before another.
func (s *source) eachFrom(from, to []byte, yield func(key, value []byte) error) error {
	if err := s.d.users.enter(); err != nil {
		return err
	}
	defer s.d.users.exit()
	if err := s.d.scanRange(s.d.db, from, to, yield); !errors.Is(err, errEnough) {
		return err
	}
	return nil
}

// Children calls yield with each name in a directory, in the order of bytes, until
// it returns false. The name is good until yield returns.
func (s *source) Children(parent changelog.FID, yield func(name []byte, f changelog.FID) bool) error {
	return s.ChildrenAfter(parent, nil, yield)
}

// ChildrenAfter is Children for the names behind one, which need not be there.
func (s *source) ChildrenAfter(parent changelog.FID, name []byte, yield func(name []byte, f changelog.FID) bool) error {
	prefix := appendObject(nil, keyDirent, s.number, parent)
	from := prefix
	if len(name) > 0 {
		from = append(append(bytes.Clone(prefix), name...), 0) // names have no zero byte: this is the next that could be
	}
	return s.eachFrom(from, after(prefix), func(key, value []byte) error {
		if len(value) != fidLen {
			return &CorruptError{Path: s.d.dir, Key: keyText(key), Err: fmt.Errorf("%d bytes for an object, want %d", len(value), fidLen)}
		}
		if !yield(key[objectLen:], fidOf(value)) {
			return errEnough
		}
		return nil
	})
}

// Links calls yield with each name of an object.
func (s *source) Links(f changelog.FID, yield func(parent changelog.FID, name []byte) bool) error {
	prefix := appendObject(nil, keyLink, s.number, f)
	return s.each(prefix, func(key, _ []byte) error {
		if len(key) < objectLen+fidLen {
			return &CorruptError{Path: s.d.dir, Key: keyText(key), Err: fmt.Errorf("a link of %d bytes", len(key))}
		}
		if !yield(fidOf(key[objectLen:]), key[objectLen+fidLen:]) {
			return errEnough
		}
		return nil
	})
}

// Objects calls yield with every object, in the order of FIDs.
func (s *source) Objects(yield func(f changelog.FID, o *Object) bool) error {
	prefix := appendPrefix(nil, keyObject, s.number)
	var o Object
	return s.each(prefix, func(key, value []byte) error {
		f, err := objectOf(key, value, &o)
		if err != nil {
			return &CorruptError{Path: s.d.dir, Key: keyText(key), Err: err}
		}
		if !yield(f, &o) {
			return errEnough
		}
		return nil
	})
}

// ObjectsOf lets ask look up many objects, best in the order of FIDs: what lies side by
// side is found without beginning anew.
func (s *source) ObjectsOf(ask func(lookUp func(changelog.FID) *Object)) error {
	if err := s.d.users.enter(); err != nil {
		return err
	}
	defer s.d.users.exit()
	prefix := appendPrefix(nil, keyObject, s.number)
	it, err := s.d.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: after(prefix)})
	if err != nil {
		return readFault(s.d.dir, prefix, err)
	}
	var o Object
	var fault error
	var key [objectLen]byte
	ask(func(f changelog.FID) *Object {
		want := appendObject(key[:0], keyObject, s.number, f)
		if fault != nil || !it.SeekGE(want) || !bytes.Equal(it.Key(), want) {
			return nil
		}
		v, err := it.ValueAndErr()
		if err != nil {
			fault = readFault(s.d.dir, want, err)
			return nil
		}
		if err := o.parse(v); err != nil {
			fault = &CorruptError{Path: s.d.dir, Key: keyText(want), Err: err}
			return nil
		}
		return &o
	})
	if err := errors.Join(readFault(s.d.dir, prefix, it.Error()), it.Close()); fault == nil {
		fault = err
	}
	return fault
}

func objectOf(key, value []byte, o *Object) (changelog.FID, error) {
	if len(key) != objectLen {
		return changelog.FID{}, fmt.Errorf("key of an object has %d bytes, want %d", len(key), objectLen)
	}
	return fidOf(key[prefixLen:]), o.parse(value)
}

// Read appends records from an index on to c until a limit of c is reached: 1000
// records or 1 MiB where c has none. It begins with the first one kept if that is
// later, and does not wait. A record over the limit of bytes is given alone.
func (s *source) Read(from uint64, c *Chunk) error {
	c.Data, c.Ends = c.Data[:0], c.Ends[:0]
	if err := s.d.users.enter(); err != nil {
		return err
	}
	defer s.d.users.exit()
	if s.isRemoved() {
		return ErrRemoved
	}
	for {
		first, last := s.Bounds()
		c.First = max(from, first)
		c.Next = c.First
		if c.First > last {
			return nil
		}
		err := s.read(c, last)
		// What was trimmed before the iterator was made is no hole.
		if now, _ := s.Bounds(); err != nil && now > c.First {
			c.Data, c.Ends = c.Data[:0], c.Ends[:0]
			continue
		}
		return err
	}
}

func (s *source) read(c *Chunk, last uint64) error {
	maxRecords, maxBytes := c.MaxRecords, c.MaxBytes
	if maxRecords <= 0 {
		maxRecords = defaultRecords
	}
	if maxBytes <= 0 {
		maxBytes = defaultBytes
	}
	var from, to [recordLen]byte
	it, err := s.d.db.NewIter(&pebble.IterOptions{
		LowerBound: appendIndexed(from[:0], keyRecord, s.number, c.First),
		UpperBound: appendIndexed(to[:0], keyRecord, s.number, last+1),
	})
	if err != nil {
		return readFault(s.d.dir, from[:], err)
	}
	defer it.Close()
	for ok := it.First(); ok && c.Next <= last; ok = it.Next() {
		if got := indexOf(it.Key()); got != c.Next {
			return &CorruptError{Path: s.d.dir, Key: keyText(it.Key()), Err: fmt.Errorf("record %d of %s is not there, the next is %d", c.Next, s.uuid, got)}
		}
		v, err := it.ValueAndErr()
		if err != nil {
			return readFault(s.d.dir, it.Key(), err)
		}
		if len(c.Ends) > 0 && len(c.Data)+len(v) > maxBytes {
			return nil
		}
		c.Data = append(c.Data, v...)
		c.Ends = append(c.Ends, len(c.Data))
		c.Next++
		if len(c.Ends) >= maxRecords || len(c.Data) >= maxBytes {
			return nil
		}
	}
	key := appendIndexed(nil, keyRecord, s.number, c.Next)
	if err := it.Error(); err != nil {
		return readFault(s.d.dir, key, err)
	}
	if c.Next <= last {
		return &CorruptError{Path: s.d.dir, Key: keyText(key), Err: fmt.Errorf("record %d of %s is not there, and %d is the last", c.Next, s.uuid, last)}
	}
	return nil
}
