// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/weir-io/weir/client"
	"github.com/weir-io/weir/internal/hosts"
	"github.com/weir-io/weir/internal/hoststat/alarm"
	"github.com/weir-io/weir/internal/hoststat/poll"
	"github.com/weir-io/weir/xmlsysd"
)

// Options say whom to ask, and for what.
type Options struct {
	Hosts func() []hosts.Host
	Delay time.Duration // the period
	TLS   *tls.Config   // for hosts by TLS; nil: the system's authorities
	// Enrolled makes the configuration for a host that has joined the hub; nil: TLS is that,
	// too.
	Enrolled func(name string) *tls.Config
	Rules    []alarm.Rule
	// Triggers are those of alarms about stalls.
	Triggers []xmlsysd.Trigger
	Select   []string // selectors of what Messages has; none: messages are not kept
	Log      *slog.Logger
}

// Fleet asks hosts. Its methods may be used by any number of goroutines.
type Fleet struct {
	o       Options
	cluster *poll.Cluster
	recent  recent // alarms

	mu   sync.Mutex
	kept map[string][]byte // guarded by mu: the last message of each host
}

// New returns a fleet without hosts, which is to be run.
func New(o Options) (*Fleet, error) {
	f := &Fleet{o: o, recent: newRecent(), kept: make(map[string][]byte)}
	secure := o.TLS
	if secure == nil {
		secure = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	cfg := poll.Config{
		Delay: o.Delay, Points: -1, Minutes: -1, TLS: secure, Enrolled: o.Enrolled, Rules: o.Rules, Triggers: o.Triggers, Select: o.Select, OnAlarm: f.alarmed, OnState: f.moved,
		Want: poll.WantSystem,
	}
	if len(o.Select) > 0 {
		cfg.OnMessage = f.keep
	}
	var err error
	if f.cluster, err = poll.New(cfg); err != nil {
		return nil, err
	}
	f.Update()
	return f, nil
}

// Run asks until ctx ends.
func (f *Fleet) Run(ctx context.Context) error { return f.cluster.Run(ctx) }

// Close gives back what a fleet has that will not be run.
func (f *Fleet) Close() {
	ended, end := context.WithCancel(context.Background())
	end()
	_ = f.cluster.Run(ended) // it ends at once
}

// Update takes up the hosts that are known now.
func (f *Fleet) Update() {
	list := f.o.Hosts()
	targets := make([]poll.Target, 0, len(list))
	known := make(map[string]bool, len(list))
	for i := range list {
		if h := &list[i]; h.Address != "" {
			targets = append(targets, poll.Target{Name: h.Name, Address: h.Address, Group: h.Group, TLS: h.TLS, Enrolled: h.Enrolled})
			known[h.Name] = true
		}
	}
	f.cluster.SetTargets(targets)
	f.mu.Lock()
	defer f.mu.Unlock()
	for name := range f.kept {
		if !known[name] {
			delete(f.kept, name)
		}
	}
}

// keep keeps a copy of a message.
func (f *Fleet) keep(h *poll.Host, body []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kept[h.Name] = append(f.kept[h.Name][:0], body...)
}

// up tells whether what a host has told is worth showing.
func up(h *poll.Host) bool { return h.State() == poll.OK || h.State() == poll.Overdue }

// Messages calls yield with the last message of each host that is up, until it
// returns false. Messages are valid until then.
func (f *Fleet) Messages(yield func(host string, message []byte) bool) {
	var names []string
	f.cluster.View(func(list []*poll.Host) {
		for _, h := range list {
			if up(h) {
				names = append(names, h.Name)
			}
		}
	})
	var message []byte
	for _, name := range names {
		f.mu.Lock()
		message = append(message[:0], f.kept[name]...)
		f.mu.Unlock()
		if len(message) > 0 && !yield(name, message) {
			return
		}
	}
}

// Up calls yield with each host that is asked and whether it answers.
func (f *Fleet) Up(yield func(host string, up bool)) {
	f.cluster.View(func(list []*poll.Host) {
		for _, h := range list {
			yield(h.Name, up(h))
		}
	})
}

// Statistics returns what is known of a host; nil if it is not asked.
func (f *Fleet) Statistics(name string) *client.HostStatistics {
	var s *client.HostStatistics
	f.cluster.View(func(list []*poll.Host) {
		for _, h := range list {
			if h.Name == name {
				s = f.show(h)
				return
			}
		}
	})
	return s
}

// All returns what is known of all hosts that are asked; of their numbers, those of the
// given names. One that is no number's is an error.
func (f *Fleet) All(values ...string) (map[string]*client.HostStatistics, error) {
	metrics := make([]poll.Metric, len(values))
	for i, name := range values {
		n, ok := poll.MetricByName(name)
		if !ok {
			return nil, fmt.Errorf("%q is no number of a host", name)
		}
		metrics[i] = poll.Metric(n)
	}
	all := make(map[string]*client.HostStatistics)
	f.cluster.View(func(list []*poll.Host) {
		for _, h := range list {
			s := f.state(h)
			if told := h.Values(); len(metrics) > 0 {
				s.Values = make(map[string]float64, len(metrics))
				for _, m := range metrics {
					add(s.Values, m, told[m])
				}
			}
			all[h.Name] = s
		}
	})
	return all, nil
}

// urgency orders levels of alarms.
var urgency = map[string]int{"info": 1, "warn": 2, "crit": 3}

// state shows the way to a host, and its alarms.
func (f *Fleet) state(h *poll.Host) *client.HostStatistics {
	s := &client.HostStatistics{State: h.State().String(), Reason: h.Reason(), Read: h.LastData()}
	for i, a := range h.Alarms() {
		if a.State == alarm.Firing {
			rule := &h.Rules()[i]
			s.Alarms = append(s.Alarms, rule.ID)
			if urgency[rule.Level] >= urgency[s.Level] {
				s.Level = rule.Level
			}
		}
	}
	return s
}

func (f *Fleet) show(h *poll.Host) *client.HostStatistics {
	s := f.state(h)
	s.Values = make(map[string]float64)
	for i, v := range h.Values() {
		add(s.Values, poll.Metric(i), v)
	}
	return s
}

// add adds a number that is there.
func add(values map[string]float64, m poll.Metric, v float64) {
	if !math.IsNaN(v) && !math.IsInf(v, 0) {
		values[m.String()] = v
	}
}

// moved logs a change of a host's state.
func (f *Fleet) moved(h *poll.Host, before poll.State) {
	f.o.Log.Debug("host", "host", h.Name, "state", h.State().String(), "before", before.String(), "reason", h.Reason())
}
