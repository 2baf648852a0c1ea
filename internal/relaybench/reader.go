// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaybench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/benchproc"
	"github.com/weir-io/weir/lttng"
)

// readerProgram is the live viewer that reads along.
const readerProgram = "babeltrace2"

// Pauses and limits while readers attach.
const (
	attachPause   = 10 * time.Millisecond
	attachTimeout = 20 * time.Second
)

// reader is a babeltrace2 that reads one session live and counts its events.
type reader struct {
	cmd      *exec.Cmd
	out, err bytes.Buffer
	ended    chan struct{} // closed by the goroutine that waits

	// Valid after ended.
	failure error // of Wait
	end     time.Time
}

// startReader starts babeltrace2 on a session, and a goroutine that waits for
// it: ended is closed when both are done, at the latest when the context ends.
func startReader(ctx context.Context, at benchproc.Ports, session string) (*reader, error) {
	url := fmt.Sprintf("net://%s/host/%s/%s", at.Live, benchHost, session)
	r := &reader{ended: make(chan struct{})}
	// A step of 0 prints the counts once, at the end.
	r.cmd = exec.CommandContext(ctx, readerProgram,
		"--input-format=lttng-live", url, "--component=sink.utils.counter", "--params=step=+0")
	r.cmd.Stdout, r.cmd.Stderr = &r.out, &r.err
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := r.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", readerProgram, err)
	}
	go func() {
		r.failure = r.cmd.Wait()
		r.end = time.Now()
		close(r.ended)
	}()
	return r, nil
}

func (r *reader) running() bool {
	select {
	case <-r.ended:
		return false
	default:
		return true
	}
}

// yield lets a reader run only where nothing else wants the processor.
func (r *reader) yield() error {
	err := unix.SchedSetAttr(r.cmd.Process.Pid, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}, 0)
	if err != nil && err != unix.ESRCH {
		return fmt.Errorf("set %s to SCHED_IDLE: %w", readerProgram, err)
	}
	return nil
}

// eventCount finds the events in what sink.utils.counter prints,
// "  1,234 Event messages".
var eventCount = regexp.MustCompile(`(?m)^ *([0-9,]+) Event messages`)

// check returns an error unless the reader ended well and saw all events.
func (r *reader) check(want int) error {
	<-r.ended
	if r.failure != nil {
		text := strings.TrimSpace(r.err.String())
		return fmt.Errorf("%s: %w (%s)", readerProgram, r.failure, text[strings.LastIndexByte(text, '\n')+1:])
	}
	got := 0
	if m := eventCount.FindStringSubmatch(r.out.String()); m != nil {
		got, _ = strconv.Atoi(strings.ReplaceAll(m[1], ",", "")) // digits
	}
	if got != want {
		return fmt.Errorf("%s: got %d events, want %d", readerProgram, got, want)
	}
	return nil
}

// startReaders starts n readers on the session of a producer and returns when
// the relay counts all of them as attached, or those that are not have given
// up. All that were started are returned, with an error too.
func startReaders(ctx context.Context, at benchproc.Ports, p *producer, n int) (all []*reader, err error) {
	for range n {
		r, err := startReader(ctx, at, p.name)
		if err != nil {
			return all, err
		}
		all = append(all, r)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, attachTimeout, fmt.Errorf("not all of %d %s attached after %v", n, readerProgram, attachTimeout))
	defer cancel()
	for {
		// One connection a question: the original forgets who only lists.
		clients, err := countClients(ctx, at, p)
		if err != nil {
			return all, err
		}
		running := 0
		for _, r := range all {
			if r.running() {
				running++
			}
		}
		if clients >= running {
			return all, nil
		}
		if err := benchproc.Pause(ctx, attachPause); err != nil {
			return all, err
		}
	}
}

// countClients asks how many viewers are attached to the session of a
// producer.
func countClients(ctx context.Context, at benchproc.Ports, p *producer) (int, error) {
	sock, err := dial(ctx, at.Live)
	if err != nil {
		return 0, err
	}
	v := &viewer{producer: p, sock: sock}
	defer v.close()
	minor, err := v.connect()
	var s lttng.ViewerSession
	if err == nil {
		s, err = v.find(minor)
	}
	if err != nil {
		return 0, v.failure(err)
	}
	return int(s.Clients), nil
}

// stopReaders ends what still runs.
func stopReaders(all []*reader) {
	for _, r := range all {
		if r.running() {
			_ = r.cmd.Process.Kill() // it may have ended just now
		}
		<-r.ended
	}
}

// lookForReader returns an error if the reader is not installed.
func lookForReader() error {
	if _, err := exec.LookPath(readerProgram); err != nil {
		return errors.New(readerProgram + " is not installed")
	}
	return nil
}
