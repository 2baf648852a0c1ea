// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"bytes"
	"container/heap"
	"encoding/binary"
	"encoding/json"
	"errors"

	"go.etcd.io/bbolt"

	"github.com/weir-io/weir/internal/flow/topology"
)

// flowCost is what a flow counts beside its events, in bytes.
const flowCost = 1 << 10

// eventCost is what an event counts beside its text: its key.
const eventCost = 40

// Names of counters, of requests and of the archive.
var (
	bytesKey = []byte("bytes") // of all flows, by flowValue.Bytes
	lostKey  = []byte("lost")  // flows that made room for others
)

// hostLoss is what was not kept of a host's events of a flow.
type hostLoss struct {
	Host  topology.ID `json:"host"`
	Count uint64      `json:"count"`
	Last  uint64      `json:"last"` // number of the last; those up to it have come before
}

// admit counts an event of a flow, and reports whether there is room for it. The
// beginning stays, because without it nobody can tell what a step is of; and so does the
// result, which is the answer.
func (f *openFlow) admit(host topology.ID, seq uint64, old, event []byte, result bool, opts *Options) bool {
	if old != nil { // it comes again
		f.grow(int64(len(event) - len(old)))
		return true
	}
	size := int64(len(event) + eventCost)
	if (f.value.Events >= opts.MaxEvents || f.value.Bytes+size > opts.MaxFlowBytes) && !result {
		f.value.lose(host, seq)
		return false
	}
	f.value.Events++
	f.grow(size)
	return true
}

// grow counts bytes of a flow; flush counts them of its request.
func (f *openFlow) grow(by int64) {
	f.value.Bytes += by
	f.grown += by
}

// lose counts an event that is not kept, once: hosts send batches again, in the same order.
func (f *flowValue) lose(host topology.ID, seq uint64) {
	for i := range f.Lost {
		l := &f.Lost[i]
		if l.Host != host {
			continue
		}
		if seq > l.Last {
			l.Count++
			l.Last = seq
		}
		return
	}
	f.Lost = append(f.Lost, hostLoss{host, 1, seq})
}

// dropped returns how many events are not kept.
func (f *flowValue) dropped() (n uint64) {
	for _, l := range f.Lost {
		n += l.Count
	}
	return n
}

func counter(b *bbolt.Bucket, key []byte) uint64 {
	v := b.Get(key)
	if len(v) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(v)
}

func addTo(b *bbolt.Bucket, key []byte, by int64) error {
	return b.Put(key, number(uint64(max(0, int64(counter(b, key))+by))))
}

// grow counts bytes of a request, and of the archive.
func (s *shelf) grow(by int64) error {
	return errors.Join(addTo(s.all, bytesKey, by), addTo(s.all.Tx().Bucket(archiveBucket), bytesKey, by))
}

// oldest is a request by the key of its oldest flow.
type oldest struct {
	shelf *shelf
	key   []byte
}

type byAge []oldest

func (h byAge) Len() int           { return len(h) }
func (h byAge) Less(i, j int) bool { return bytes.Compare(h[i].key, h[j].key) < 0 }
func (h byAge) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *byAge) Push(x any)        { *h = append(*h, x.(oldest)) }
func (h *byAge) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// makeRoom deletes the oldest flows, of whichever request, until the archive has no more
// bytes than it may, or that many flows are deleted: an archive that may have less than
// it had becomes smaller step by step. The newest flow stays, however large it is.
func makeRoom(tx *bbolt.Tx, most int64, flows int) error {
	meta := tx.Bucket(archiveBucket)
	if int64(counter(meta, bytesKey)) <= most {
		return nil
	}
	var all byAge
	err := tx.Bucket(requestsBucket).ForEachBucket(func(id []byte) error {
		s := open(tx, topology.ID(id))
		if key, _ := s.flows.Cursor().First(); key != nil {
			all = append(all, oldest{s, bytes.Clone(key)})
		}
		return nil
	})
	if err != nil {
		return err
	}
	heap.Init(&all)
	for ; len(all) > 0 && flows > 0 && int64(counter(meta, bytesKey)) > most; flows-- {
		first := &all[0]
		if len(all) == 1 && first.shelf.flowCount() == 1 {
			return nil
		}
		var v flowValue
		if err := json.Unmarshal(first.shelf.flows.Get(first.key), &v); err != nil {
			return err
		}
		if err := errors.Join(first.shelf.drop(first.key, &v), addTo(first.shelf.all, lostKey, 1)); err != nil {
			return err
		}
		if key, _ := first.shelf.flows.Cursor().First(); key != nil {
			first.key = bytes.Clone(key)
			heap.Fix(&all, 0)
		} else {
			heap.Pop(&all)
		}
	}
	return nil
}

// measure counts what an archive of format 1 has.
func measure(tx *bbolt.Tx) error {
	return tx.Bucket(requestsBucket).ForEachBucket(func(id []byte) error {
		s := open(tx, topology.ID(id))
		sizes := make(map[topology.ID]*flowValue)
		err := s.events.ForEach(func(k, v []byte) error {
			f := sizes[topology.ID(k[:16])]
			if f == nil {
				f = &flowValue{Bytes: flowCost}
				sizes[topology.ID(k[:16])] = f
			}
			f.Events++
			f.Bytes += int64(len(v) + eventCost)
			return nil
		})
		if err != nil {
			return err
		}
		values := make(map[string][]byte)
		total := int64(0)
		err = s.flows.ForEach(func(k, v []byte) error {
			var f flowValue
			if err := json.Unmarshal(v, &f); err != nil {
				return err
			}
			f.Bytes = flowCost
			if size := sizes[topology.ID(k[8:])]; size != nil {
				f.Events, f.Bytes = size.Events, size.Bytes
			}
			total += f.Bytes
			data, err := json.Marshal(&f)
			values[string(k)] = data
			return err
		})
		for k, v := range values {
			err = errors.Join(err, s.flows.Put([]byte(k), v))
		}
		return errors.Join(err, s.grow(total))
	})
}
