// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package statbench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/bench"
	"github.com/weir-io/weir/internal/benchproc"
	"github.com/weir-io/weir/internal/procstat"
)

// Limits of watching.
const (
	topReady = 30 * time.Second // until all hosts have been seen
	topEnd   = 5 * time.Second  // until it has ended, after q
	topLook  = 20 * time.Millisecond
)

// top measures "weir top" on a terminal while it watches many hosts, each second.
func (b *Bench) top(ctx context.Context) ([]bench.Row, error) {
	cpu := bench.Row{Name: fmt.Sprintf("weir top, %d hosts each second", b.sizes.hosts), Unit: "% of a core", Bar: &bench.Bar{Most: true, Must: 5, Aim: 2.5}}
	memory := bench.Row{Name: cpu.Name + ", memory", Unit: "MB", Bar: &bench.Bar{Most: true, Must: 300, Aim: 150}}
	var shares, mb []float64
	err := b.using(func(d *daemon) (err error) {
		f, err := newFleet(ctx, d.address)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.close()) }()
		t, err := b.startTop(ctx, f)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, t.end()) }()
		for range b.Runs {
			share, resident, err := t.watch(ctx, b.sizes.watched)
			if err != nil {
				return err
			}
			shares, mb = append(shares, share), append(mb, resident)
		}
		return nil
	})
	cpu.Set(shares)
	memory.Set(mb)
	return []bench.Row{cpu, memory}, err
}

// terminal is "weir top" on a terminal.
type terminal struct {
	cmd    *exec.Cmd
	master *os.File
	file   string        // of the hosts
	ended  chan struct{} // closed when the program has ended
}

// startTop starts it, and waits until it has seen all hosts.
func (b *Bench) startTop(ctx context.Context, f *fleet) (*terminal, error) {
	t := &terminal{file: filepath.Join(b.Dir, "wulfhosts-"+strconv.Itoa(os.Getpid())), ended: make(chan struct{})}
	if err := os.WriteFile(t.file, []byte(hosts(f.listener.Addr(), b.sizes.hosts)), 0o600); err != nil {
		return nil, err
	}
	err := t.start(b.Weir)
	if err != nil {
		return nil, errors.Join(err, os.Remove(t.file))
	}
	late := time.NewTimer(topReady)
	defer late.Stop()
	look := time.NewTicker(topLook)
	defer look.Stop()
	for int(f.ready.Load()) < b.sizes.hosts {
		select {
		case <-look.C:
			continue
		case <-ctx.Done():
			err = context.Cause(ctx)
		case <-t.ended:
			err = errors.New("weir top has ended")
		case <-late.C:
			err = fmt.Errorf("weir top has seen %d of %d hosts after %v", f.ready.Load(), b.sizes.hosts, topReady)
		}
		return nil, errors.Join(err, t.end())
	}
	return t, nil
}

// hosts is a file of many hosts, each at an address of its own.
func hosts(at net.Addr, n int) string {
	var b strings.Builder
	b.WriteString("<?xml version=\"1.0\"?>\n<wulfstat>\n")
	const perNet = 250
	for i := range n {
		fmt.Fprintf(&b, "<host><name>node%04d</name><ip>127.1.%d.%d</ip><port>%d</port></host>\n", i, i/perNet, 1+i%perNet, at.(*net.TCPAddr).Port)
	}
	b.WriteString("</wulfstat>\n")
	return b.String()
}

// start starts the program on a terminal of 120 x 40.
func (t *terminal) start(weir string) error {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	fd := int(master.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: 120})
	}
	if err != nil {
		return errors.Join(fmt.Errorf("terminal: %w", err), master.Close())
	}
	slave, err := os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return errors.Join(err, master.Close())
	}
	defer slave.Close()
	t.master, t.cmd = master, exec.Command(weir, "top", "-d", "1", "-f", t.file)
	t.cmd.Env = append(os.Environ(), "TERM=xterm-256color", "LC_ALL=C.UTF-8")
	t.cmd.Stdin, t.cmd.Stdout, t.cmd.Stderr = slave, slave, slave
	t.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Pdeathsig: syscall.SIGKILL}
	if err := t.cmd.Start(); err != nil {
		return errors.Join(err, master.Close())
	}
	go func() { // ends with the program, which end sees to
		_, _ = io.Copy(io.Discard, master) // what it draws
		_ = t.cmd.Wait()
		close(t.ended)
	}()
	return nil
}

// watch measures for a while: percent of a core, and MB at the end.
func (t *terminal) watch(ctx context.Context, d time.Duration) (share, mb float64, err error) {
	pid := t.cmd.Process.Pid
	before, err := procstat.ReadClock(procstat.Host(), pid)
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	if err := benchproc.Pause(ctx, d); err != nil {
		return 0, 0, err
	}
	took := time.Since(began)
	after, err := procstat.ReadClock(procstat.Host(), pid)
	if err != nil {
		return 0, 0, err
	}
	m, err := procstat.ReadMemory(procstat.Host(), pid)
	return 100 * after.Since(before).Seconds() / took.Seconds(), float64(m.Resident) / 1e6, err
}

// end types q, and ends what does not end.
func (t *terminal) end() error {
	_, _ = t.master.WriteString("q") // it may have ended
	late := time.NewTimer(topEnd)
	defer late.Stop()
	var err error
	select {
	case <-t.ended:
	case <-late.C:
		err = fmt.Errorf("weir top goes on %v after q", topEnd)
		_ = t.cmd.Process.Kill()
		<-t.ended
	}
	return errors.Join(err, t.master.Close(), os.Remove(t.file))
}
