// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package viewbench

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/weir-io/weir/internal/benchproc"
	"github.com/weir-io/weir/internal/procstat"
)

// usage is what a process took.
type usage struct {
	cpu, elapsed time.Duration
	first        time.Duration // until its first output, when that was read
	peakMiB      float64       // of its resident set
	bytes        int64         // of output that was read
	hash         string        // of that
}

// execution is a process to be measured.
type execution struct {
	argv []string
	env  []string // beside this process's
	read bool     // its output is read; else it goes to the null device
	head bool     // only the first output is wanted: the process is ended then
	keep *strings.Builder
}

// run runs a process and measures it.
func (x execution) run(ctx context.Context) (u usage, err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	c := exec.CommandContext(ctx, x.argv[0], x.argv[1:]...)
	c.Env = append(append(os.Environ(), "TZ=UTC"), x.env...)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var complaint benchproc.Tail
	c.Stderr = &complaint
	var out io.ReadCloser
	if x.read || x.head {
		if out, err = c.StdoutPipe(); err != nil {
			return u, err
		}
	}
	begin := time.Now()
	if err := c.Start(); err != nil {
		return u, err
	}
	peak := watchPeak(c.Process.Pid)
	if out != nil {
		err = u.take(out, begin, x)
	}
	if x.head {
		stop()
	}
	waited := c.Wait()
	u.elapsed = time.Since(begin)
	u.peakMiB = peak()
	if s := c.ProcessState; s != nil {
		u.cpu = s.UserTime() + s.SystemTime()
		if r, ok := s.SysUsage().(*syscall.Rusage); ok && u.peakMiB == 0 {
			u.peakMiB = float64(r.Maxrss) / 1024 // at least this process's own
		}
	}
	switch {
	case err != nil:
		return u, fmt.Errorf("%s: %w", strings.Join(x.argv, " "), err)
	case waited != nil && !x.head:
		return u, fmt.Errorf("%s: %w (%s)", strings.Join(x.argv, " "), waited, complaint.LastLine())
	}
	return u, nil
}

// take reads the output of a process.
func (u *usage) take(out io.Reader, begin time.Time, x execution) error {
	sum := sha256.New()
	buf := make([]byte, 64<<10)
	for {
		n, err := out.Read(buf)
		if n > 0 && u.first == 0 {
			u.first = time.Since(begin)
			if x.head {
				return nil
			}
		}
		u.bytes += int64(n)
		sum.Write(buf[:n])
		if x.keep != nil {
			x.keep.Write(buf[:n])
		}
		if err == io.EOF {
			u.hash = hex.EncodeToString(sum.Sum(nil))
			if x.head {
				return fmt.Errorf("no output")
			}
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// peakPeriod is how often the peak memory of a process is read: what it reports
// at its end includes that of the process that started it.
const peakPeriod = 20 * time.Millisecond

// watchPeak watches the memory of a process until the function returned is
// called, which waits for the goroutine and returns the peak in MiB.
func watchPeak(pid int) func() float64 {
	quit, peak := make(chan struct{}), make(chan float64)
	go func() {
		t := time.NewTicker(peakPeriod)
		defer t.Stop()
		most := 0.0
		for {
			most = max(most, readPeak(pid))
			select {
			case <-t.C:
			case <-quit:
				peak <- most
				return
			}
		}
	}()
	return func() float64 { close(quit); return <-peak }
}

// readPeak returns the peak of a process's memory in MiB, 0 when it has ended.
func readPeak(pid int) float64 {
	m, err := procstat.ReadMemory(procstat.Host(), pid)
	if err != nil {
		return 0 // a process that is ending has no memory
	}
	return float64(m.Peak) / (1 << 20)
}
