// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaybench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/bench"
	"github.com/weir-io/weir/internal/procstat"
	"github.com/weir-io/weir/lttng"
)

// Sizes of the scenarios.
const (
	announceConnections = 100
	announcedBytes      = lttng.MaxControlPayload
	announceBodyBytes   = 64 << 10 // of the announced payload, really sent
	memoryLimit         = 4 * gib  // resident bytes of a relay at which a scenario stops
	memoryPackets       = 4        // of each stream
	memorySessions      = 8
)

// Names of the scenarios in results.
const (
	scenarioStreams  = "streams"
	scenarioIdle     = "idle connections"
	scenarioAnnounce = "128 MiB announcements"
)

// Strain is the result of a scenario with one relay.
type Strain struct {
	Scenario string `json:"scenario"`
	Relay    string `json:"relay"`
	Wanted   int    `json:"wanted"`         // streams or connections
	Opened   int    `json:"opened"`         // of Wanted
	Held     int    `json:"held,omitempty"` // connections that the relay had not closed at the end

	Alive       bool    `json:"alive"`                   // the relay ran on to the end
	BeforeMiB   float64 `json:"rss_before_mib"`          // resident before the strain
	PeakMiB     float64 `json:"rss_peak_mib"`            // peak resident
	ChildrenMiB float64 `json:"rss_children_mib"`        // peak resident of its child processes
	BeforeRate  float64 `json:"before_mib_per_s"`        // of a session before the strain
	DuringRate  float64 `json:"during_mib_per_s"`        // of the same session during it
	NewSession  bool    `json:"new_session"`             // another session could be opened and loaded during it
	Remark      string  `json:"remark,omitempty"`        // why there is no new session
	Error       string  `json:"error,omitempty"`         // what harmed the relay or the session
	Limited     bool    `json:"stopped_early,omitempty"` // at 4 GiB of resident memory
}

// StreamsMemory measures each relay's memory with the given number of open
// streams that each got a few packets of 4 KiB.
func (b Bench) StreamsMemory(ctx context.Context, streams int) ([]Strain, error) {
	sessions := memorySessions
	if streams%sessions != 0 {
		sessions = 1
	}
	w := Workload{Cell: Cell{sessions, streams / sessions, 4096}}
	w.VolumeBytes = int64(streams) * memoryPackets * int64(w.PacketBytes)
	if err := w.check(); err != nil {
		return nil, err
	}
	return b.strain(ctx, scenarioStreams, streams, func(ctx context.Context, p process, s *Strain) error {
		m, err := procstat.ReadMemory(procstat.Host(), p.PID())
		if err != nil {
			return err
		}
		s.BeforeMiB = float64(m.Resident) / mib
		l, err := Open(ctx, p.Ports, w, false)
		if err != nil {
			return err
		}
		defer l.Close()
		s.Opened = streams
		_, err = l.Run(ctx)
		return err
	})
}

// IdleConnections opens the given number of control connections that say
// nothing and measures what that does to a session.
func (b Bench) IdleConnections(ctx context.Context, connections int) ([]Strain, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return nil, fmt.Errorf("open files: %w", err)
	}
	const others = 128 // descriptors of everything else
	if uint64(connections)+others > limit.Cur {
		return nil, fmt.Errorf("idle connections: %d need %d open files, the limit is %d", connections, connections+others, limit.Cur)
	}
	return b.strain(ctx, scenarioIdle, connections, func(ctx context.Context, p process, s *Strain) error {
		return p.withBystander(ctx, s, func(*socket) {})
	})
}

// Announce opens 100 connections that announce payloads of 128 MiB, send a
// little of them and stay, and measures what that does to a session. It stops
// when the relay has more than 4 GiB resident.
func (b Bench) Announce(ctx context.Context) ([]Strain, error) {
	return b.announce(ctx, announceConnections)
}

func (b Bench) announce(ctx context.Context, connections int) ([]Strain, error) {
	header := lttng.ControlHeader{Cmd: lttng.CmdSendMetadata, DataSize: announcedBytes}.Append(nil)
	body := make([]byte, announceBodyBytes)
	return b.strain(ctx, scenarioAnnounce, connections, func(ctx context.Context, p process, s *Strain) error {
		return p.withBystander(ctx, s, func(sock *socket) {
			// A relay that refuses may have closed while the body is on its
			// way: that is its right, and shows in Held.
			_ = sock.write2(header, body)
		})
	})
}

// strain runs a scenario once with each relay.
func (b Bench) strain(ctx context.Context, name string, wanted int, do func(context.Context, process, *Strain) error) ([]Strain, error) {
	b, err := b.withDefaults()
	if err != nil {
		return nil, err
	}
	var results []Strain
	for _, relay := range b.Relays {
		s := Strain{Scenario: name, Relay: relay.Label, Wanted: wanted}
		err := b.withRelay(ctx, relay, func(ctx context.Context, p process) error {
			if err := do(ctx, p, &s); err != nil {
				return p.Explain(err)
			}
			var at Run
			if err := p.measureMemory(&at); err != nil {
				return err
			}
			s.PeakMiB, s.ChildrenMiB = max(s.PeakMiB, at.PeakMiB), at.ChildrenMiB
			s.Alive = p.Alive()
			return nil
		})
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			s.Error = err.Error()
		}
		results = append(results, s)
	}
	return results, nil
}

func (s *Strain) notePeak(m procstat.Memory) { s.PeakMiB = max(s.PeakMiB, float64(m.Peak)/mib) }

// bystander is the load of the session that must not be harmed.
func bystander() Workload {
	return Workload{Cell: Cell{1, 16, 4096}, VolumeBytes: 64 * mib}.withDefaults()
}

