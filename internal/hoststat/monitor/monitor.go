// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package monitor

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/weir-io/weir/internal/hoststat/alarm"
	"github.com/weir-io/weir/internal/hoststat/poll"
	"github.com/weir-io/weir/internal/hoststat/roster"
	"github.com/weir-io/weir/internal/hoststat/table"
)

// lookPeriod is how often the file is looked at.
const lookPeriod = 2 * time.Second

// Options say what to watch.
type Options struct {
	Hosts    []string // lists as they are typed; none: the file
	File     string   // "": where it is looked for
	Local    bool     // this host alone
	Hub      *Hub     // whose hosts are watched; nil: no hub is asked
	Delay    time.Duration
	Sync     bool
	Want     poll.Want
	History  int // points; 0: the default, negative: none
	TLS      *tls.Config
	Enrolled func(name string) *tls.Config // for hosts that have joined the hub; nil: TLS is that, too
	Compress poll.Compression
	Command  []string // run for alarms, without a shell
	Keep     bool     // the last message of each host, for pages of messages
	Logger   *slog.Logger
}

// Monitor watches hosts for a command.
type Monitor struct {
	Cluster *poll.Cluster
	File    *roster.File // what was read at first; without a file, empty

	path   string        // of the file; "": there is none
	watch  *roster.Watch // of the file and what it includes
	listed bool          // the hosts are those of the file
	hub    *Hub          // whose hosts are watched; nil: none
	known  []roster.Host
	logger *slog.Logger
	runner *runner

	mu       sync.Mutex
	messages map[string][]byte // guarded by mu: the last of each host; nil: not kept
}

// Open finds out which hosts to watch. An error means that the caller or the file
// is at fault, unless it is a [*HubError].
func Open(o Options) (*Monitor, error) {
	m := &Monitor{File: new(roster.File), logger: o.Logger}
	hosts, err := m.hosts(o)
	if err != nil {
		return nil, err
	}
	for _, w := range m.File.Warnings {
		o.Logger.Warn("hosts file", "warning", w)
	}
	if o.Delay == 0 {
		o.Delay = m.File.Delay
	}
	cfg := poll.Config{
		Delay: o.Delay, Sync: o.Sync, Want: o.Want, TLS: o.TLS, Enrolled: o.Enrolled, Compress: o.Compress, Rules: m.File.Alarms, Mask: m.File.Mask(),
		Triggers: m.File.Triggers, Points: o.History, Minutes: minutes(o.History), OnAlarm: m.alarmed, OnState: m.moved,
	}
	if o.Keep {
		m.messages = make(map[string][]byte)
		cfg.OnMessage = m.keep
	}
	if len(o.Command) > 0 {
		m.runner = newRunner(o.Command, o.Logger)
	}
	if m.Cluster, err = poll.New(cfg); err != nil {
		return nil, err
	}
	m.Cluster.SetTargets(targets(hosts))
	return m, nil
}

// values are what alarms may be about.
func values() roster.Values {
	return roster.Values{Place: poll.MetricByName, Stall: poll.StallCondition}
}

// minutes is how long the history by minute is for one by points.
func minutes(points int) int {
	switch {
	case points < 0:
		return -1
	case points == 0:
		return poll.MinuteCount
	}
	return max(1, points*poll.MinuteCount/poll.PointCount)
}

// hosts returns the hosts of the command line, the hub, the file, or this one. Hosts
// that are named do not make the file's alarms go away.
func (m *Monitor) hosts(o Options) ([]roster.Host, error) {
	var named []roster.Host
	for _, list := range o.Hosts {
		hosts, err := roster.ParseList(list)
		if err != nil {
			return nil, err
		}
		named = append(named, hosts...)
	}
	if o.Local && len(named) == 0 {
		named = []roster.Host{roster.Local()}
	}
	path := o.File
	if path == "" && !o.Local {
		home, _ := os.UserHomeDir() // without one there is no file in it
		path = roster.Find(os.Getenv, home)
	}
	if path != "" {
		m.watch = roster.NewWatch([]string{path})
		file, err := roster.Load(path, values())
		if err != nil {
			return nil, err
		}
		m.path, m.File = path, file
		m.follow(file)
	}
	if len(named) > 0 {
		return named, nil
	}
	if o.Hub != nil && !o.Local && (o.Hub.Named || path == "") {
		if known, err := m.ask(o.Hub); err != nil || m.hub != nil {
			return known, err
		}
	}
	m.listed = path != ""
	return hostsOf(m.File), nil
}

