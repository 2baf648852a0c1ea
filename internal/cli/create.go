// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/client/agent"
)

// liveTimer is the time between two signs of life of a live session, unless
// told otherwise.
const liveTimer = "1000000"

// createFlags are the flags of "weir create".
type createFlags struct {
	uris               uriFlags
	output, url        string
	live               microsFlag
	snapshot, noOutput bool
	shmPath            string
	hostname           string
	clock, naming      string
	traceSelf          bool
	hashPointers       bool
}

// newCreateCommand returns "weir create".
func newCreateCommand() *cobra.Command {
	var f createFlags
	c := &cobra.Command{
		Use:   "create [NAME]",
		Short: "Create a tracing session",
		Long: `Create a tracing session, which becomes the current one. Nothing is recorded
until "weir start".

The trace goes below ~/weir-traces unless told otherwise: to a directory (-o),
to a relay (-U, or -C and -D), into memory until "weir snapshot record"
(--snapshot), or nowhere (--no-output). A live session (--live) is one that can
be watched on a relay while it is recorded.

The session is named auto-YYYYMMDD-HHMMSS unless a NAME is given.`,
		Example: `  weir create demo
  weir create demo -U net://192.168.1.10
  weir create demo --live
  weir create flight --snapshot`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	fl := c.Flags()
	fl.StringVarP(&f.output, "output", "o", "", "write the trace into the directory `DIR`")
	fl.StringVarP(&f.url, "set-url", "U", "", "send control and data to `URL`")
	f.uris.add(fl, "ctrl-url", "data-url")
	fl.Var(&f.live, "live", "a live session with this timer, in µs or as 500ms; at least 10 ms")
	fl.Lookup("live").NoOptDefVal = liveTimer
	fl.BoolVar(&f.snapshot, "snapshot", false, "keep what happens in memory, for snapshots")
	fl.BoolVar(&f.noOutput, "no-output", false, "record to no place")
	fl.StringVar(&f.shmPath, "shm-path", "", "accepted for LTTng's sake, has no effect: `PATH`")
	fl.StringVar(&f.hostname, "hostname", "", "the `NAME` of this host to tell the relay; default: the kernel's")
	fl.StringVar(&f.clock, "clock", "", "use the kernel's trace `CLOCK`; default: mono")
	fl.StringVar(&f.naming, "naming", "", "name the kernel's events by `STYLE`: lttng (default) or tracefs")
	fl.BoolVar(&f.traceSelf, "trace-self", false, "do not leave out weir's own threads")
	fl.BoolVar(&f.hashPointers, "hash-pointers", false, "replace the kernel's pointers by hashes with a key of this session's own;\naddresses of programs, and of code in stacks and call sites, stay")
	return agentCommand(c, false, f.run)
}

func (f *createFlags) run(c *agentCall) error {
	uris, err := f.destination(c)
	if err != nil {
		return err
	}
	r := agent.CreateSession{
		Mode: f.mode(), LiveTimer: time.Duration(f.live), URIs: uris,
		Hostname: f.hostname, Clock: f.clock, Naming: f.naming, TraceSelf: f.traceSelf, HashPointers: f.hashPointers,
		Home: tracesHome(os.Getenv),
	}
	if len(c.args) > 0 {
		if r.Name = c.args[0]; r.Name == "" {
			return usageErrorf("NAME: an empty name")
		}
	}
	if f.shmPath != "" {
		c.warn("--shm-path has no effect")
	}
	s, done, err := c.api.CreateSession(c.ctx, r)
	if err != nil {
		return err
	}
	c.did(s.Name, done)
	c.set("sessions", []agent.Session{s})
	if err := writeCurrentSession(os.Getenv, s.Name); err != nil {
		return err
	}
	f.tell(c, s, uris)
	return nil
}

// tell says what was made.
func (f *createFlags) tell(c *agentCall, s agent.Session, uris []agent.URI) {
	switch f.mode() {
	case agent.Snapshot:
		c.say("Snapshot session %s created.", s.Name)
		if len(uris) > 0 {
			c.say("Default snapshot output set to %s", agent.FormatURIs(uris))
		}
		return
	case agent.Live:
		c.say("Live session %s created.", s.Name)
	default:
		c.say("Session %s created.", s.Name)
	}
	if s.Output != "" {
		c.say("Traces will be output to %s", s.Output)
	}
	if s.LiveTimer > 0 {
		c.say("Live timer interval set to %d µs", s.LiveTimer.Microseconds())
	}
}

func (f *createFlags) mode() agent.Mode {
	switch {
	case f.snapshot:
		return agent.Snapshot
	case f.noOutput:
		return agent.NoOutput
	case f.live > 0:
		return agent.Live
	}
	return agent.Normal
}

// destination reads where the trace goes, and refuses what excludes each other.
func (f *createFlags) destination(c *agentCall) ([]agent.URI, error) {
	places := 0
	for _, given := range []bool{f.output != "", f.url != "", f.uris.control != "" || f.uris.data != "", f.noOutput} {
		if given {
			places++
		}
	}
	live := c.cmd.Flags().Changed("live")
	switch {
	case places > 1:
		return nil, usageErrorf("-o, -U, -C with -D, and --no-output exclude each other")
	case f.snapshot && f.noOutput, live && (f.snapshot || f.noOutput):
		return nil, usageErrorf("--live, --snapshot and --no-output exclude each other")
	case live && f.live == 0:
		return nil, usageErrorf("--live: want a timer above 0")
	case live && f.output != "":
		return nil, usageErrorf("--live needs a relay: give its URL with -U")
	}
	arg := f.url
	if f.output != "" {
		dir, err := filepath.Abs(f.output)
		if err != nil {
			return nil, err
		}
		arg = dir
	}
	if live && places == 0 {
		arg = "net://127.0.0.1"
	}
	uris, err := f.uris.parse(c, arg)
	if err == nil && live && !isNetwork(uris) {
		err = usageErrorf("--live needs a relay, got %s", agent.FormatURIs(uris))
	}
	return uris, err
}

// tracesHome returns the directory in which the default directory of traces is.
func tracesHome(getenv func(string) string) string {
	for _, dir := range []string{getenv("WEIR_HOME"), getenv("HOME")} {
		if filepath.IsAbs(dir) {
			return dir
		}
	}
	return ""
}
