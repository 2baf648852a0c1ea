// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracebench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/benchproc"
	"github.com/weir-io/weir/internal/procstat"
)

const (
	domain = "kernel"
	host   = "bench"
	// cleanupTimeout is how long making up for what a bench has made may take.
	cleanupTimeout = 20 * time.Second
	// Rings of both recorders, the default of weir's: bytes a processor.
	subbufBytes = 256 << 10
	subbufCount = 16
	ringBytes   = subbufBytes * subbufCount
)

// daemon is a session daemon of the executable under test.
type daemon struct {
	p      *benchproc.Process
	client *agent.Client
	dir    string
}

// startDaemon starts a session daemon of the bench's own.
func (b *Bench) startDaemon(ctx context.Context) (*daemon, error) {
	dir, err := os.MkdirTemp(b.scratch, "agent-")
	if err != nil {
		return nil, err
	}
	socket := filepath.Join(dir, "agent.sock")
	d := &daemon{dir: dir, client: agent.New(socket)}
	d.p, err = benchproc.Program{
		Name: "weir agent", Dir: dir,
		Command: []string{b.Weir, "agent", "--socket", socket, "--state-dir", filepath.Join(dir, "state"), "--hostname", host, "--log-level", "warn"},
	}.Start()
	if err != nil {
		return nil, err
	}
	err = d.p.Await(ctx, "it answers", func() bool {
		_, err := d.client.Sessions(ctx)
		return err == nil
	})
	if err != nil {
		return nil, errors.Join(err, d.end())
	}
	return d, nil
}

func (d *daemon) end() error {
	d.client.Close()
	return d.p.End(syscall.SIGTERM)
}

// withDaemon does something with a session daemon.
func (b *Bench) withDaemon(ctx context.Context, do func(*daemon) error) (err error) {
	d, err := b.startDaemon(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.end()) }()
	return do(d)
}

// wanted is what a session records.
type wanted struct {
	rules   []agent.EventRule
	context []string      // further fields
	naming  string        // of events; "": LTTng's
	live    time.Duration // timer; 0: not live
	to      string        // directory or relay
	self    bool          // also the session daemon's own threads
	ring    uint64        // bytes of each processor's ring; 0: the default
}

func rule(kind agent.EventType, pattern string) agent.EventRule {
	return agent.EventRule{Type: kind, Pattern: pattern, Enabled: true}
}

// session is a session of the daemon's.
type session struct {
	d        *daemon
	name     string
	consumer int // process
}

// open makes a session.
func (d *daemon) open(ctx context.Context, w wanted) (_ *session, err error) {
	uris, _, err := agent.ParseConsumerURIs(w.to, "", "", d.dir)
	if err != nil {
		return nil, err
	}
	r := agent.CreateSession{Name: host, Mode: agent.Normal, URIs: uris, Naming: w.naming, TraceSelf: w.self, Home: d.dir}
	if w.live > 0 {
		r.Mode, r.LiveTimer = agent.Live, w.live
	}
	made, _, err := d.client.CreateSession(ctx, r)
	if err != nil {
		return nil, fmt.Errorf("create: %w", err)
	}
	s := &session{d: d, name: made.Name}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if w.ring > 0 {
		const subbuf = 256 << 10
		r := agent.EnableChannel{
			ChannelSettings: agent.ChannelSettings{SubbufBytes: subbuf, SubbufCount: w.ring / subbuf},
			Domain:          domain, Name: "channel0",
		}
		if _, err := d.client.EnableChannel(ctx, s.name, r); err != nil {
			return nil, fmt.Errorf("enable-channel: %w", err)
		}
	}
	if _, err := d.client.EnableEvents(ctx, s.name, agent.EnableEvents{Domain: domain, Rules: w.rules}); err != nil {
		return nil, fmt.Errorf("enable-event: %w", err)
	}
	if len(w.context) > 0 {
		if _, err := d.client.AddContext(ctx, s.name, agent.AddContext{Domain: domain, Types: w.context}); err != nil {
			return nil, fmt.Errorf("add-context: %w", err)
		}
	}
	return s, nil
}

// start begins to record.
func (s *session) start(ctx context.Context) error {
	if _, err := s.d.client.Start(ctx, s.name); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	pids, err := procstat.Children(procstat.Host(), s.d.p.PID())
	if err == nil && len(pids) != 1 {
		err = fmt.Errorf("the session daemon has %d processes, want one consumer", len(pids))
	}
	if err != nil {
		return err
	}
	s.consumer = pids[0]
	return nil
}

// stop ends recording; all is written then.
func (s *session) stop(ctx context.Context) error {
	if _, err := s.d.client.Stop(ctx, s.name, true); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	return nil
}

// move gives the session another place.
func (s *session) move(ctx context.Context, to string) error {
	uris, _, err := agent.ParseConsumerURIs(to, "", "", s.d.dir)
	if err != nil {
		return err
	}
	if _, err := s.d.client.SetConsumerURI(ctx, s.name, uris); err != nil {
		return fmt.Errorf("set the consumer's URI: %w", err)
	}
	if _, err := s.d.client.EnableConsumer(ctx, s.name, agent.EnableConsumer{}); err != nil {
		return fmt.Errorf("enable-consumer: %w", err)
	}
	return nil
}

// close ends the session, also when the bench is to end.
func (s *session) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
	defer cancel()
	_, err := s.d.client.DestroySession(ctx, s.name, true)
	if p, ok := errors.AsType[*agent.Problem](err); ok && p.Code == agent.CodeSessionNotFound {
		return nil
	}
	return err
}

// counts is what a session has recorded.
type counts struct {
	events, discarded, packets, packetsLost, bytes uint64
}

func (s *session) counts(ctx context.Context) (c counts, err error) {
	doc, err := s.d.client.Session(ctx, s.name)
	if err != nil {
		return c, err
	}
	for _, d := range doc.Domains {
		for _, ch := range d.Channels {
			for _, st := range ch.Streams {
				c.events += st.Events
				c.discarded += st.Discarded
				c.packets += st.Packets
				c.packetsLost += st.Lost
				c.bytes += st.Bytes
			}
		}
	}
	c.packetsLost = max(c.packetsLost, doc.Consumer.Lost)
	return c, nil
}

// clocks is what the processes of a session had run.
type clocks struct{ consumer, agent procstat.Clock }

func (s *session) clocks() (c clocks, err error) {
	if c.consumer, err = procstat.ReadClock(procstat.Host(), s.consumer); err != nil {
		return c, err
	}
	c.agent, err = procstat.ReadClock(procstat.Host(), s.d.p.PID())
	return c, err
}

// startRelay starts a relay of the executable under test.
func (b *Bench) startRelay(ctx context.Context) (*benchproc.Relay, error) {
	dir, err := os.MkdirTemp(b.scratch, "relay-")
	if err != nil {
		return nil, err
	}
	r, err := benchproc.NewRelay("weir relayd", benchproc.WeirRelay(b.Weir), dir)
	if err != nil {
		return nil, err
	}
	return r, r.Start(ctx)
}

// relayURL is where a session's data goes.
func relayURL(r *benchproc.Relay) string {
	return fmt.Sprintf("net://%s:%d:%d", r.Control.Addr(), r.Control.Port(), r.Data.Port())
}
