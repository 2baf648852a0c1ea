// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package service

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	client "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed"
	"github.com/weir-io/weir/internal/feed/fstest"
	"github.com/weir-io/weir/internal/feed/journal"
	"github.com/weir-io/weir/internal/wait"
)

// A store that cannot be opened is asked for less and less often, and the log tells it once;
// one that is damaged is not asked for again, nor one that leaves too much behind.
func TestAttemptsToOpen(t *testing.T) {
	full := fmt.Errorf("feed store /srv/feeds: no room: %w", syscall.ENOSPC)
	for _, c := range []struct {
		name        string
		err         error
		least, most int
		hint        string
	}{
		{"full disk", full, 60, 70, "the agent tries again"},
		{"another process has it", fmt.Errorf("%w: /srv/feeds", journal.ErrLocked), 60, 70, "the agent tries again"},
		{"full again and again amid opening", errors.Join(full, journal.ErrAbandoned), maxAbandoned, maxAbandoned, "not before the agent is started again"},
		{"damaged", &journal.CorruptError{Path: "/srv/feeds/7.sst", Key: "r1", Err: syscall.EIO}, 1, 1, `"weir feed repair" keeps what is good`},
		{"of a newer weir", &journal.VersionError{Path: "/srv/feeds", Got: 2, Want: 1}, 1, 1, "not before the agent is started again"},
		{"with a feed that cannot be read", errors.New("feed cl1: no JSON"), 1, 1, "not before the agent is started again"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				attempts := 0
				k := newKeeper(func() (journal.Store, *feed.Manager, error) {
					attempts++
					return nil, nil, c.err
				}, nil, slog.New(slog.NewTextHandler(&log, nil)))
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				if err := k.begin(ctx, 0); errors.Is(err, journal.ErrLocked) != errors.Is(c.err, journal.ErrLocked) {
					t.Errorf("at first: got %v, want an error if another process has it", err)
				}
				must(t, k.run(ctx))
				if attempts < c.least || attempts > c.most {
					t.Errorf("in an hour: got %d attempts, want %d to %d", attempts, c.least, c.most)
				}
				if n := strings.Count(log.String(), "\n"); n > 2 || n == 0 && !errors.Is(c.err, journal.ErrLocked) {
					t.Errorf("the log has %d lines, want it told once: %s", n, &log)
				}
				m, err := k.door()
				if m != nil || err == nil || !strings.Contains(err.Error(), c.hint) || !strings.Contains(err.Error(), c.err.Error()) {
					t.Errorf("whoever asks: got %v, %v, want why and %q", m, err, c.hint)
				}
			})
		})
	}
}

// Another process that has the store and ends is waited for.
func TestStoreOfAnAgentThatEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ends := time.Now().Add(time.Second)
		k := newKeeper(func() (journal.Store, *feed.Manager, error) {
			if time.Now().Before(ends) {
				return nil, nil, journal.ErrLocked
			}
			return nil, &feed.Manager{}, nil
		}, nil, slog.New(slog.DiscardHandler))
		if err := k.begin(t.Context(), time.Second/2); !errors.Is(err, journal.ErrLocked) {
			t.Errorf("with less patience: got %v, want %v", err, journal.ErrLocked)
		}
		must(t, k.begin(t.Context(), time.Minute))
		if m, err := k.door(); m == nil || err != nil {
			t.Errorf("with more: got %v, %v, want a manager", m, err)
		}
	})
}

// breaking is a store that the disk refuses to write.
type breaking struct {
	journal.Store
	failed chan struct{}
}

func (b *breaking) Failed() <-chan struct{} { return b.failed }

func (b *breaking) Close() error {
	return errors.Join(fmt.Errorf("feed store: failed: %w", syscall.EIO), b.Store.Close())
}

// A store that the disk has refused to write is opened again.
func TestStoreThatFails(t *testing.T) {
	var stores []*breaking
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	parted := 0
	k := newKeeper(func() (journal.Store, *feed.Manager, error) {
		store, err := journal.OpenMemory()
		must(t, err)
		stores = append(stores, &breaking{store, make(chan struct{})})
		m, err := feed.New(feed.Options{Store: store, Log: log})
		return stores[len(stores)-1], m, err
	}, func() { parted++ }, log)
	asked := make(chan struct{})
	k.wait = func(int) time.Duration { <-asked; return 0 }
	must(t, k.begin(t.Context(), 0))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- k.run(ctx) }()
	first := <-k.arrivals
	close(stores[0].failed)
	asked <- struct{}{} // after the first has ended
	second := <-k.arrivals
	if m, err := k.door(); m != second || first == second || err != nil || parted != 1 {
		t.Errorf("afterwards: got %p, %v, parted %d times, want another than %p, %p", m, err, parted, first, second)
	}
	cancel()
	must(t, <-ended)
	if err := k.close(); !errors.Is(err, syscall.EIO) {
		t.Errorf("close: got %v, want %v", err, syscall.EIO)
	}
}

// Whoever reads a feed while the store fails is not told that the agent ends.
func TestReaderOfAStoreThatFails(t *testing.T) {
	fs := fstest.New(t, "tmpfs")
	failed := make(chan struct{})
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	k := newKeeper(func() (journal.Store, *feed.Manager, error) {
		store, err := journal.OpenMemory()
		must(t, err)
		m, err := feed.New(feed.Options{Store: store, Log: log})
		return &breaking{store, failed}, m, err
	}, func() {}, log)
	k.wait = func(int) time.Duration { return time.Hour }
	must(t, k.begin(t.Context(), 0))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- k.run(ctx) }()
	m, root := <-k.arrivals, feed.Caller{Admin: true}
	wait.Until(t, "the manager to run", func() bool {
		_, err := m.Create(ctx, root, client.CreateOptions{Name: "f", Source: fs.Dir})
		return err == nil
	})
	n, err := m.Attach(root, "f", false)
	must(t, err)
	close(failed)
	<-n.Done()
	if err := n.Err(); !errors.Is(err, &client.Error{Code: client.CodeStore}) || !strings.Contains(err.Error(), "opened again") {
		t.Errorf("got %v, want word of a store that is opened again", err)
	}
	cancel()
	must(t, <-ended)
}
