// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracebench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/internal/bench"
	"github.com/weir-io/weir/internal/benchproc"
)

const (
	eventsPerCall = 2 // entry and exit
	bytesPerCall  = 95
	movePeriod    = 50 * time.Millisecond // at least, between two moves
	catchUpPeriod = 10 * time.Millisecond // between two looks at a consumer
)

// called is the rule that chooses the calls of a load.
func called() agent.EventRule {
	return agent.EventRule{Type: agent.Tracepoint, Pattern: "raw_syscalls:*", Filter: fmt.Sprintf("id == %d", rareCall), Enabled: true}
}

// moving takes a session from files to a relay and back, while calls are made.
func (b *Bench) moving(ctx context.Context) (_ []bench.Row, err error) {
	r, err := b.startRelay(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Stop()) }()
	dir, err := os.MkdirTemp(b.scratch, "trace-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	// Each part has a directory, which the daemon makes for its user.
	part := func(i int) string { return filepath.Join(dir, fmt.Sprintf("part%d", i)) }
	var c carried
	var slowest time.Duration
	err = b.withDaemon(ctx, func(d *daemon) (err error) {
		s, err := d.open(ctx, wanted{rules: []agent.EventRule{called()}, to: part(0)})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.close()) }()
		return b.carry(ctx, s, &c, b.sizes.awayRate/bytesPerCall, func(*loading) error {
			for i := range b.sizes.moves {
				to := relayURL(r)
				if i%2 == 1 {
					to = part(i + 1)
				}
				begin := time.Now()
				if err := s.move(ctx, to); err != nil {
					return fmt.Errorf("move %d of %d: %w", i+1, b.sizes.moves, err)
				}
				slowest = max(slowest, time.Since(begin))
				if err := benchproc.Pause(ctx, movePeriod); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	broken, err := brokenNumbers(dir, r.Output)
	if err != nil {
		return nil, err
	}
	lost, err := c.lost(ctx, b, dir, r.Output)
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("%d moves between files and relay: ", b.sizes.moves)
	return []bench.Row{
		{Name: name + "packets that are missing or double", Runs: 1, Unit: "packets", Weir: float64(broken), Bar: &bench.Bar{Most: true}, Note: c.text()},
		{Name: name + "events lost", Runs: 1, Unit: "events", Weir: lost, Bar: &bench.Bar{Most: true}},
		{Name: name + "slowest", Runs: 1, Unit: millis, Weir: float64(slowest.Microseconds()) / 1e3},
	}, nil
}

// carried is what a session was given and what it recorded.
type carried struct {
	calls int64
	took  time.Duration
	got   counts
}

// lost returns how many of the calls' events are missing below directories, or
// too many.
func (c *carried) lost(ctx context.Context, b *Bench, dirs ...string) (float64, error) {
	n, err := b.count(ctx, fmt.Sprintf("id == %d", rareCall), dirs...)
	missing := c.calls*eventsPerCall - n
	return float64(max(missing, -missing)), err
}

// count returns how many events below directories a filter keeps.
func (b *Bench) count(ctx context.Context, where string, dirs ...string) (int64, error) {
	var count struct {
		Events int64 `json:"events"`
	}
	argv := append([]string{b.Weir, "view", "--no-progress", "--output", "count", "--json", "--where", where}, dirs...)
	err := b.lines(ctx, func(out io.Reader) error { return json.NewDecoder(out).Decode(&count) }, argv...)
	return count.Events, err
}

func (c *carried) text() string {
	return fmt.Sprintf("%d packets, %d events, %d discarded, %.1f MB/s", c.got.packets, c.got.events, c.got.discarded, float64(c.got.bytes)/1e6/c.took.Seconds())
}

// carry does something while calls are made at a rate, and counts.
func (b *Bench) carry(ctx context.Context, s *session, c *carried, rate int, do func(*loading) error) (err error) {
	g, err := b.startLoad(Load{Kind: Syscalls, Rate: rate})
	if err != nil {
		return err
	}
	defer g.End()
	if err := s.start(ctx); err != nil {
		return err
	}
	if err := g.Begin(); err != nil {
		return err
	}
	if err := do(g); err != nil {
		return err
	}
	if c.calls, c.took, err = g.stop(ctx); err != nil {
		return err
	}
	if err := s.stop(ctx); err != nil {
		return err
	}
	c.got, err = s.counts(ctx)
	if err == nil && c.got.packetsLost > 0 {
		err = fmt.Errorf("%d packets lost", c.got.packetsLost)
	}
	return err
}

// away takes the relay away for a while, and brings it back.
func (b *Bench) away(ctx context.Context) (_ []bench.Row, err error) {
	r, err := b.startRelay(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Stop()) }()
	var c carried
	var resumed, caughtUp time.Duration
	err = b.withDaemon(ctx, func(d *daemon) (err error) {
		s, err := d.open(ctx, wanted{rules: []agent.EventRule{called()}, to: relayURL(r)})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.close()) }()
		return b.carry(ctx, s, &c, b.sizes.awayRate/bytesPerCall, func(*loading) error {
			if err := benchproc.Pause(ctx, time.Second); err != nil {
				return err
			}
			if err := r.Stop(); err != nil {
				return err
			}
			if err := benchproc.Pause(ctx, b.sizes.away); err != nil {
				return err
			}
			if err := r.Start(ctx); err != nil {
				return err
			}
			resumed, caughtUp, err = b.awaitConsumer(ctx, s)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	broken, err := brokenNumbers(r.Output)
	if err != nil {
		return nil, err
	}
	lost, err := c.lost(ctx, b, r.Output)
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("relay away %v: ", b.sizes.away)
	return []bench.Row{
		{Name: name + "packets that are missing or double", Runs: 1, Unit: "packets", Weir: float64(broken), Bar: &bench.Bar{Most: true}, Note: c.text()},
		{Name: name + "events lost", Runs: 1, Unit: "events", Weir: lost, Bar: &bench.Bar{Most: true}},
		{
			Name: name + "resumed after its return", Runs: 1, Unit: "s", Weir: resumed.Seconds(), Bar: &bench.Bar{Most: true, Must: 2, Aim: 2},
			Note: fmt.Sprintf("all caught up after %.1f s", caughtUp.Seconds()),
		},
	}, nil
}

// awaitConsumer returns how long it takes until a consumer sends again, and until
// it has sent what it had kept.
func (b *Bench) awaitConsumer(ctx context.Context, s *session) (resumed, caughtUp time.Duration, err error) {
	const most = time.Minute
	ctx, cancel := context.WithTimeoutCause(ctx, most, fmt.Errorf("the session does not go on within %v", most))
	defer cancel()
	begin := time.Now()
	for {
		st, err := s.d.client.ConsumerStatus(ctx, s.name)
		if ctx.Err() != nil {
			return 0, 0, fmt.Errorf("%w: consumer %s, %s", context.Cause(ctx), st.State, st.LastError)
		}
		if err != nil {
			return 0, 0, err
		}
		switch {
		case st.State == agent.ConsumerFailed:
			return 0, 0, fmt.Errorf("consumer failed: %s", st.LastError)
		case st.State == agent.ConsumerStreaming:
			if resumed == 0 {
				resumed = time.Since(begin)
			}
			if st.SpoolBytes < 2*subbufBytes {
				return resumed, time.Since(begin), nil
			}
		}
		if err := benchproc.Pause(ctx, catchUpPeriod); err != nil {
			return 0, 0, err
		}
	}
}

// brokenNumbers counts the packets below directories, of which there should be
// each once, that are missing or there too often.
func brokenNumbers(dirs ...string) (broken int, err error) {
	all := make(map[string][]uint64)
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".idx" {
				return err
			}
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			stream := strings.TrimSuffix(filepath.Base(path), ".idx")
			all[stream], err = appendNumbers(all[stream], b)
			if err != nil {
				return fmt.Errorf("index %s: %w", path, err)
			}
			return nil
		})
		if err != nil {
			return 0, err
		}
	}
	if len(all) == 0 {
		return 0, errors.New("no packet is stored")
	}
	for _, numbers := range all {
		broken += missingOrDouble(numbers)
	}
	return broken, nil
}

// appendNumbers appends the numbers of the packets of an index file.
func appendNumbers(numbers []uint64, index []byte) ([]uint64, error) {
	h, err := ctf.ParseIndexHeader(index)
	if err != nil {
		return numbers, err
	}
	for b := index[ctf.IndexHeaderLen:]; len(b) >= int(h.RecordLen); b = b[h.RecordLen:] {
		e, err := ctf.ParseIndexEntry(b, h.RecordLen)
		if err != nil {
			return numbers, err
		}
		numbers = append(numbers, e.PacketSeqNum)
	}
	return numbers, nil
}

// missingOrDouble counts the numbers from 0 to the last one that are not there
// once.
func missingOrDouble(numbers []uint64) (n int) {
	slices.Sort(numbers)
	next := uint64(0)
	for _, number := range numbers {
		if number < next {
			n++
			continue
		}
		n += int(number - next)
		next = number + 1
	}
	return n
}
