// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package benchproc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// Ports is where a relay listens.
type Ports struct {
	Control netip.AddrPort
	Data    netip.AddrPort
	Live    netip.AddrPort // for viewers
}

// Relay is a relay on free loopback ports. It can be started again when it has
// ended, on the same ports and output.
type Relay struct {
	Ports
	Output   string // directory of traces
	*Process        // after Start

	program Program
}

// WeirRelay returns the command that runs the relay of a weir executable without
// its HTTP port.
func WeirRelay(executable string) []string {
	return []string{executable, "relayd", "--http", "none"}
}

// NewRelay prepares a relay whose files are all below dir. The command takes
// lttng-relayd's options.
func NewRelay(name string, command []string, dir string) (*Relay, error) {
	r := &Relay{Output: filepath.Join(dir, "traces")}
	home := filepath.Join(dir, "home")
	for _, d := range []string{r.Output, home} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, err
		}
	}
	if err := r.choose(); err != nil {
		return nil, err
	}
	r.program = Program{
		Name: name, Dir: home, Orphaned: syscall.SIGKILL, // also one that hangs must not outlive a killed benchmark
		Command: slices.Concat(command, []string{
			"-C", "tcp://" + r.Control.String(), "-D", "tcp://" + r.Data.String(), "-L", "tcp://" + r.Live.String(), "-o", r.Output,
		}),
	}
	return r, nil
}

// choose finds three free ports. Another program may take one before the relay
// does; the start then fails with the relay's own message.
func (p *Ports) choose() error {
	for _, to := range []*netip.AddrPort{&p.Control, &p.Data, &p.Live} {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer l.Close() // after the loop: the three must differ
		*to = l.Addr().(*net.TCPAddr).AddrPort()
	}
	return nil
}

// Start starts the relay and returns when all its ports listen. With an error it
// does not run.
func (r *Relay) Start(ctx context.Context) error {
	p, err := r.program.Start()
	if err != nil {
		return fmt.Errorf("start %s: %w", r.program.Name, err)
	}
	r.Process = p
	for _, port := range []netip.AddrPort{r.Control, r.Data, r.Live} {
		err := r.Await(ctx, port.String()+" listens", func() bool { return listens(ctx, port) })
		if err != nil {
			return errors.Join(err, r.End(syscall.SIGTERM))
		}
	}
	return nil
}

func listens(ctx context.Context, port netip.AddrPort) bool {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp4", port.String())
	return err == nil && c.Close() == nil
}
