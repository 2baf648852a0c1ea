// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaybench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Time limits of a relay under test.
const (
	startTimeout = 20 * time.Second
	stopTimeout  = 10 * time.Second
	startPause   = 5 * time.Millisecond
)

// original is the name of the daemon that others are compared with.
const original = "lttng-relayd"

// Relay is a relay executable under test. The options -C, -D, -L and -o are
// appended to Command.
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
		words = WeirCommand(words[0])
	}
	if label == "" {
		label = base
	}
	return Relay{label, words}, nil
}

// WeirCommand returns the command that runs the relay of a weir executable
// without its HTTP port.
func WeirCommand(executable string) []string {
	return []string{executable, "relayd", "--http", "none"}
}

// process is a running relay.
type process struct {
	relay  Relay
	target Target
	output string // traces
	log    string // its standard output and error

	pid    int
	cmd    *exec.Cmd
	exited chan struct{} // closed by the goroutine that waits
	err    error         // of Wait; valid after exited
}

// startRelay starts a relay with its files in dir, which must be empty, and
// returns when all its ports listen. When the context ends the relay is
// stopped.
func startRelay(ctx context.Context, r Relay, dir string) (*process, error) {
	p := &process{relay: r, output: filepath.Join(dir, "traces"), log: filepath.Join(dir, "log"), exited: make(chan struct{})}
	home := filepath.Join(dir, "home")
	for _, d := range []string{p.output, home} {
		if err := os.Mkdir(d, 0o700); err != nil {
			return nil, fmt.Errorf("start %s: %w", r.Label, err)
		}
	}
	if err := p.choosePorts(); err != nil {
		return nil, fmt.Errorf("start %s: %w", r.Label, err)
	}
	if err := p.spawn(ctx, home); err != nil {
		return nil, fmt.Errorf("start %s: %w", r.Label, err)
	}
	if err := p.awaitPorts(ctx); err != nil {
		_ = p.stop() // the relay never worked: the first error tells why
		return nil, fmt.Errorf("start %s: %w%s", r.Label, err, p.logTail())
	}
	return p, nil
}

// choosePorts finds three free ports. Another program may take one before the
// relay does; the start then fails with the relay's own message.
func (p *process) choosePorts() error {
	for _, to := range []*netip.AddrPort{&p.target.Control, &p.target.Data, &p.target.Live} {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer l.Close() // after the loop: the three must differ
		*to = l.Addr().(*net.TCPAddr).AddrPort()
	}
	return nil
}

// spawn starts the process and a goroutine that waits for it; stop waits for
// both.
func (p *process) spawn(ctx context.Context, home string) error {
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() // the child has its own descriptor
	args := append([]string{}, p.relay.Command[1:]...)
	args = append(args,
		"-C", "tcp://"+p.target.Control.String(),
		"-D", "tcp://"+p.target.Data.String(),
		"-L", "tcp://"+p.target.Live.String(),
		"-o", p.output)
	p.cmd = exec.CommandContext(ctx, p.relay.Command[0], args...)
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = stopTimeout
	p.cmd.Dir = home
	p.cmd.Env = append(os.Environ(), "HOME="+home, "LTTNG_HOME="+home, "LTTNG_RUNDIR="+home,
		"LTTNG_RELAYD_HEALTH="+filepath.Join(home, "health"), "TZ=UTC")
	p.cmd.Stdout, p.cmd.Stderr = log, log
	// A terminal's Ctrl-C must reach the benchmark only, which then stops the
	// relay; and no relay may outlive a killed benchmark.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	p.pid = p.cmd.Process.Pid
	go func() {
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	return nil
}

// awaitPorts returns when all ports accept connections.
func (p *process) awaitPorts(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, errors.New("its ports do not listen"))
	defer cancel()
	for _, address := range []netip.AddrPort{p.target.Control, p.target.Data, p.target.Live} {
		for {
			sock, err := dial(ctx, address)
			if err == nil {
				sock.close()
				break
			}
			if !p.alive() {
				return fmt.Errorf("it ended at once: %w", p.exitError())
			}
			if err := pause(ctx, startPause); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *process) alive() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// exitError says how the process ended.
func (p *process) exitError() error {
	<-p.exited
	if p.err == nil {
		return errors.New("exit status 0")
	}
	return p.err
}

// stop ends the relay with SIGTERM, after a while with SIGKILL, and returns an
// error unless it ended by itself with status 0.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", p.relay.Label, err)
	}
	late := time.NewTimer(stopTimeout)
	defer late.Stop()
	select {
	case <-p.exited:
	case <-late.C:
		_ = p.cmd.Process.Kill() // it may have ended just now
		<-p.exited
		return fmt.Errorf("stop %s: still running %v after SIGTERM, killed", p.relay.Label, stopTimeout)
	}
	if p.err != nil {
		return fmt.Errorf("stop %s: %w%s", p.relay.Label, p.err, p.logTail())
	}
	return nil
}

// logTail returns the last line of the relay's log, in parentheses.
func (p *process) logTail() string {
	text, err := os.ReadFile(p.log)
	text = bytes.TrimSpace(text)
	if err != nil || len(text) == 0 {
		return ""
	}
	const longest = 300 // bytes
	line := text[bytes.LastIndexByte(text, '\n')+1:]
	return " (its log ends: " + string(line[max(0, len(line)-longest):]) + ")"
}
