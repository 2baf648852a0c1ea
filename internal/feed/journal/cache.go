// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"sync"

	"github.com/weir-io/weir/changelog"
)

// indexCache keeps objects and names decoded that were looked up or committed
// lately, as they are committed.
type indexCache struct {
	mu sync.Mutex
	// gen counts commits: what was read before one is not put in after it.
	gen     uint64
	objects clock[objectKey, Object]
	dirents clock[direntKey, changelog.FID]
}

type objectKey struct {
	source uint32
	fid    changelog.FID
}

type direntKey struct {
	source uint32
	parent changelog.FID
	name   string
}

func newIndexCache(entries int) *indexCache {
	c := &indexCache{}
	c.objects.init(entries)
	c.dirents.init(entries)
	return c
}

// object looks an object up. If it is not there, gen is for putObject.
func (c *indexCache) object(source uint32, f changelog.FID, o *Object) (found bool, gen uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v := c.objects.get(objectKey{source, f})
	if v == nil {
		return false, c.gen
	}
	*o = *v
	return true, 0
}

// putObject keeps what was read since object gave gen.
func (c *indexCache) putObject(source uint32, f changelog.FID, o *Object, gen uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gen == gen {
		c.objects.put(objectKey{source, f}, *o)
	}
}

// dirent is as object, for a name.
func (c *indexCache) dirent(source uint32, parent changelog.FID, name []byte) (f changelog.FID, found bool, gen uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// Written so that the name is not copied.
	i, ok := c.dirents.at[direntKey{source, parent, string(name)}]
	if !ok {
		return f, false, c.gen
	}
	c.dirents.slots[i].used = true
	return c.dirents.slots[i].value, true, 0
}

func (c *indexCache) putDirent(source uint32, parent changelog.FID, name []byte, f changelog.FID, gen uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gen == gen {
		c.dirents.put(direntKey{source, parent, string(name)}, f)
	}
}

// end takes over what a batch has committed. Without a batch it forgets everything:
// nobody knows any more what that was.
func (c *indexCache) end(source uint32, b *Batch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gen++
	if b == nil {
		c.objects.clear()
		c.dirents.clear()
		return
	}
	for i := range b.ops {
		o := &b.ops[i]
		switch o.kind {
		case opPutObject:
			c.objects.put(objectKey{source, o.fid}, b.objects[o.at])
		case opDeleteObject:
			c.objects.remove(objectKey{source, o.fid})
		case opPutDirent:
			c.dirents.put(direntKey{source, o.fid, string(b.name(o))}, o.target)
		case opDeleteDirent:
			c.dirents.remove(direntKey{source, o.fid, string(b.name(o))})
		}
	}
}

// clock is a bounded map: a full one gives up an entry that was not used since its
// hand came by last.
type clock[K comparable, V any] struct {
	at    map[K]int32
	slots []slot[K, V]
	free  []int32 // slots that are empty
	hand  int
	size  int
}

type slot[K comparable, V any] struct {
	key   K
	value V
	used  bool
}

func (c *clock[K, V]) init(size int) {
	c.at, c.size = make(map[K]int32), size
}

func (c *clock[K, V]) clear() { *c = clock[K, V]{at: make(map[K]int32), size: c.size} }

// get returns the value, nil if it is not there. It is good until the next put.
func (c *clock[K, V]) get(k K) *V {
	i, ok := c.at[k]
	if !ok {
		return nil
	}
	c.slots[i].used = true
	return &c.slots[i].value
}

func (c *clock[K, V]) put(k K, v V) {
	if i, ok := c.at[k]; ok {
		c.slots[i].value, c.slots[i].used = v, true
		return
	}
	var i int32
	switch {
	case len(c.free) > 0:
		i = c.free[len(c.free)-1]
		c.free = c.free[:len(c.free)-1]
	case len(c.slots) < c.size:
		i = int32(len(c.slots))
		c.slots = append(c.slots, slot[K, V]{})
	default:
		i = c.evict()
	}
	c.slots[i] = slot[K, V]{key: k, value: v}
	c.at[k] = i
}

// evict empties a slot. All are full.
func (c *clock[K, V]) evict() int32 {
	for {
		i := c.hand
		c.hand = (c.hand + 1) % len(c.slots)
		if !c.slots[i].used {
			delete(c.at, c.slots[i].key)
			return int32(i)
		}
		c.slots[i].used = false
	}
}

func (c *clock[K, V]) remove(k K) {
	if i, ok := c.at[k]; ok {
		delete(c.at, k)
		c.slots[i] = slot[K, V]{}
		c.free = append(c.free, i)
	}
}
