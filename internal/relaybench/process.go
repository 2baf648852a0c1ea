// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaybench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/weir-io/weir/internal/benchproc"
	"github.com/weir-io/weir/internal/procstat"
)

// original is the name of the daemon that others are compared with.
const original = "lttng-relayd"

// Relay is a relay executable under test. It gets lttng-relayd's options behind
// Command.
type Relay struct {
	Label   string
	Command []string // executable and its first arguments
}

// ParseRelay reads [LABEL=]COMMAND. The command is cut at spaces; a lone
// executable whose name begins with weir is called as "weir relayd --http
// none". Without a label the executable's base name is it.
func ParseRelay(text string) (Relay, error) {
	label, command, ok := strings.Cut(text, "=")
	if !ok || strings.ContainsAny(label, "/ ") {
		label, command = "", text
	}
	words := strings.Fields(command)
	if len(words) == 0 {
		return Relay{}, fmt.Errorf("relay %q: the command is empty", text)
	}
	base := filepath.Base(words[0])
	if len(words) == 1 && strings.HasPrefix(base, "weir") {
		words = benchproc.WeirRelay(words[0])
	}
	if label == "" {
		label = base
	}
	return Relay{label, words}, nil
}

// process is a running relay.
type process struct{ *benchproc.Relay }

// startRelay starts a relay with its files in dir, which must be empty, and
// returns when all its ports listen.
func startRelay(ctx context.Context, r Relay, dir string) (process, error) {
	p, err := benchproc.NewRelay(r.Label, r.Command, dir)
	if err == nil {
		err = p.Start(ctx)
	}
	return process{p}, err
}

// clocks is the CPU time of a relay with its children, and that of this
// process.
type clocks struct{ relay, self procstat.Clock }

func (p process) readClocks() (c clocks, err error) {
	pids, err := procstat.Family(procstat.Host(), p.PID())
	if err != nil {
		return c, err
	}
	if c.relay, err = procstat.ReadClock(procstat.Host(), pids...); err != nil {
		return c, p.Explain(err)
	}
	c.self, err = procstat.ReadClock(procstat.Host(), os.Getpid())
	return c, err
}

// measureMemory fills in the peaks of the relay and of its children.
func (p process) measureMemory(result *Run) error {
	pids, err := procstat.Family(procstat.Host(), p.PID())
	if err != nil {
		return err
	}
	for i, pid := range pids {
		m, err := procstat.ReadMemory(procstat.Host(), pid)
		switch {
		case i > 0 && procstat.Gone(err):
		case err != nil:
			return p.Explain(err)
		case i == 0:
			result.PeakMiB = float64(m.Peak) / mib
		default:
			result.ChildrenMiB += float64(m.Peak) / mib
		}
	}
	return nil
}
