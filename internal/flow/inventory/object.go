// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/google/uuid"

	"github.com/weir-io/weir/internal/flow/topology"
	"github.com/weir-io/weir/internal/store"
)

// newID returns the id of a new object, unless it has one.
func newID(id topology.ID) topology.ID {
	if id == (topology.ID{}) {
		return uuid.New()
	}
	return id
}

// valid returns the error of an object that could not be read again.
func valid[T any](object string, id topology.ID, value T) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	var again T
	err = json.Unmarshal(data, &again)
	var bad *topology.Invalid
	switch {
	case err == nil:
		return nil
	case errors.As(err, &bad) && len(bad.Violations) > 0:
		return &Error{Object: object, ID: id, Property: bad.Violations[0].Property, Reason: bad.Violations[0].Message, Err: errors.Join(ErrInvalid, bad)}
	}
	return fmt.Errorf("%s %v: %w", object, id, err)
}

// get reads an object outside of transactions.
func get[T any](ctx context.Context, v *Inventory, k topology.Kind, path string, id topology.ID) (value T, err error) {
	s, err := v.tie(ctx)
	if err != nil {
		return value, err
	}
	data, _, err := s.Get(ctx, path, nil)
	if errors.Is(err, store.ErrNoNode) {
		return value, notFound(string(k), id)
	}
	if err != nil {
		return value, unanswered(err)
	}
	if err := decode(data, &value); err != nil {
		return value, fmt.Errorf("node %s: %w", path, err)
	}
	return value, nil
}

// list reads the objects whose ids are the names of a node's children, in the order of
// the ids. What is deleted meanwhile is left out.
func list[T any](ctx context.Context, v *Inventory, k topology.Kind, at string, path func(topology.ID) string) ([]T, error) {
	s, err := v.tie(ctx)
	if err != nil {
		return nil, err
	}
	names, err := s.Children(ctx, at, nil)
	if err != nil && !errors.Is(err, store.ErrNoNode) {
		return nil, unanswered(err)
	}
	ids := parseIDs(names)
	slices.SortFunc(ids, func(a, b topology.ID) int { return bytes.Compare(a[:], b[:]) })
	return listIDs[T](ctx, v, k, ids, path)
}

// listIDs reads objects by their ids, and leaves out what is not there.
func listIDs[T any](ctx context.Context, v *Inventory, k topology.Kind, ids []topology.ID, path func(topology.ID) string) ([]T, error) {
	values, there := make([]T, len(ids)), make([]bool, len(ids))
	err := each(len(ids), func(i int) error {
		value, err := get[T](ctx, v, k, path(ids[i]), ids[i])
		values[i], there[i] = value, err == nil
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	out := values[:0]
	for i := range values {
		if there[i] {
			out = append(out, values[i])
		}
	}
	return out, nil
}

// readers is how many reads go to the store at once: it answers over a network.
const readers = 32

// each calls f with the numbers below n, some at a time, and returns the first error.
func each(n int, f func(i int) error) error {
	if n == 0 {
		return nil
	}
	var (
		all   sync.WaitGroup
		mu    sync.Mutex
		next  int
		first error
	)
	for range min(n, readers) {
		all.Go(func() { // ends when the numbers are used up; the caller waits below
			for {
				mu.Lock()
				i := next
				next++
				stop := i >= n || first != nil
				mu.Unlock()
				if stop {
					return
				}
				if err := f(i); err != nil {
					mu.Lock()
					if first == nil {
						first = err
					}
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	return first
}
