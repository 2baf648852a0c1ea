// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weir-io/weir/internal/api"
	"github.com/weir-io/weir/internal/daemon"
	"github.com/weir-io/weir/internal/feed"
	"github.com/weir-io/weir/internal/feed/capture"
	"github.com/weir-io/weir/internal/feed/journal"
	"github.com/weir-io/weir/internal/feed/service"
	"github.com/weir-io/weir/internal/kernel/fanotify"
)

// hostFeeds are the feeds that this process serves; nil where it serves none.
type hostFeeds struct {
	service *service.Service
	dir     string // of the sockets
	log     *slog.Logger
	remote  *remoteFeeds // nil: only users of this host are served
}

// feedSettings say how file systems are watched.
type feedSettings struct {
	scrub, mtimeInterval time.Duration
	job                  capture.JobID
	patience             time.Duration // for another agent that ends
}

// lockPatience is how long an agent that starts waits for one that ends.
const lockPatience = 10 * time.Second

// openFeeds opens the feeds beside a session daemon whose socket is given. Where file
// systems cannot be watched, there are none, and the log says why. That another agent has
// the state directory, and does not end, is an error: both would have the same feeds in
// mind. Where their store cannot be opened for another reason, feeds are there, and say why
// to all who ask.
func openFeeds(ctx context.Context, agentSocket, stateDir string, set feedSettings, log *slog.Logger) (*hostFeeds, error) {
	if os.Geteuid() != 0 {
		log.Info("no feeds of file-system changes: they take root")
		return nil, nil
	}
	dir := filepath.Dir(agentSocket)
	s, err := service.New(ctx, service.Options{
		Socket: filepath.Join(dir, "feed.sock"), StateDir: stateDir,
		Holder: []string{runningImage, "feed-holder"}, Scrub: set.scrub, Job: set.job, MtimeInterval: set.mtimeInterval,
		Patience: set.patience, Log: log,
	})
	var lacks *fanotify.UnsupportedError
	if errors.As(err, &lacks) {
		log.Info("no feeds of file-system changes", "reason", err)
		return nil, nil
	}
	if errors.Is(err, journal.ErrLocked) {
		return nil, fmt.Errorf("%w: does another agent run, or \"weir feed check\"? Agents need state directories of their own (--state-dir)", err)
	}
	if err != nil {
		return nil, err
	}
	return &hostFeeds{service: s, dir: dir, log: log}, nil
}

// door is the way to who has the feeds, nil if nobody has any.
func (f *hostFeeds) door() feed.Door {
	if f == nil {
		return nil
	}
	return f.service.Manager
}

// caller tells who is at the other end of a connection.
func (f *hostFeeds) caller(n net.Conn) (feed.Caller, error) { return f.service.Caller(n) }

// start serves the feeds on the socket, and with web by HTTP on another one beside it.
// It returns where, and what ends that and waits for it.
func (f *hostFeeds) start(ctx context.Context, web bool) (socket string, stop func()) {
	if f == nil {
		return "", func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	ready := make(chan string, 1)
	ended := make(chan struct{})
	go func() { // awaited by stop
		defer close(ended)
		if err := f.run(ctx, web, func(socket string) { ready <- socket }); err != nil {
			f.log.Error("feeds ended", "error", err)
		}
	}()
	select {
	case socket = <-ready:
	case <-ended:
	}
	return socket, func() {
		cancel()
		<-ended
	}
}

// run serves until ctx ends: HTTP begins once the socket is served, and ends before that is
// not any more.
func (f *hostFeeds) run(ctx context.Context, web bool, ready func(string)) error {
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	outer, stop := context.WithCancel(ctx)
	defer stop()
	serving := make(chan struct{})
	var group errgroup.Group
	group.Go(func() error {
		defer stop()
		return f.service.Run(inner, func(socket string) {
			close(serving)
			ready(socket)
		})
	})
	group.Go(func() error {
		defer cancel()
		select {
		case <-serving:
		case <-outer.Done():
			return nil
		}
		if web {
			return f.serveHTTP(outer)
		}
		<-outer.Done()
		return nil
	})
	return group.Wait()
}

// serveHTTP serves the feeds by HTTP on a socket that everybody may connect to: who
// that is decides what they may do.
func (f *hostFeeds) serveHTTP(ctx context.Context) error {
	a, err := api.NewFeeds(api.Options{Feeds: api.FeedsOf(f.door()), Caller: f.caller, Log: f.log})
	if err != nil {
		return err
	}
	l, err := daemon.ListenUnix(ctx, filepath.Join(f.dir, "feed-http.sock"), 0o666, -1)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return a.Run(ctx) })
	group.Go(func() error { return a.Serve(ctx, []net.Listener{l}) })
	if f.remote != nil && f.remote.listener != nil {
		b, err := api.NewFeeds(api.Options{Feeds: api.FeedsOf(f.door()), Tokens: f.remote.tokens, Log: f.log})
		if err != nil {
			return err
		}
		group.Go(func() error { return b.Run(ctx) })
		group.Go(func() error { return b.Serve(ctx, []net.Listener{f.remote.listener}) })
	}
	return group.Wait()
}
