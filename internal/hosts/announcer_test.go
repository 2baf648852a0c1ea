// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hosts

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-io/weir/client"
)

// double is a hub that notes when it was asked, and answers as it is told.
type double struct {
	mu      sync.Mutex
	began   time.Time
	asked   []time.Duration // guarded by mu
	removed []string        // guarded by mu
	away    int             // guarded by mu: how many requests fail
}

func (d *double) RegisterHost(_ context.Context, name string, r client.HostRegistration) (client.Host, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, time.Since(d.began))
	if d.away > 0 {
		d.away--
		return client.Host{}, errors.New("away")
	}
	return client.Host{ID: name, Address: r.Address, Renew: "30s"}, nil
}

func (d *double) RemoveHost(_ context.Context, name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.removed = append(d.removed, name)
	return nil
}

// A host is registered at once, renewed every third of what that lasts, and taken
// back in the end.
func TestAnnouncer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &double{began: time.Now()}
		a := Announcer{Hub: d, Name: "n1", Registration: client.HostRegistration{Address: ":7887"}, Log: slog.New(slog.DiscardHandler)}
		ctx, cancel := context.WithTimeout(t.Context(), 35*time.Second)
		defer cancel()
		a.Run(ctx)
		want := []time.Duration{0, 10 * time.Second, 20 * time.Second, 30 * time.Second}
		if !slices.Equal(d.asked, want) || !slices.Equal(d.removed, []string{"n1"}) {
			t.Errorf("asked at %v, removed %v", d.asked, d.removed)
		}
	})
}

// A hub that is away is asked less and less often, and not at the end.
func TestAnnouncerWithoutHub(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &double{began: time.Now(), away: 1000}
		a := Announcer{Hub: d, Name: "n1", Log: slog.New(slog.DiscardHandler)}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		a.Run(ctx)
		if n := len(d.asked); n < 15 || n > 35 || len(d.removed) > 0 {
			t.Errorf("asked %d times, removed %v", n, d.removed)
		}
		for i := 1; i < len(d.asked); i++ {
			wait := d.asked[i] - d.asked[i-1]
			want := min(longestWait, time.Second<<min(i-1, 5))
			if wait < want*8/10 || wait > want*12/10 {
				t.Errorf("attempt %d after %v, want %v or so", i, wait, want)
			}
		}
	})
}

// A hub that is back has the host again.
func TestAnnouncerComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &double{began: time.Now(), away: 3}
		a := Announcer{Hub: d, Name: "n1", Log: slog.New(slog.DiscardHandler)}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		a.Run(ctx)
		if len(d.asked) < 5 || !slices.Equal(d.removed, []string{"n1"}) {
			t.Errorf("asked at %v, removed %v", d.asked, d.removed)
		}
	})
}

func TestRenewal(t *testing.T) {
	for lease, want := range map[string]time.Duration{"30s": 10 * time.Second, "": 10 * time.Second, "x": 10 * time.Second, "-1s": 10 * time.Second, "1ms": shortest} {
		if got := renewal(lease); got != want {
			t.Errorf("%q: %v, want %v", lease, got, want)
		}
	}
}