// withBystander loads a session, opens the wanted connections with use done to
// each, and loads the same session and a new one while they stay.
func (p process) withBystander(ctx context.Context, s *Strain, use func(*socket)) error {
	l, err := Open(ctx, p.Ports, bystander(), false)
	if err != nil {
		return err
	}
	defer l.Close()
	if s.BeforeRate, err = rate(ctx, l); err != nil {
		return err
	}
	m, err := procstat.ReadMemory(procstat.Host(), p.PID())
	if err != nil {
		return err
	}
	s.BeforeMiB = float64(m.Resident) / mib
	crowd, err := p.gather(ctx, s, func(sock *socket) error {
		use(sock)
		return l.settle()
	})
	defer func() {
		for _, sock := range crowd {
			sock.close()
		}
	}()
	if err != nil {
		return err
	}
	if s.DuringRate, err = rate(ctx, l); err != nil {
		return fmt.Errorf("the session that stood before: %w", err)
	}
	// A relay at its limit of connections may refuse: that is a finding, no
	// harm to those who are there.
	if err := p.tryNewSession(ctx); err != nil {
		s.Remark = "a new session: " + err.Error()
	}
	s.NewSession = s.Remark == ""
	for _, sock := range crowd {
		if sock.open() {
			s.Held++
		}
	}
	return nil
}

// gather opens the wanted connections until the relay accepts no more or holds
// too much memory. It returns all that were opened, with an error too.
func (p process) gather(ctx context.Context, s *Strain, use func(*socket) error) ([]*socket, error) {
	var crowd []*socket
	for s.Opened < s.Wanted {
		sock, err := dial(ctx, p.Ports.Control)
		if err != nil {
			return crowd, fmt.Errorf("connection %d: %w", s.Opened+1, err)
		}
		crowd = append(crowd, sock)
		s.Opened++
		if err := use(sock); err != nil {
			return crowd, err
		}
		m, err := procstat.ReadMemory(procstat.Host(), p.PID())
		if err != nil {
			return crowd, err
		}
		s.notePeak(m)
		if m.Resident > memoryLimit {
			s.Limited = true
			break
		}
	}
	return crowd, nil
}

// settle asks a question on each session: with its answer, what was sent to the
// relay before has had its effect, if it works in order.
func (l *Load) settle() error {
	for _, p := range l.producers {
		s := p.streams[0]
		if _, err := p.control.pending(lttng.DataPending{Stream: s.id, LastNetSeqNum: s.next - 1}); err != nil {
			return fmt.Errorf("session %d: %w", p.number, err)
		}
	}
	return nil
}

// tryNewSession opens a session and loads it.
func (p process) tryNewSession(ctx context.Context) error {
	l, err := Open(ctx, p.Ports, bystander(), false)
	if err != nil {
		return err
	}
	defer l.Close()
	_, err = l.Run(ctx)
	return err
}

// rate runs a load and returns its MiB/s.
func rate(ctx context.Context, l *Load) (float64, error) {
	o, err := l.Run(ctx)
	if err != nil {
		return 0, err
	}
	return float64(o.Bytes) / mib / o.Stored.Seconds(), nil
}

// WriteStrains writes the results of scenarios as a table.
func WriteStrains(w io.Writer, strains []Strain) error {
	if err := strainTable(strains).WriteText(w); err != nil {
		return err
	}
	for _, s := range strains {
		for _, text := range []string{s.Remark, s.Error} {
			if text == "" {
				continue
			}
			if _, err := fmt.Fprintf(w, "\n%s, %s: %s\n", s.Scenario, s.Relay, text); err != nil {
				return err
			}
		}
	}
	return nil
}

// WriteStrainsMarkdown writes the results of scenarios as a Markdown table.
func WriteStrainsMarkdown(w io.Writer, strains []Strain) error {
	return strainTable(strains).WriteMarkdown(w)
}

// WriteStrainsJSON writes each result as a line of JSON, {"strain": …}.
func WriteStrainsJSON(w io.Writer, strains []Strain) error {
	for _, s := range strains {
		if err := writeLine(w, map[string]any{"strain": s}); err != nil {
			return err
		}
	}
	return nil
}

func strainTable(strains []Strain) *bench.Table {
	t := bench.NewTable("scenario", "relay", "opened", "held", "alive", "RSS before MiB", "RSS peak MiB",
		"session before MiB/s", "during MiB/s", "new session")
	for _, s := range strains {
		t.Add(s.cells()...)
	}
	return t
}

func (s Strain) cells() []string {
	peak := memoryText(s.PeakMiB, s.ChildrenMiB)
	if s.Limited {
		peak = "> " + peak
	}
	held, session := strconv.Itoa(s.Held), yes(s.NewSession)
	if s.Scenario == scenarioStreams {
		held, session = figure(0, 0), figure(0, 0)
	}
	return []string{
		s.Scenario, s.Relay, fmt.Sprintf("%d of %d", s.Opened, s.Wanted), held, yes(s.Alive),
		figure(s.BeforeMiB, 1), peak, figure(s.BeforeRate, 0), figure(s.DuringRate, 0), session,
	}
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// StrainError returns an error that names the first relay, other than the
// baseline, that a scenario harmed.
func StrainError(strains []Strain) error {
	var labels []string
	for _, s := range strains {
		if !slices.Contains(labels, s.Relay) {
			labels = append(labels, s.Relay)
		}
	}
	for _, s := range strains {
		if s.Error != "" && s.Relay != baseline(labels) {
			return errors.New(s.Scenario + " with " + s.Relay + ": " + s.Error)
		}
	}
	return nil
}
