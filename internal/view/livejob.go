// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/weir-io/weir/client/live"
	"github.com/weir-io/weir/ctf"
)

// splitURLs takes the URLs of relays and of their sessions out of some inputs.
func splitURLs(inputs []string) (paths []string, urls []live.URL, err error) {
	for _, in := range inputs {
		if !strings.Contains(in, "://") {
			paths = append(paths, in)
			continue
		}
		u, err := live.ParseURL(in)
		if err != nil {
			return nil, nil, err
		}
		urls = append(urls, u)
	}
	return paths, urls, nil
}

// live shows sessions on relays, and stored traces among them.
func (j *Job) live(ctx context.Context, paths []string, stored *ctf.Set, urls []live.URL) error {
	if len(urls) == 1 && urls[0].Target.Name == "" && len(paths) == 0 {
		return j.list(ctx, urls[0])
	}
	if j.Tail > 0 || j.Intersection {
		return errors.New("the last events and the intersection of streams are not known of what goes on")
	}
	sel, err := j.selection(stored)
	if err != nil {
		return err
	}
	sink, err := j.sink()
	if err != nil {
		return err
	}
	set, err := j.openLive(ctx, urls, sink)
	if err != nil {
		set.close()
		return err
	}
	if c, ok := sink.(cache); ok {
		set.caches = append(set.caches, c)
	}
	if j.Where != "" {
		where, err := NewWhere(j.Where)
		if err != nil {
			return err
		}
		sel.Keep = func() func(*ctf.Event) bool { return where.Keep }
		set.caches = append(set.caches, where)
	}
	if j.Follow && len(paths) > 0 { // also where no trace is yet
		set.stored = follow(stored, set)
	} else {
		for _, c := range stored.Cursors() {
			set.joining = append(set.joining, c)
		}
	}
	err = set.run(ctx, sink, sel)
	if ctx.Err() != nil {
		err = nil // stopped by whoever started it
	}
	return errors.Join(err, sink.Close())
}

// list prints the sessions of a relay, as babeltrace2 does.
func (j *Job) list(ctx context.Context, u live.URL) error {
	c, err := live.Dial(ctx, live.Config{Network: u.Network, Address: u.Address})
	if err != nil {
		return err
	}
	defer c.Close()
	sessions, err := c.Sessions(ctx)
	if err != nil {
		return err
	}
	host, _, _ := strings.Cut(u.Address, ":")
	for _, s := range sessions {
		if _, err := fmt.Fprintf(j.Out, "net://%s/host/%s/%s (timer = %d, %d stream(s), %d client(s) connected)\n",
			host, s.Host, s.Name, s.LiveTimer.Microseconds(), s.Streams, s.Clients); err != nil {
			return err
		}
	}
	return nil
}
