// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package viewbench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/weir-io/weir/internal/bench"
	"github.com/weir-io/weir/internal/benchproc"
)

// Of the live session that is watched.
const (
	liveTimer   = 100 * time.Millisecond // between two packets of a stream
	eventPeriod = 5 * time.Millisecond   // between two events
	liveStreams = 2
	liveHost    = "bench"
	liveName    = "live"
)

// live measures how long after it happened an event is a line of "weir view":
// through a relay, from a producer that sends its packets with a live timer.
func (b *Bench) live(ctx context.Context) (_ []bench.Row, err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	relay, err := benchproc.NewRelay("weir relayd", benchproc.WeirRelay(b.Weir), filepath.Join(b.scratch, "relay"))
	if err != nil {
		return nil, err
	}
	if err := relay.Start(ctx); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, relay.Stop()) }()
	p, err := openProducer(ctx, filepath.Join(b.scratch, "declared"), relay.Ports)
	if err != nil {
		return nil, err
	}
	defer p.close()
	late, err := b.watch(ctx, p, relay.Live)
	if err != nil {
		return nil, err
	}
	ms := func(q float64) float64 { return bench.Quantile(late, q) }
	bar := float64((liveTimer/2 + 10*time.Millisecond).Milliseconds())
	return []bench.Row{
		{
			Name: "live, event to line: median", Unit: millis, Weir: ms(0.5), Runs: 1,
			Note: fmt.Sprintf("%d events, timer %v", len(late), liveTimer), Bar: &bench.Bar{Most: true, Must: bar, Aim: bar},
		},
		{Name: "live, event to line: 90 %", Unit: millis, Weir: ms(0.9), Runs: 1},
	}, nil
}

// watch runs a viewer and the producer, and returns the latencies of the events
// that happened after the viewer's first line, in ms.
func (b *Bench) watch(ctx context.Context, p *producer, live netip.AddrPort) ([]float64, error) {
	v, out, err := benchproc.Program{
		Name: "weir view", Dir: b.scratch,
		Command: []string{b.Weir, "view", "--clock-seconds", "--from-beginning", fmt.Sprintf("net://%s/host/%s/%s", live, liveHost, liveName)},
	}.StartPiped()
	if err != nil {
		return nil, err
	}
	defer out.Close()
	var late []float64
	seen := make(chan error, 1)
	go func() { // ends with the viewer, which is ended below
		var err error
		late, err = latencies(bufio.NewScanner(out))
		seen <- err
	}()
	err = p.run(ctx, b.sizes.live)
	err = errors.Join(err, v.End(syscall.SIGTERM), <-seen)
	if err == nil && len(late) == 0 {
		err = v.Explain(errors.New("it showed no event"))
	}
	return late, err
}

// latencies reads lines that begin with "[SECONDS.NANOSECONDS]".
func latencies(lines *bufio.Scanner) ([]float64, error) {
	var late []float64
	var first int64
	for lines.Scan() {
		now := time.Now().UnixNano()
		at, err := lineTime(lines.Text())
		if err != nil {
			return nil, err
		}
		if first == 0 {
			first = now
		}
		if at > first {
			late = append(late, float64(now-at)/1e6)
		}
	}
	return late, nil // a viewer that is ended may leave half a line
}

func lineTime(line string) (int64, error) {
	text, _, ok := strings.Cut(strings.TrimPrefix(line, "["), "]")
	seconds, ns, dot := strings.Cut(text, ".")
	s, err1 := strconv.ParseInt(seconds, 10, 64)
	n, err2 := strconv.ParseInt(ns, 10, 64)
	if err := errors.Join(err1, err2); !ok || !dot || err != nil {
		return 0, fmt.Errorf("viewer: got line %q, want one that begins with [SECONDS.NANOSECONDS]", line)
	}
	return s*1e9 + n, nil
}
