// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package monitor

import (
	"context"
	"slices"
	"time"

	"github.com/weir-io/weir/internal/hoststat/roster"
)

// Hub is where hosts are registered.
type Hub struct {
	Hosts func(ctx context.Context) ([]roster.Host, error)
	Named bool // somebody has said so: that it gives no answer is an error
}

// HubError says that a hub which somebody has named gives no answer.
type HubError struct{ Err error }

// Error returns the reason.
func (e *HubError) Error() string { return e.Err.Error() }

// Unwrap returns the reason.
func (e *HubError) Unwrap() error { return e.Err }

// How long a hub may take to answer: one that nobody has named is most often not
// there, or on this machine.
const (
	namedTime   = 10 * time.Second
	unnamedTime = 500 * time.Millisecond
)

// ask asks a hub for its hosts, and remembers it if they are to be watched. Without
// an answer of a hub that nobody has named there are none.
func (m *Monitor) ask(h *Hub) ([]roster.Host, error) {
	limit := unnamedTime
	if h.Named {
		limit = namedTime
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	known, err := h.Hosts(ctx)
	switch {
	case err != nil && h.Named:
		return nil, &HubError{err}
	case err != nil || len(known) == 0 && !h.Named:
		return nil, nil
	case len(known) == 0:
		m.logger.Warn("the hub knows no hosts so far")
	}
	m.hub, m.known = h, known
	return known, nil
}

// lookAfterHub watches the hosts that the hub knows. While it is away, those that
// it knew are watched on.
func (m *Monitor) lookAfterHub(ctx context.Context) {
	if m.hub == nil {
		return
	}
	tick := time.NewTicker(lookPeriod)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		asked, cancel := context.WithTimeout(ctx, namedTime)
		known, err := m.hub.Hosts(asked)
		cancel()
		if err != nil {
			m.logger.Debug("hub", "error", err.Error())
			continue
		}
		if !slices.Equal(known, m.known) {
			m.known = known
			m.Cluster.SetTargets(targets(known))
			m.logger.Info("hosts of the hub", "hosts", len(known))
		}
	}
}
