// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"encoding/binary"

	"go.etcd.io/bbolt"

	"github.com/weir-io/weir/internal/flow/record"
)

// fresh returns the records of a batch that are not there yet for any request, each once;
// nothing if nobody asks. It comes before they are kept.
func (a *Archive) fresh(tx *bbolt.Tx, batch []record.Record) (fresh []record.Record) {
	if a.opts.Kept == nil {
		return nil
	}
	in := make(map[[40]byte]bool, len(batch))
	for i := range batch {
		r := &batch[i]
		key := recordKey(r)
		if !in[key] && !there(tx, r, key[:]) {
			fresh = append(fresh, *r)
		}
		in[key] = true
	}
	return fresh
}

// recordKey is the key of a record among the events of a request.
func recordKey(r *record.Record) (key [40]byte) {
	copy(key[:], r.Scope.Flow[:])
	copy(key[16:], r.Scope.Host[:])
	binary.BigEndian.PutUint64(key[32:], r.Seq)
	return key
}

// there reports whether a request of a record has it.
func there(tx *bbolt.Tx, r *record.Record, key []byte) bool {
	for _, request := range r.Scope.Requests {
		if s := open(tx, request); s != nil && s.events.Get(key) != nil {
			return true
		}
	}
	return false
}