// hostsOf returns the hosts of a file; one that names none has alarms for this host.
func hostsOf(f *roster.File) []roster.Host {
	if len(f.Hosts) == 0 {
		return []roster.Host{roster.Local()}
	}
	return f.Hosts
}

func targets(hosts []roster.Host) []poll.Target {
	all := make([]poll.Target, len(hosts))
	for i, h := range hosts {
		all[i] = poll.Target{Name: table.Clean(h.Name), Address: h.Address, Group: h.Group, TLS: h.TLS, Enrolled: h.Enrolled, Problem: h.Problem}
	}
	return all
}

// Run watches until ctx ends. A value from reload has the file read anew.
func (m *Monitor) Run(ctx context.Context, reload <-chan os.Signal) error {
	var others sync.WaitGroup
	defer others.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if m.runner != nil {
		others.Go(func() { m.runner.run(ctx) }) // ends with ctx
	}
	others.Go(func() { m.lookAfterFile(ctx, reload) }) // ends with ctx
	others.Go(func() { m.lookAfterHub(ctx) })          // ends with ctx
	return m.Cluster.Run(ctx)
}

// lookAfterFile reads the file anew when it has changed.
func (m *Monitor) lookAfterFile(ctx context.Context, reload <-chan os.Signal) {
	if m.path == "" {
		return
	}
	tick := time.NewTicker(lookPeriod)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-reload:
			m.watch.Changed() // what changes after this is seen at the next look
		case <-tick.C:
			if !m.watch.Changed() {
				continue
			}
		}
		m.read()
	}
}

// read reads the file anew: hosts, alarms and which processes are asked for. Periods
// and views are for who watches to choose.
func (m *Monitor) read() {
	file, err := roster.Load(m.path, values())
	if err != nil {
		// What is watched goes on: a file that is being written is no reason to stop.
		m.logger.Warn("hosts file", "error", err.Error())
		return
	}
	m.follow(file)
	for _, w := range file.Warnings {
		m.logger.Warn("hosts file", "warning", w)
	}
	if m.listed {
		m.Cluster.SetTargets(targets(hostsOf(file)))
	}
	m.Cluster.SetAlarms(file.Alarms, file.Triggers)
	m.Cluster.SetMask(file.Mask())
	m.logger.Info("hosts file read anew", "hosts", len(file.Hosts), "alarms", len(file.Alarms))
}

// follow watches a file and what it includes.
func (m *Monitor) follow(f *roster.File) {
	if !slices.Equal(m.watch.Paths(), f.Paths) {
		m.watch = roster.NewWatch(f.Paths)
	}
}

// moved logs a change of a host's state.
func (m *Monitor) moved(h *poll.Host, before poll.State) {
	m.logger.Debug("host", "host", h.Name, "state", h.State().String(), "before", before.String(), "reason", h.Reason())
}

// alarmed hands an alarm on.
func (m *Monitor) alarmed(e poll.Event) {
	word := "alarm ended"
	if e.State == alarm.Firing {
		word = "alarm"
	}
	m.logger.Info(word, "host", e.Host, "alarm", e.Rule.ID, "level", e.Rule.Level, "value", fmt.Sprint(e.Value))
	if m.runner != nil {
		m.runner.add(e)
	}
}

// keep keeps a copy of a message.
func (m *Monitor) keep(h *poll.Host, body []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.messages[h.Name] = append(m.messages[h.Name][:0], body...)
}
