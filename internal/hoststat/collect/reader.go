// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"errors"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/kernel/sockdiag"
)

// Options say where a reader looks.
type Options struct {
	Proc, Sys string // roots of the kernel's files
}

// Sample is a value with names and values of its labels.
type Sample struct {
	Labels []string
	Value  float64
}

// Kind is the type of a family.
type Kind uint8

// Kinds.
const (
	Gauge Kind = iota
	Counter
	Untyped
)

// Family is a set of samples that differ by their labels.
type Family struct {
	Name    string
	Kind    Kind
	Samples []Sample
}

// Collector is what one has found.
type Collector struct {
	Name     string // as node_exporter calls it; empty: a part of another one
	Section  string // of the engine, whose selection it follows
	OK       bool
	Took     time.Duration
	Families []Family
}

// Reader reads all collectors.
type Reader struct {
	o      Options
	queues func(sockdiag.Family) (sockdiag.Queues, error) // nil: the host is a fixture
	dmi    []string                                       // labels; nil: not read yet

	now   func() time.Time
	found []finding // by collector
}

// finding is what a collector has found last, and until when it is not asked again.
type finding struct {
	until    time.Time
	families []Family
	err      error
	took     time.Duration
}

// Times for which collectors are not asked again.
const (
	absent = time.Minute      // that found nothing: most hosts have few of the devices
	costly = 12 * time.Second // that walks; less than three readings of every 5 s
)

// New returns a reader. It opens nothing.
func New(o Options) *Reader {
	r := &Reader{now: time.Now, found: make([]finding, len(collectors)), o: Options{Proc: strings.TrimRight(o.Proc, "/"), Sys: strings.TrimRight(o.Sys, "/")}}
	var st unix.Statfs_t
	if unix.Statfs(o.Proc, &st) == nil && st.Type == unix.PROC_SUPER_MAGIC {
		r.queues = sockdiag.CountQueues
	}
	return r
}

// errAbsent says that a host has nothing of what a collector shows.
var errAbsent = errors.New("not on this host")

// collector is one of node_exporter's, or a part of one.
type collector struct {
	name, section string
	read          func(*Reader, *page) error
}

// collectors are all of them.
var collectors = [...]collector{
	{"bcache", agent, (*Reader).bcache},
	{"bonding", "proc/net/dev", (*Reader).bonding},
	{"btrfs", "system/filesystems", (*Reader).btrfs},
	{"", "proc/stat", (*Reader).throttles},
	{"cpufreq", "system/cpufreq", (*Reader).cpufreq},
	{"dmi", "system/host", (*Reader).machine},
	{"edac", agent, (*Reader).edac},
	{"fibrechannel", agent, (*Reader).fibreChannel},
	{"hwmon", "system/sensors", (*Reader).hwmon},
	{"infiniband", agent, (*Reader).infiniBand},
	{"ipvs", agent, (*Reader).ipvs},
	{"nfs", agent, (*Reader).nfs},
	{"nfsd", agent, (*Reader).nfsd},
	{"nvme", agent, (*Reader).nvme},
	{"powersupplyclass", agent, (*Reader).powerSupplies},
	{"rapl", agent, (*Reader).rapl},
	{"systemd", agent, (*Reader).systemd},
	{"tapestats", agent, (*Reader).tapes},
	{"udp_queues", "proc/net/sockstat", (*Reader).udpQueues},
	{"xfs", "system/filesystems", (*Reader).xfs},
	{"zfs", "system/filesystems", (*Reader).zfs},
}

// walks is the collector for which the kernel goes through tables that may be large.
const walks = "udp_queues"

// agent is the section that what has none follows.
const agent = "system/agent"

// Names returns the names of the collectors.
func Names() (names []string) {
	for _, c := range collectors {
		if c.name != "" {
			names = append(names, c.name)
		}
	}
	return names
}

// Read reads all.
func (r *Reader) Read() []Collector {
	list := make([]Collector, 0, len(collectors))
	for i := range collectors {
		c, f := &collectors[i], r.read(i, r.now())
		list = append(list, Collector{Name: c.name, Section: c.section, OK: f.err == nil, Took: f.took, Families: f.families})
	}
	return list
}

// read reads one, unless that was done not long ago.
func (r *Reader) read(i int, now time.Time) *finding {
	f := &r.found[i]
	if now.Before(f.until) {
		return f
	}
	var p page
	err := collectors[i].read(r, &p)
	*f = finding{families: p.families, err: err, took: r.now().Sub(now)}
	switch {
	case len(p.families) == 0 && (err == nil || errors.Is(err, errAbsent)):
		f.until = now.Add(absent)
	case err == nil && collectors[i].name == walks:
		f.until = now.Add(costly)
	}
	return f
}

// page is what a collector fills.
type page struct {
	families []Family
	places   map[string]int // of the families
}

// gauge adds a sample of a gauge.
func (p *page) gauge(name string, v float64, labels ...string) { p.add(name, Gauge, v, labels) }

// counter adds a sample of a counter.
func (p *page) counter(name string, v float64, labels ...string) { p.add(name, Counter, v, labels) }

// add adds a sample of a family, whose name is given without what all begin with.
func (p *page) add(name string, k Kind, v float64, labels []string) {
	at, ok := p.places[name]
	if !ok {
		if p.places == nil {
			p.places = make(map[string]int)
		}
		at = len(p.families)
		p.places[name] = at
		p.families = append(p.families, Family{Name: "node_" + name, Kind: k})
	}
	f := &p.families[at]
	f.Samples = append(f.Samples, Sample{labels, v})
}
