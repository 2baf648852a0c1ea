// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/weir-io/weir/client/agent"
)

// maxNotices is what waits for a watcher; then the oldest go, and it is told how
// many.
const maxNotices = 256

// watchers hand on what happens.
type watchers struct {
	mu  sync.Mutex
	all map[*watcher]struct{} // guarded by mu
}

// watcher is one who listens.
type watcher struct {
	by      Caller
	session string
	wake    chan struct{} // has room for one
	notices []agent.Notice
	lost    int
}

// notify tells watchers what has happened, and triggers may fire. Of the sessions
// of triggers nobody is told.
func (d *Daemon) notify(s *Session, kind, text string) {
	if s.onMatch != nil {
		return
	}
	d.spread(agent.Notice{Time: time.Now(), Session: s.name, Type: kind, Text: text}, s.uid)
	d.react(s, kind, text)
}

// spread tells watchers of something of a user's.
func (d *Daemon) spread(n agent.Notice, uid uint32) {
	d.watches.mu.Lock()
	for w := range d.watches.all {
		if w.session != "" && w.session != n.Session || w.by.UID != 0 && w.by.UID != uid {
			continue
		}
		if len(w.notices) == maxNotices {
			w.notices = w.notices[1:]
			w.lost++
		}
		w.notices = append(w.notices, n)
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
	d.watches.mu.Unlock()
	if d.opts.Observe != nil {
		d.opts.Observe(uid, n)
	}
}

// Watch returns what happens from now on, until ctx ends; then the channel is
// closed.
func (d *Daemon) Watch(ctx context.Context, by Caller, session string) <-chan agent.Notice {
	w := &watcher{by: by, session: session, wake: make(chan struct{}, 1)}
	d.watches.mu.Lock()
	if d.watches.all == nil {
		d.watches.all = make(map[*watcher]struct{})
	}
	d.watches.all[w] = struct{}{}
	d.watches.mu.Unlock()
	out := make(chan agent.Notice)
	go func() { // ends with ctx
		defer close(out)
		defer d.watches.leave(w)
		for {
			select {
			case <-ctx.Done():
				return
			case <-w.wake:
			}
			for _, n := range d.watches.take(w) {
				select {
				case out <- n:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	return out
}

func (ws *watchers) leave(w *watcher) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	delete(ws.all, w)
}

func (ws *watchers) take(w *watcher) []agent.Notice {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	all := w.notices
	if w.lost > 0 {
		all = append([]agent.Notice{{Time: time.Now(), Type: "loss", Text: fmt.Sprintf("%d notices were lost: the watcher is slow", w.lost)}}, all...)
	}
	w.notices, w.lost = nil, 0
	return all
}
