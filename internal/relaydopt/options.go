// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package relaydopt reads what starts lttng-relayd, so that weir can stand in
// for it: the command line by the rules of GNU getopt_long, the INI files, and
// the environment. It decides and checks, and changes nothing: directories,
// sockets and processes are other packages' work.
//
// # Order
//
// Later wins: defaults, /etc/lttng/lttng.conf, $LTTNG_HOME/.lttng/lttng.conf,
// the file of --config, the command line. The one exception is lttng-relayd's:
// a grouping option may be given once in all of these together.
//
// # Leniency
//
// What stands in a file never stops the relay, except grouping options given
// twice, a descriptor pool size outside its limits and an unusable directory:
// the rest ends as a warning and the value before stays. The command line is
// strict. Each error leads to exit status 1.
//
// Where weir differs from lttng-relayd 2.13: --config works, plain tcp:// takes
// a bracketed IPv6 address, --fd-pool-size refuses trailing letters, and an
// unusable working directory is an error (the original ends with status 0).
package relaydopt

import (
	"net"
	"path/filepath"
	"time"
)

const (
	defaultTracingGroup = "tracing"
	defaultHTTP         = "127.0.0.1:9347"
	defaultOutputDir    = "lttng-traces" // below the LTTng home
	systemINI           = "/etc/lttng/lttng.conf"
	homeINI             = ".lttng/lttng.conf"
	// httpNone is the value of --http that turns the listener off.
	httpNone = "none"
)

// Limits of --fd-pool-size.
const (
	minFDPool = 100
	// reservedFDs are kept out of the default pool for listeners, log and
	// the run-time's own descriptors.
	reservedFDs = 10
)

// Action is what the command line asks for.
type Action int

// Actions.
const (
	Run Action = iota
	ShowVersion
	ShowHelp
)

// Grouping is the layout of the output directory.
type Grouping string

// Groupings, spelled as configuration values.
const (
	GroupByHost    Grouping = "host"
	GroupBySession Grouping = "session"
)

// StartMode says how the process starts.
type StartMode int

// Start modes. Both background modes leave the session and the working
// directory; Daemonize also gives up the console.
const (
	Foreground StartMode = iota
	Daemonize
	Background
)

// Options is a checked set of options. All paths are absolute and all
// listener names resolved. When Action is not Run, nothing else is set but
// Warnings.
type Options struct {
	Action Action
	Start  StartMode

	Control, Data, Live Listen
	// Given holds the long names of the options that were set by a file, the
	// command line or a variable of their own, and were usable.
	Given map[string]bool

	// OutputDir is the root of the traces. One that the user named is created
	// at the start, the default one with the first session.
	OutputDir  string
	GroupBy    Grouping
	AllowClear bool
	// FDPoolSize is the greatest number of descriptors to hold open.
	FDPoolSize int

	// Home is the home directory of LTTng's files, "" when there is none.
	Home         string
	WorkingDir   string // "" keeps the one of the start mode
	TracingGroup string
	RunDir       string
	HealthSocket string // "" for the default below RunDir
	PIDFile      string // "" for none
	SignalParent bool
	Verbosity    int // 0 to 3

	KeepAlive     KeepAlive
	SocketTimeout time.Duration // of a blocking send or receive, 0: none

	HTTP       string // address of weir's own HTTP listener, "" for none
	WeirConfig string // TOML file, "" for none
	DataUDP    bool   // packets come by UDP, too
	HopListen  string // address of the hop, "" for none
	HopAllow   string // where it passes connections on to, separated by commas

	// Warnings are complaints for standard error that do not stop the start.
	Warnings []string
}

// Input is all that Parse may look at. The zero value of a field stands for
// the process's own, except Args, Env and Dir, which are taken as they are.
type Input struct {
	Args []string // without the program's name
	Env  []string // "NAME=value"
	// Dir is the directory relative paths refer to; absolute.
	Dir string
	// Root tells that the effective user is the super-user.
	Root bool
	// UserHome is the home directory of the user data base, used when
	// neither LTTNG_HOME nor HOME is set.
	UserHome string
	// FileLimit is the soft limit of open files the process was started
	// with, 0 when unknown. The Go run-time raises its own limit, so it has
	// to be found out by other means than getrlimit.
	FileLimit uint64
	// SystemINI replaces /etc/lttng/lttng.conf.
	SystemINI string
	// Resolve replaces net.DefaultResolver.LookupNetIP.
	Resolve Resolver
}

// Parse reads options from files, command line and environment. The error is
// one line for the user and means exit status 1.
func Parse(in Input) (Options, error) {
	if in.Resolve == nil {
		in.Resolve = net.DefaultResolver.LookupNetIP
	}
	if in.SystemINI == "" {
		in.SystemINI = systemINI
	}
	b := newBuilder(in)
	settings, err := scan(b.flags, in.Args, b.env.has(envPOSIXLYCorrect))
	if err != nil {
		return Options{}, err
	}
	if err := b.readFiles(settings); err != nil {
		return Options{Warnings: b.opts.Warnings}, err
	}
	for _, s := range settings {
		if err := b.apply(s, false); err != nil {
			return Options{Warnings: b.opts.Warnings}, err
		}
		if b.opts.Action != Run {
			return Options{Action: b.opts.Action, Warnings: b.opts.Warnings}, nil
		}
	}
	if err := b.finish(); err != nil {
		return Options{Warnings: b.opts.Warnings}, err
	}
	return b.opts, nil
}

// absolute resolves a path the user wrote against the directory of the start,
// because going to the background changes it.
func (in Input) absolute(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(in.Dir, path)
}
