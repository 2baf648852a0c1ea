// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package viewbench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/weir-io/weir/internal/bench"
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
	relay, ports, err := b.startRelay(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		if e := end(relay); err == nil {
			err = e
		}
	}()
	p, err := openProducer(ctx, filepath.Join(b.scratch, "declared"), ports[0], ports[1])
	if err != nil {
		return nil, err
	}
	defer p.close()
	late, err := b.watch(ctx, p, ports[2])
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

// startRelay starts a relay and returns when its three ports (control, data,
// live) listen.
func (b *Bench) startRelay(ctx context.Context) (*exec.Cmd, [3]string, error) {
	dir := filepath.Join(b.scratch, "relay")
	var ports [3]string
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, ports, err
	}
	var taken []net.Listener // until all are chosen: they must differ
	for i := range ports {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return nil, ports, err
		}
		taken = append(taken, l)
		ports[i] = l.Addr().String()
	}
	c := exec.CommandContext(ctx, b.Weir, "relayd", "--http", "none",
		"-C", "tcp://"+ports[0], "-D", "tcp://"+ports[1], "-L", "tcp://"+ports[2], "-o", dir)
	c.Env = append(os.Environ(), "HOME="+dir, "LTTNG_HOME="+dir, "LTTNG_RUNDIR="+dir, "LTTNG_RELAYD_HEALTH="+filepath.Join(dir, "health"))
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	c.WaitDelay = 10 * time.Second
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	for _, l := range taken {
		l.Close()
	}
	return c, ports, c.Start()
}

// end ends a process that was started.
func end(c *exec.Cmd) error {
	if err := c.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	err := c.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signaled() {
		return nil // it was asked to
	}
	return err
}

// dial connects to a port that another process is about to listen on.
func dial(ctx context.Context, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, 20*time.Second, errors.New(address+" does not listen"))
	defer cancel()
	retry := time.NewTicker(5 * time.Millisecond)
	defer retry.Stop()
	for {
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp4", address)
		if err == nil {
			return c, nil
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-retry.C:
		}
	}
}

// watch runs a viewer and the producer, and returns the latencies of the events
// that happened after the viewer's first line, in ms.
func (b *Bench) watch(ctx context.Context, p *producer, port string) ([]float64, error) {
	c := exec.CommandContext(ctx, b.Weir, "view", "--clock-seconds", "--from-beginning",
		fmt.Sprintf("net://%s/host/%s/%s", port, liveHost, liveName))
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var complaint strings.Builder
	c.Stderr = &limited{&complaint, maxErrorBytes}
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, err
	}
	var late []float64
	seen := make(chan error, 1)
	go func() { // ends with the viewer, which end waits for
		var err error
		late, err = latencies(bufio.NewScanner(out))
		seen <- err
	}()
	produced := p.run(ctx, b.sizes.live)
	ended := end(c)
	err = errors.Join(<-seen, produced)
	switch {
	case err != nil:
		return nil, err
	case len(late) == 0:
		return nil, fmt.Errorf("the viewer showed no event: %w: %s", ended, strings.TrimSpace(complaint.String()))
	}
	return late, nil
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
