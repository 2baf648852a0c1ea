// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"context"
	"errors"
	"maps"
	"strings"
	"sync"

	"github.com/weir-io/weir/internal/flow/topology"
	"github.com/weir-io/weir/internal/store"
)

// view is the tree as one session has read it, watching all that it reads.
type view struct {
	// Immutable after newView.
	v       *Inventory
	session store.Session
	watcher *store.Watcher

	mu sync.Mutex
	// Guarded by mu while nodes are read, else owned by the caller.
	snap  *topology.Snapshot
	mine  map[string]bool                      // maps of snap that no snapshot that was handed out has
	lists map[topology.ID][]topology.ID        // rules of each chain
	rules map[topology.ID]*topology.Rule       // those that are there
	users map[topology.ID]map[topology.ID]bool // chains whose list has a rule
}

// view opens a session and reads the whole tree.
func (v *Inventory) view(ctx context.Context) (*view, error) {
	s, err := v.store.Session(ctx)
	if err != nil {
		return nil, err
	}
	f := &view{
		v: v, session: s, watcher: store.NewWatcher(), snap: new(topology.Snapshot), mine: make(map[string]bool),
		lists: make(map[topology.ID][]topology.ID), rules: make(map[topology.ID]*topology.Rule),
		users: make(map[topology.ID]map[topology.ID]bool),
	}
	for _, top := range followed {
		if err := f.refresh(ctx, v.paths.top(top)); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return f, nil
}

// followed are the tops that a snapshot is made of.
var followed = []string{
	"chains", "port_groups", "ip_addr_groups", "hosts", "tunnel_zones", "bridges", "routers", "ports", "routes", "traces",
}

// settle reads what has changed until there are no more events, so that all has been
// read of one state of the tree. It gives up on that after some rounds, when others
// write without a pause. It reports whether the session goes on.
func (f *view) settle(ctx context.Context) (bool, error) {
	for range settleRounds {
		events := f.watcher.Take()
		if len(events) == 0 {
			return true, nil
		}
		seen := make(map[string]bool, len(events))
		for _, e := range events {
			if e.Change == store.SessionLost {
				return false, nil
			}
			if seen[e.Path] {
				continue
			}
			seen[e.Path] = true
			if err := f.refresh(ctx, e.Path); err != nil {
				return !errors.Is(err, store.ErrSessionExpired), err
			}
		}
	}
	return true, nil
}

// settleRounds bounds settle.
const settleRounds = 50

// share hands the snapshot out: from now on its maps do not change.
func (f *view) share() *topology.Snapshot {
	clear(f.mine)
	s := *f.snap
	return &s
}

// own returns a map of the snapshot that can be changed.
func own[K comparable, V any](f *view, name string, m *map[K]V) map[K]V {
	if !f.mine[name] {
		f.mine[name] = true
		if *m == nil {
			*m = make(map[K]V)
		} else {
			*m = maps.Clone(*m)
		}
	}
	return *m
}

// refresh reads a node again, or the list of children, that an event names.
func (f *view) refresh(ctx context.Context, path string) error {
	rest, below := strings.CutPrefix(path, f.v.paths.root+"/")
	if !below {
		return nil
	}
	parts := strings.Split(rest, "/")
	if len(parts) == 1 {
		return f.relist(ctx, parts[0])
	}
	id, err := topology.ParseID(parts[1])
	if err != nil {
		return nil
	}
	switch {
	case len(parts) == 2 && parts[0] == "rules":
		return f.rereadRule(ctx, id)
	case len(parts) == 2:
		return f.reread(ctx, parts[0], []topology.ID{id})
	default:
		return f.members(ctx, parts[0], id)
	}
}

// relist reads which objects there are.
func (f *view) relist(ctx context.Context, top string) error {
	switch top {
	case "bridges":
		return relist(ctx, f, top, &f.snap.Bridges)
	case "routers":
		return relist(ctx, f, top, &f.snap.Routers)
	case "ports":
		return relist(ctx, f, top, &f.snap.Ports)
	case "routes":
		return relist(ctx, f, top, &f.snap.Routes)
	case "chains":
		return relist(ctx, f, top, &f.snap.Chains)
	case "port_groups":
		return relist(ctx, f, top, &f.snap.PortGroups)
	case "ip_addr_groups":
		return relist(ctx, f, top, &f.snap.AddrGroups)
	case "hosts":
		return relist(ctx, f, top, &f.snap.Hosts)
	case "tunnel_zones":
		return relist(ctx, f, top, &f.snap.TunnelZones)
	case "traces":
		return relist(ctx, f, top, &f.snap.Requests)
	}
	return nil
}

func relist[T any](ctx context.Context, f *view, top string, m *map[topology.ID]*T) error {
	names, err := f.session.Children(ctx, f.v.paths.top(top), f.watcher)
	if err != nil {
		return err
	}
	there := make(map[topology.ID]bool, len(names))
	var fresh []topology.ID
	for _, id := range parseIDs(names) {
		there[id] = true
		if _, known := (*m)[id]; !known {
			fresh = append(fresh, id)
		}
	}
	for id := range *m {
		if !there[id] {
			delete(own(f, top, m), id)
			f.dropMembers(top, id)
		}
	}
	if *m == nil {
		own(f, top, m)
	}
	return f.reread(ctx, top, fresh)
}

// reread reads objects again, and the members of those that were not known.
func (f *view) reread(ctx context.Context, top string, ids []topology.ID) error {
	switch top {
	case "bridges":
		return reread(ctx, f, top, ids, &f.snap.Bridges)
	case "routers":
		return reread(ctx, f, top, ids, &f.snap.Routers)
	case "ports":
		return reread(ctx, f, top, ids, &f.snap.Ports)
	case "routes":
		return reread(ctx, f, top, ids, &f.snap.Routes)
	case "chains":
		return reread(ctx, f, top, ids, &f.snap.Chains)
	case "port_groups":
		return reread(ctx, f, top, ids, &f.snap.PortGroups)
	case "ip_addr_groups":
		return reread(ctx, f, top, ids, &f.snap.AddrGroups)
	case "hosts":
		return reread(ctx, f, top, ids, &f.snap.Hosts)
	case "tunnel_zones":
		return reread(ctx, f, top, ids, &f.snap.TunnelZones)
	case "traces":
		return reread(ctx, f, top, ids, &f.snap.Requests)
	}
	return nil
}

func reread[T any](ctx context.Context, f *view, top string, ids []topology.ID, m *map[topology.ID]*T) error {
	if len(ids) == 0 {
		return nil
	}
	values := make([]*T, len(ids))
	err := each(len(ids), func(i int) (err error) {
		values[i], err = read[T](ctx, f, f.v.paths.object(top, ids[i]))
		return err
	})
	if err != nil {
		return err
	}
	var fresh []topology.ID
	own(f, top, m)
	for i, id := range ids {
		_, known := (*m)[id]
		switch {
		case values[i] == nil: // gone, or damaged: the list of children says so, or the log
			delete(*m, id)
			f.dropMembers(top, id)
			continue
		case !known:
			fresh = append(fresh, id)
		}
		(*m)[id] = values[i]
	}
	switch top {
	case "chains", "port_groups", "ip_addr_groups", "tunnel_zones":
		return each(len(fresh), func(i int) error { return f.members(ctx, top, fresh[i]) })
	}
	return nil
}

// read reads the value of a node, nil if it is not there or not readable.
func read[T any](ctx context.Context, f *view, path string) (*T, error) {
	data, _, err := f.session.Get(ctx, path, f.watcher)
	if errors.Is(err, store.ErrNoNode) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	value := new(T)
	if err := decode(data, value); err != nil {
		f.v.cfg.Log.Warn("a node of the control store is not readable, it is left out", "path", path, "error", err)
		return nil, nil
	}
	return value, nil
}
