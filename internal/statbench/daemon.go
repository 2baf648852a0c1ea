// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package statbench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/weir-io/weir/internal/benchproc"
	"github.com/weir-io/weir/internal/procstat"
	"github.com/weir-io/weir/xmlsysd"
)

// daemon is a running "weir xmlsysd".
type daemon struct {
	*benchproc.Process
	address string
	metrics string   // where its own page is; "": nowhere
	said    *os.File // its standard output, until it ends
}

// startDaemon starts a daemon on a free port of loopback, with more flags.
func (b *Bench) startDaemon(flags ...string) (*daemon, error) {
	p := benchproc.Program{Name: "weir xmlsysd", Command: []string{b.Weir, "xmlsysd", "--listen", "127.0.0.1:0", "--min-interval", "0", "-n", "64", "--budget", "-1"}, Dir: b.Dir}
	p.Command = append(p.Command, flags...)
	process, out, err := p.StartPiped()
	if err != nil {
		return nil, err
	}
	d := &daemon{Process: process, said: out}
	in := bufio.NewReader(out)
	line, err := in.ReadString('\n') // or the end of a daemon that does not come up
	address, ok := strings.CutPrefix(strings.TrimSpace(line), "xmlsysd at ")
	if err != nil || !ok {
		return nil, errors.Join(d.Explain(fmt.Errorf("weir xmlsysd says %q", line)), d.end())
	}
	d.address = address
	if len(flags) > 0 {
		if d.metrics, err = readMetrics(in); err != nil {
			return nil, errors.Join(d.Explain(err), d.end())
		}
	}
	return d, nil
}

// end stops the daemon.
func (d *daemon) end() error { return errors.Join(d.Stop(), d.said.Close()) }

// dial begins a session with a selection; without one it is that of 2002.
func (d *daemon) dial(ctx context.Context, selectors ...string) (*xmlsysd.Client, error) {
	c, err := new(xmlsysd.Dialer).Dial(ctx, d.address)
	if err != nil {
		return nil, err
	}
	if len(selectors) == 0 {
		err = c.Send(ctx, "init")
	} else {
		err = c.Start(ctx, selectors...)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// clock reads what the daemon has run.
func (d *daemon) clock() (procstat.Clock, error) { return procstat.ReadClock(procstat.Host(), d.PID()) }

// resident reads what the daemon has in memory, in MB.
func (d *daemon) resident() (float64, error) {
	m, err := procstat.ReadMemory(procstat.Host(), d.PID())
	return float64(m.Resident) / 1e6, err
}

// using runs a measurement with a daemon.
func (b *Bench) using(measure func(*daemon) error) (err error) {
	d, err := b.startDaemon()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.end()) }()
	return d.Explain(measure(d))
}
