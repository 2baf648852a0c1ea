// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ustbench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/benchproc"
	"github.com/weir-io/weir/internal/procstat"
)

const (
	domain  = "ust"
	session = "bench"
	channel = "rings"
	// cleanupTimeout is how long making up for what a bench has made may take.
	cleanupTimeout = 20 * time.Second
)

// weir is a session daemon of the executable under test.
type weir struct {
	b      *Bench
	p      *benchproc.Process
	client *agent.Client
	dir    string
}

func (b *Bench) startWeir(ctx context.Context) (recorder, error) {
	dir, err := os.MkdirTemp(b.scratch, "agent-")
	if err != nil {
		return nil, err
	}
	socket := filepath.Join(dir, "agent.sock")
	w := &weir{b: b, dir: dir, client: agent.New(socket)}
	w.p, err = benchproc.Program{
		Name: "weir agent", Dir: dir,
		Command: b.isolated(b.Weir, "agent", "--socket", socket, "--state-dir", filepath.Join(dir, "state"), "--log-level", "warn"),
	}.Start()
	if err != nil {
		return nil, err
	}
	err = w.p.Await(ctx, "it answers", func() bool {
		_, err := w.client.Sessions(ctx)
		return err == nil
	})
	if err != nil {
		return nil, errors.Join(err, w.end())
	}
	return w, nil
}

func (w *weir) end() error {
	w.client.Close()
	return w.p.End(syscall.SIGTERM)
}

func (w *weir) run(ctx context.Context, out string, l load) (t took, err error) {
	if err := w.open(ctx, out); err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	pids, err := procstat.Children(procstat.Host(), w.p.PID())
	if err == nil && len(pids) != 1 {
		err = fmt.Errorf("the session daemon has %d processes, want one consumer", len(pids))
	}
	if err != nil {
		return t, err
	}
	stop := func() error {
		_, err := w.client.Stop(ctx, session, true)
		return err
	}
	return w.b.measure(ctx, w.p, pids[0], w.dir, l, stop)
}

// open begins a session.
func (w *weir) open(ctx context.Context, out string) error {
	uris, _, err := agent.ParseConsumerURIs(out, "", "", w.dir)
	if err != nil {
		return err
	}
	if _, _, err := w.client.CreateSession(ctx, agent.CreateSession{Name: session, Mode: agent.Normal, URIs: uris, Home: w.dir}); err != nil {
		return fmt.Errorf("create: %w", err)
	}
	rings := agent.EnableChannel{
		ChannelSettings: agent.ChannelSettings{SubbufBytes: subbufBytes, SubbufCount: subbufCount},
		Domain:          domain, Name: channel,
	}
	if _, err = w.client.EnableChannel(ctx, session, rings); err == nil {
		rules := []agent.EventRule{{Type: agent.Tracepoint, Pattern: eventName, Enabled: true}}
		_, err = w.client.EnableEvents(ctx, session, agent.EnableEvents{Domain: domain, Channel: channel, Rules: rules})
	}
	if err == nil {
		_, err = w.client.Start(ctx, session)
	}
	if err != nil {
		return errors.Join(err, w.close())
	}
	return nil
}

// close ends the session, also when the bench is to end.
func (w *weir) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
	defer cancel()
	_, err := w.client.DestroySession(ctx, session, true)
	return err
}

// measure has a load recorded, until stop returns, and measures the consumer.
func (b *Bench) measure(ctx context.Context, daemon *benchproc.Process, consumer int, dir string, l load, stop func() error) (t took, err error) {
	g, err := b.startLoad(daemon, dir, l)
	if err != nil {
		return t, err
	}
	defer g.End()
	before, err := clocks(consumer, daemon.PID())
	if err != nil {
		return t, err
	}
	if t.load, err = g.run(ctx); err != nil {
		return t, err
	}
	between, err := clocks(consumer, daemon.PID())
	if err != nil {
		return t, err
	}
	if err := stop(); err != nil {
		return t, fmt.Errorf("stop: %w", err)
	}
	after, err := clocks(consumer, daemon.PID())
	if err != nil {
		return t, err
	}
	t.stop = after[0].Since(between[0])
	t.cpu, t.beside = after[0].Since(before[0]), after[1].Since(before[1])
	return t, nil
}

// clocks is what two processes had run.
func clocks(consumer, daemon int) (c [2]procstat.Clock, err error) {
	for i, pid := range [...]int{consumer, daemon} {
		if c[i], err = procstat.ReadClock(procstat.Host(), pid); err != nil {
			return c, err
		}
	}
	return c, nil
}

// count reads what is in a trace.
func (b *Bench) count(ctx context.Context, dir string) (recorded, discarded uint64, err error) {
	text, err := exec.CommandContext(ctx, b.Weir, "view", "--output", "count", "--json", dir).Output()
	if err != nil {
		return 0, 0, fmt.Errorf("weir view: %w", err)
	}
	var doc struct {
		Events    uint64 `json:"events"`
		Discarded uint64 `json:"events_discarded"`
		Packets   uint64 `json:"packets_lost"`
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return 0, 0, fmt.Errorf("weir view: %w", err)
	}
	if doc.Packets > 0 {
		return 0, 0, fmt.Errorf("%d packets lost", doc.Packets)
	}
	return doc.Events, doc.Discarded, nil
}
