// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package monitor

import (
	"context"
	"io"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/weir-io/weir/internal/hoststat/page"
	"github.com/weir-io/weir/internal/hoststat/poll"
	"github.com/weir-io/weir/internal/hoststat/table"
)

// LogOptions say what pages to write.
type LogOptions struct {
	View    *table.View
	Options table.Options
	Format  page.Format
	Count   int  // pages; 0: without end
	First   bool // at once, without rates
	Out     io.Writer
}

// Log writes pages until ctx ends or there were enough.
func (m *Monitor) Log(ctx context.Context, o LogOptions) error {
	write, err := m.writer(o)
	if err != nil {
		return err
	}
	if !m.settle(ctx, o.First) {
		return nil
	}
	tick := time.NewTicker(m.Cluster.Delay())
	defer tick.Stop()
	for n := 1; ; n++ {
		if err := write(); err != nil {
			return err
		}
		if n == o.Count {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// writer returns the function that writes a page.
func (m *Monitor) writer(o LogOptions) (func() error, error) {
	switch o.Format {
	case page.Prometheus:
		return func() error { return page.WriteMetrics(o.Out, m.Cluster) }, nil
	case page.XML:
		return func() error { return m.writeMessages(o.Out) }, nil
	}
	w, err := page.New(o.Out, o.Format)
	if err != nil {
		return nil, err
	}
	var t table.Table
	return func() error {
		t.Fill(m.Cluster, o.View, &o.Options)
		return w.Write(&t)
	}, nil
}

// writeMessages writes the message of each host that came since the last page.
func (m *Monitor) writeMessages(out io.Writer) error {
	m.mu.Lock()
	messages := m.messages
	m.messages = make(map[string][]byte)
	m.mu.Unlock()
	for _, host := range slices.Sorted(maps.Keys(messages)) {
		if err := page.WriteMessage(out, host, messages[host]); err != nil {
			return err
		}
	}
	return nil
}

// settle waits until the first page can be written: when all hosts have told
// enough for rates, or can be seen not to. It reports false if ctx has ended.
func (m *Monitor) settle(ctx context.Context, first bool) bool {
	const look = 20 * time.Millisecond
	longest := 3*m.Cluster.Delay() + 3*time.Second
	if first {
		longest = 3 * time.Second
	}
	late := time.NewTimer(longest)
	defer late.Stop()
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-late.C:
			return true
		case <-tick.C:
			if m.settled(first) {
				return true
			}
		}
	}
}

func (m *Monitor) settled(first bool) bool {
	settled := true
	m.Cluster.View(func(hosts []*poll.Host) {
		settled = len(hosts) > 0
		for _, h := range hosts {
			n := h.Messages()
			told := n > 2 || n == 2 && !math.IsNaN(h.Value(poll.CPUBusy)) || n > 0 && first
			settled = settled && (told || h.State() > poll.Stale)
		}
	})
	return settled
}
