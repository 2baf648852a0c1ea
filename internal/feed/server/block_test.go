// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	client "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/wait"
)

// pollers are the ways to wait for a descriptor; each returns when it can be read.
var pollers = []struct {
	name string
	wait func(fd int, most time.Duration) (ready bool, err error)
}{
	{"poll", func(fd int, most time.Duration) (bool, error) {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(most.Milliseconds()))
		return n > 0, err
	}},
	{"select", func(fd int, most time.Duration) (bool, error) {
		var set unix.FdSet
		set.Set(fd)
		tv := unix.NsecToTimeval(most.Nanoseconds())
		n, err := unix.Select(fd+1, &set, nil, nil, &tv)
		return n > 0, err
	}},
	{"epoll", func(fd int, most time.Duration) (bool, error) {
		e, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
		if err != nil {
			return false, err
		}
		defer unix.Close(e)
		if err := unix.EpollCtl(e, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}); err != nil {
			return false, err
		}
		n, err := unix.EpollWait(e, make([]unix.EpollEvent, 1), int(most.Milliseconds()))
		return n > 0, err
	}},
}

// polled has wait called with the descriptor of a file, again when a signal ends it.
func polled(t *testing.T, f syscall.Conn, most time.Duration, wait func(int, time.Duration) (bool, error)) (ready bool) {
	t.Helper()
	raw, err := f.SyscallConn()
	must(t, err)
	must(t, raw.Control(func(fd uintptr) {
		for err = unix.EINTR; errors.Is(err, unix.EINTR); {
			ready, err = wait(int(fd), most)
		}
	}))
	must(t, err)
	return ready
}

func TestPollingTheSocket(t *testing.T) {
	a := start(t)
	_, err := a.dial().Create(t.Context(), client.CreateOptions{Name: "f", Source: a.fs.Dir})
	must(t, err)
	r := a.greeted(client.FormatText)
	if code, answer := r.ask(client.OpOpen, `{"feed":"f"}`); code != "" {
		t.Fatalf("OPEN: %s", answer)
	}
	for _, p := range pollers {
		t.Run(p.name, func(t *testing.T) {
			r.say(frame(client.OpRead, readPayload(10, 4096, client.Forever, 0)))
			if polled(t, r, 50*time.Millisecond, p.wait) {
				t.Fatalf("before a change: the socket can be read: %+v", r.hear())
			}
			a.sh("mkdir " + p.name)
			changed := time.Now()
			if !polled(t, r, wait.Patience, p.wait) {
				t.Fatal("the change did not wake it")
			}
			t.Logf("woken %v after the change", time.Since(changed))
			if f := r.hear(); f.Op != client.OpRead|client.OpAnswer || !strings.Contains(string(f.Payload), p.name) {
				t.Errorf("got %+v, want the record", f)
			}
		})
	}
}

func TestPollingThePipe(t *testing.T) {
	a := start(t)
	_, err := a.dial().Create(t.Context(), client.CreateOptions{Name: "f", Source: a.fs.Dir})
	must(t, err)
	n := a.reopened("f", client.FormatText)
	pipe, err := n.Pipe(t.Context())
	must(t, err)
	defer pipe.Close()
	for _, p := range pollers {
		t.Run(p.name, func(t *testing.T) {
			if polled(t, pipe, 50*time.Millisecond, p.wait) {
				t.Fatal("before a change: the pipe can be read")
			}
			a.sh("mkdir " + p.name)
			changed := time.Now()
			if !polled(t, pipe, wait.Patience, p.wait) {
				t.Fatal("the change did not wake it")
			}
			t.Logf("woken %v after the change", time.Since(changed))
			b := make([]byte, 4096)
			size, err := pipe.Read(b)
			must(t, err)
			if !strings.HasSuffix(string(b[:size]), " "+p.name+"\n") {
				t.Errorf("got %q, want the record", b[:size])
			}
		})
	}
}

func TestReadTimesOutEmpty(t *testing.T) {
	a := start(t)
	_, err := a.dial().Create(t.Context(), client.CreateOptions{Name: "f", Source: a.fs.Dir})
	must(t, err)
	n := a.reopened("f", client.FormatNative)
	for _, w := range []time.Duration{0, 20 * time.Millisecond} {
		b, err := n.Read(t.Context(), client.ReadOptions{Wait: w})
		if err != nil || len(b.Records) != 0 || b.More {
			t.Errorf("wait %v: got %+v, %v, want nothing, and no error", w, b, err)
		}
	}
	a.sh("mkdir d")
	if got := take(t, n, 1, client.ReadOptions{}); got[0] != "MKDIR d" {
		t.Errorf("after that: got %q", got)
	}
}

