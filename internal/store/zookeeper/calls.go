// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package zookeeper

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-zookeeper/zk"

	"github.com/weir-io/weir/internal/store"
)

// errors of the server and what they are here.
var translations = []struct{ from, to error }{
	{zk.ErrNoNode, store.ErrNoNode},
	{zk.ErrNodeExists, store.ErrNodeExists},
	{zk.ErrBadVersion, store.ErrBadVersion},
	{zk.ErrNotEmpty, store.ErrNotEmpty},
	{zk.ErrNoChildrenForEphemerals, store.ErrEphemeral},
	{zk.ErrSessionExpired, store.ErrSessionExpired},
	{zk.ErrInvalidPath, store.ErrBadPath},
	{zk.ErrShortBuffer, store.ErrTooLarge},
}

// translate says an error of the library in the store's words.
func (s *Session) translate(err error) error {
	for _, t := range translations {
		if errors.Is(err, t.from) {
			return t.to
		}
	}
	select {
	case <-s.done:
		return store.ErrSessionExpired
	default:
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
}

// about names the node of an error of one of its kind; what concerns the session or
// the context is returned as it is.
func about(op, path string, err error) error {
	if err == nil || !errors.Is(err, store.ErrNoNode) {
		return err
	}
	return &store.Error{Op: op, Path: path, Err: err}
}

// Create makes a node.
func (s *Session) Create(ctx context.Context, path string, data []byte, mode store.Mode) (string, error) {
	results, err := s.Multi(ctx, store.Create(path, data, mode))
	if err != nil {
		return "", err
	}
	return results[0].Path, nil
}

// Set replaces the data of a node.
func (s *Session) Set(ctx context.Context, path string, data []byte, version int32) (store.Stat, error) {
	results, err := s.Multi(ctx, store.Set(path, data, version))
	if err != nil {
		return store.Stat{}, err
	}
	return results[0].Stat, nil
}

// Delete removes a node.
func (s *Session) Delete(ctx context.Context, path string, version int32) error {
	_, err := s.Multi(ctx, store.Delete(path, version))
	return err
}

// Multi makes all operations or none.
func (s *Session) Multi(ctx context.Context, ops ...store.Op) ([]store.Result, error) {
	if len(ops) == 0 {
		return nil, context.Cause(ctx)
	}
	if err := store.CheckOps(ops); err != nil {
		return nil, err
	}
	requests := make([]any, len(ops))
	for i := range ops {
		requests[i] = request(&ops[i])
	}
	var failed int
	answers, _, err := call(ctx, s, func() ([]zk.MultiResponse, *zk.Stat, error) {
		answers, err := s.conn.Multi(requests...)
		return answers, nil, err
	})
	if err != nil {
		for failed < len(answers) && answers[failed].Error == nil {
			failed++
		}
		if failed == len(answers) { // no operation is to blame
			return nil, err
		}
		if ops[failed].Path == "/" && ops[failed].Kind == store.KindDelete {
			err = store.ErrBadPath
		}
		return nil, store.OpError(ops, failed, err)
	}
	results := make([]store.Result, len(answers))
	for i, a := range answers {
		results[i] = store.Result{Path: a.String, Stat: stat(a.Stat)}
	}
	return results, nil
}

// request is an operation as the library takes it.
func request(op *store.Op) any {
	switch op.Kind {
	case store.KindCreate:
		var flags int32
		if op.Mode&store.Ephemeral != 0 {
			flags |= zk.FlagEphemeral
		}
		if op.Mode&store.Sequential != 0 {
			flags |= zk.FlagSequence
		}
		return &zk.CreateRequest{Path: op.Path, Data: op.Data, Acl: zk.WorldACL(zk.PermAll), Flags: flags}
	case store.KindSet:
		return &zk.SetDataRequest{Path: op.Path, Data: op.Data, Version: op.Version}
	case store.KindDelete:
		return &zk.DeleteRequest{Path: op.Path, Version: op.Version}
	}
	return &zk.CheckVersionRequest{Path: op.Path, Version: op.Version}
}

// Get returns the data of a node.
func (s *Session) Get(ctx context.Context, path string, w *store.Watcher) ([]byte, store.Stat, error) {
	data, stat, err := read(ctx, s, "get", watchKey{path, false}, w,
		func() ([]byte, *zk.Stat, error) { return s.conn.Get(path) },
		func() ([]byte, *zk.Stat, error) {
			data, stat, _, err := s.conn.GetW(path)
			return data, stat, err
		})
	return data, stat, err
}

// Exists reports whether there is a node.
func (s *Session) Exists(ctx context.Context, path string, w *store.Watcher) (store.Stat, bool, error) {
	ok, stat, err := read(ctx, s, "exists", watchKey{path, false}, w,
		func() (bool, *zk.Stat, error) { return s.conn.Exists(path) },
		func() (bool, *zk.Stat, error) {
			ok, stat, _, err := s.conn.ExistsW(path)
			return ok, stat, err
		})
	return stat, ok, err
}

// Children returns the names of a node's children.
func (s *Session) Children(ctx context.Context, path string, w *store.Watcher) ([]string, error) {
	names, _, err := read(ctx, s, "children", watchKey{path, true}, w,
		func() ([]string, *zk.Stat, error) { return s.conn.Children(path) },
		func() ([]string, *zk.Stat, error) {
			names, stat, _, err := s.conn.ChildrenW(path)
			return names, stat, err
		})
	return names, err
}

// read makes a call that may set a watch. A watch is noted before the server can fire
// it; where the server has it already the plain call does.
func read[T any](ctx context.Context, s *Session, op string, key watchKey, w *store.Watcher, plain, watching func() (T, *zk.Stat, error)) (value T, st store.Stat, err error) {
	if err := store.CheckPath(key.path); err != nil {
		return value, st, &store.Error{Op: op, Path: key.path, Err: err}
	}
	if w == nil {
		value, st, err = call(ctx, s, plain)
		return value, st, about(op, key.path, err)
	}
	noted, armed := s.note(key, w)
	if noted == nil {
		return value, st, store.ErrSessionExpired
	}
	f := watching
	if armed {
		f = plain
	}
	value, st, err = call(ctx, s, f)
	s.settle(key, noted, w, err)
	return value, st, about(op, key.path, err)
}

// note notes a watch that is about to be set, and reports whether the server has it.
func (s *Session) note(key watchKey, w *store.Watcher) (noted *watch, armed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watches == nil {
		return nil, false
	}
	noted = s.watches[key]
	if noted == nil {
		noted = &watch{watchers: make(map[*store.Watcher]struct{}, 1)}
		s.watches[key] = noted
	}
	noted.watchers[w] = struct{}{}
	return noted, noted.armed
}

// settle remembers that the server has a watch now, or that there is none because the
// call failed. A call without an answer may have set one: it stays noted.
func (s *Session) settle(key watchKey, noted *watch, w *store.Watcher, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.watches[key] != noted: // it has fired meanwhile
	case err == nil:
		noted.armed = true
	case errors.Is(err, store.ErrNoNode) && !noted.armed:
		delete(noted.watchers, w)
		if len(noted.watchers) == 0 {
			delete(s.watches, key)
		}
	}
}
