// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"log/slog"
	"slices"
	"time"

	"github.com/weir-io/weir/xmlsysd"
)

// Options say where an engine reads and how much it may cost.
type Options struct {
	ProcRoot string // where /proc is mounted; empty: /proc
	SysRoot  string // empty: /sys
	Root     string // of other files, and of mount points; empty: /

	MinInterval    time.Duration // samples younger than this are shared; 0: 100 ms, negative: none is
	SectionTimeout time.Duration // after which a message goes without a section; 0: 1 s
	SlowPeriod     time.Duration // of slow sections; 0: 5 s
	Budget         float64       // CPU in percent of one, over a minute, above which costly sections are read less often; 0: 1, negative: no limit

	Expose   Expose
	RawAllow []string // patterns added to those that raw files must match
	RawDeny  []string // patterns added to those that raw files must not match
	SkipFS   []string // types of file systems that are left out; nil: those without storage

	Version string       // what system/agent calls the program
	Log     *slog.Logger // nil: none
}

// Expose are the switches of what others may see of people on the host.
type Expose struct {
	Cmdline  bool // command lines, and input and output of processes
	Sessions bool // who is logged in from where
	Raw      bool // files by path
	Cgroups  bool // names and use of control groups
}

func (o Options) withDefaults() Options {
	setDefault(&o.ProcRoot, "/proc")
	setDefault(&o.SysRoot, "/sys")
	setDefault(&o.Root, "/")
	setDefault(&o.MinInterval, 100*time.Millisecond)
	setDefault(&o.SectionTimeout, time.Second)
	setDefault(&o.SlowPeriod, 5*time.Second)
	setDefault(&o.Budget, 1)
	if o.SkipFS == nil {
		o.SkipFS = withoutStorage
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Query is what a session asks besides which elements. It is not changed once it
// was handed over: a section that hangs may still read it.
type Query struct {
	Tasks    xmlsysd.TaskMask
	Raw      []xmlsysd.RawRule // files by path, the last rule that matches decides
	Triggers []*Trigger        // of the reader

	// MaxAge is for who asks more often than every Options.MinInterval, and wants
	// another sample each time: older ones are not shared with him. 0: no limit.
	MaxAge time.Duration
}

// limited is up to which age samples are shared with a session that has a limit of
// its own, 0 for none.
func limited(interval, limit time.Duration) time.Duration {
	if limit > 0 {
		return min(interval, limit)
	}
	return interval
}

// WithoutStorage returns the types of file systems that are left out unless
// Options.SkipFS says otherwise.
func WithoutStorage() []string { return slices.Clone(withoutStorage) }

// withoutStorage are the types of file systems that store nothing. An overlay is
// shown as the root only.
var withoutStorage = []string{
	"autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs", "efivarfs", "fusectl", "hugetlbfs",
	"mqueue", "nsfs", "overlay", "proc", "pstore", "rpc_pipefs", "securityfs", "selinuxfs", "sysfs", "tracefs",
}