// TestDisconnectedConsumers has consumers told why, whether they wait or not, and their
// connections closed.
func TestDisconnectedConsumers(t *testing.T) {
	a := start(t)
	api := a.dial()
	for _, c := range []struct {
		name string
		do   func() error
		code client.Code
	}{
		{"destroy", func() error { return api.Destroy(t.Context(), "f") }, client.CodeNotFound},
		{"steal", func() error {
			n, err := api.Open(t.Context(), "f", client.OpenOptions{Steal: true})
			if err != nil {
				return err
			}
			return errors.Join(n.Close(), api.Destroy(t.Context(), "f"))
		}, client.CodeBusy},
		{"reset", func() error {
			_, err := api.Reset(t.Context(), client.ResetRequest{Feed: "f"})
			return errors.Join(err, api.Destroy(t.Context(), "f"))
		}, client.CodeAborted},
	} {
		for _, waits := range []bool{false, true} {
			_, err := api.Create(t.Context(), client.CreateOptions{Name: "f", Source: a.fs.Dir})
			must(t, err)
			r := a.greeted(client.FormatJSON)
			if code, answer := r.ask(client.OpOpen, `{"feed":"f"}`); code != "" {
				t.Fatalf("OPEN: %s", answer)
			}
			if waits {
				r.say(frame(client.OpRead, readPayload(10, 4096, client.Forever, 0)))
				if code, answer := r.ask(client.OpInfo, `{"feed":"f"}`); code != "" {
					t.Fatalf("GETINFO while a READ waits: %s", answer)
				}
			}
			must(t, c.do())
			if got := r.wantClosed(); got != c.code {
				t.Errorf("%s, waits %v: got error %q before the end, want %q", c.name, waits, got, c.code)
			}
		}
	}
}

// lines reads so many lines.
func lines(t *testing.T, f *os.File, want int) (got []string) {
	t.Helper()
	must(t, f.SetReadDeadline(time.Now().Add(wait.Patience)))
	b := make([]byte, 1)
	var line []byte
	for len(got) < want {
		if _, err := f.Read(b); err != nil {
			t.Fatalf("after %q: %v", got, err)
		}
		if b[0] != '\n' {
			line = append(line, b[0])
			continue
		}
		got = append(got, string(line[strings.LastIndexByte(string(line), ' ')+1:]))
		line = line[:0]
	}
	return got
}

// TestPipeCancels has a batch cancelled when the reader has begun on the next one.
func TestPipeCancels(t *testing.T) {
	a := start(t)
	api := a.dial()
	info, err := api.Create(t.Context(), client.CreateOptions{Name: "f", Source: a.fs.Dir})
	must(t, err)
	begin := info.Cancelled
	n := a.reopened("f", client.FormatText)
	pipe, err := n.Pipe(t.Context())
	must(t, err)
	defer pipe.Close()
	cancelled := func() uint64 {
		i, err := api.Info(t.Context(), "f")
		must(t, err)
		return i.Cancelled - begin
	}
	a.sh("mkdir a")
	if got := lines(t, pipe, 1); got[0] != "a" {
		t.Errorf("got %q, want a", got)
	}
	a.sh("mkdir b")
	if !polled(t, pipe, wait.Patience, pollers[0].wait) {
		t.Fatal("the second batch did not come")
	}
	if got := cancelled(); got != 0 {
		t.Errorf("before the second batch is read: %d records are cancelled, want none", got)
	}
	lines(t, pipe, 1)
	a.until("the first batch is cancelled", func() bool { return cancelled() == 1 })
	pipe.Close()
	n.Close()
	again := a.reopened("f", client.FormatNative)
	if got := take(t, again, 1, client.ReadOptions{}); got[0] != "MKDIR b" {
		t.Errorf("after the reader's death: got %q, want what it had not gone beyond", got)
	}
}

// TestPipeReaderDies has the connection closed when only the pipe is.
func TestPipeReaderDies(t *testing.T) {
	a := start(t)
	_, err := a.dial().Create(t.Context(), client.CreateOptions{Name: "f", Source: a.fs.Dir})
	must(t, err)
	n := a.reopened("f", client.FormatText)
	pipe, err := n.Pipe(t.Context())
	must(t, err)
	must(t, pipe.Close())
	a.reopened("f", client.FormatNative) // it waits until the feed is free
}
