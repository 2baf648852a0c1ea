// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hosts

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/weir-io/weir/client"
)

// hub is what an announcer asks of the hub. *client.Client has it.
type hub interface {
	RegisterHost(ctx context.Context, name string, r client.HostRegistration) (client.Host, error)
	RemoveHost(ctx context.Context, name string) error
}

// Announcer keeps a host registered with a hub.
type Announcer struct {
	Hub          hub
	Name         string
	Registration client.HostRegistration
	Log          *slog.Logger

	// Answered is called with what the hub says to a registration; nil: by nobody.
	Answered func(client.Host)
}

const (
	requestTime = 10 * time.Second // that a request may take
	goodbyeTime = time.Second      // likewise at the end
	longestWait = 30 * time.Second // between attempts that fail
	shortest    = 100 * time.Millisecond
)

// Run registers the host and renews that until ctx ends; then it takes the
// registration back. A hub that is away is asked again after 1, 2, 4 … 30 s, give
// or take a fifth; that is logged once.
func (a *Announcer) Run(ctx context.Context) {
	failed, registered := 0, false
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			if registered {
				a.goodbye(ctx)
			}
			return
		case <-timer.C:
		}
		h, err := a.register(ctx)
		switch {
		case ctx.Err() != nil:
			registered = true // it may have been
			continue
		case err != nil:
			if failed == 0 {
				a.Log.Warn("host not registered with the hub", "host", a.Name, "err", err)
			}
			wait := min(longestWait, time.Second<<min(failed, 5))
			failed++
			timer.Reset(time.Duration(float64(wait) * (0.8 + 0.4*rand.Float64())))
		default:
			if failed > 0 || !registered {
				a.Log.Info("host registered with the hub", "host", a.Name, "address", h.Address, "problem", h.Problem)
			}
			failed, registered = 0, true
			if a.Answered != nil {
				a.Answered(h)
			}
			timer.Reset(renewal(h.Renew))
		}
	}
}

// renewal is when to renew what lasts so long: two attempts may fail.
func renewal(lease string) time.Duration {
	d, err := time.ParseDuration(lease)
	if err != nil || d <= 0 {
		d = DefaultLease
	}
	return max(d/3, shortest)
}

func (a *Announcer) register(ctx context.Context) (client.Host, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	return a.Hub.RegisterHost(ctx, a.Name, a.Registration)
}

// goodbye takes the registration back. A hub that is away finds out by itself.
func (a *Announcer) goodbye(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbyeTime)
	defer cancel()
	if err := a.Hub.RemoveHost(ctx, a.Name); err != nil {
		a.Log.Debug("registration not taken back", "host", a.Name, "err", err)
	}
}
