// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package service

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/feed/fstest"
	"github.com/weir-io/weir/internal/feed/holder"
	"github.com/weir-io/weir/internal/wait"
)

// asHolder has this program be a holder, which writes its number into a file.
const asHolder = "be-a-holder"

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == asHolder {
		os.Exit(beHolder(os.Args[2]))
	}
	fstest.Main(m)
}

func beHolder(pidFile string) int {
	f := os.NewFile(holder.Descriptor, "socket")
	l, err := net.FileListener(f)
	if err == nil {
		err = os.WriteFile(pidFile+".new", strconv.AppendInt(nil, int64(os.Getpid()), 10), 0o600)
	}
	if err == nil {
		err = os.Rename(pidFile+".new", pidFile)
	}
	if err == nil {
		err = holder.New(holder.Options{Log: slog.New(slog.DiscardHandler)}).Run(l.(*net.UnixListener))
	}
	if err != nil {
		return 1
	}
	return 0
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// killHolder ends the holder that runs.
func killHolder(t *testing.T, pidFile string) {
	t.Helper()
	wait.Until(t, "the holder to say its number", func() bool {
		_, err := os.Stat(pidFile)
		return err == nil
	})
	b, err := os.ReadFile(pidFile)
	must(t, err, os.Remove(pidFile))
	pid, err := strconv.Atoi(string(b))
	must(t, err)
	fd, err := unix.PidfdOpen(pid, 0)
	must(t, err)
	defer unix.Close(fd)
	must(t, unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0))
	_, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1)
	must(t, err)
}

// texts are what files say that are held under keys.
func texts(t *testing.T, h *holding, keys ...string) string {
	t.Helper()
	c, err := holder.Dial(h.socket) // as the next agent does
	must(t, err)
	defer c.Close()
	var all []string
	for _, key := range keys {
		files, err := c.Take(key)
		must(t, err)
		for _, f := range files {
			b, err := io.ReadAll(io.NewSectionReader(f, 0, 100))
			must(t, err, f.Close())
			all = append(all, string(b))
		}
	}
	return strings.Join(all, " ")
}

// newHolding returns one whose holders write their numbers into a file and are killed at the
// test's end, and what makes files to be held.
func newHolding(t *testing.T) (h *holding, pidFile string, file func(text string) *os.File) {
	t.Helper()
	dir := t.TempDir()
	program, err := os.Executable()
	must(t, err)
	pidFile = filepath.Join(dir, "pid")
	h = &holding{
		socket: filepath.Join(dir, "holder"), command: []string{program, asHolder, pidFile},
		log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	t.Cleanup(func() {
		h.close()
		killHolder(t, pidFile)
	})
	file = func(text string) *os.File {
		f, err := os.CreateTemp(dir, "")
		must(t, err)
		t.Cleanup(func() { f.Close() })
		_, err = f.WriteString(text)
		must(t, err)
		return f
	}
	return h, pidFile, file
}

// TestHolderThatEnds has another holder hold what one that was killed has held.
func TestHolderThatEnds(t *testing.T) {
	h, pidFile, file := newHolding(t)
	must(t, h.Hold("a", file("a1"), file("a2")), h.Hold("b", file("b1")))

	killHolder(t, pidFile)
	h.check()
	if got := texts(t, h, "a", "b"); got != "a1 a2 b1" {
		t.Errorf("after a look: the next holder has %q, want what the first had", got)
	}
	killHolder(t, pidFile)
	must(t, h.Hold("c", file("c1"))) // before anybody has looked
	if got := texts(t, h, "a", "b", "c"); got != "a1 a2 b1 c1" {
		t.Errorf("after an order: the next holder has %q, want what the first had and what is new", got)
	}
	killHolder(t, pidFile)
	must(t, h.Drop("a"))
	if got := texts(t, h, "a", "b", "c"); got != "b1 c1" {
		t.Errorf("after a drop: the next holder has %q, want the rest", got)
	}
	if files, err := h.Take("a"); len(files) > 0 || err != nil {
		t.Errorf("what was dropped: got %v, %v", files, err)
	}
}

// TestHolderThatCannotBeStarted has what was held held again by whoever is started next,
// though that was for something else.
func TestHolderThatCannotBeStarted(t *testing.T) {
	h, pidFile, file := newHolding(t)
	must(t, h.Hold("a", file("a1")))
	killHolder(t, pidFile)
	right := h.command
	h.command = []string{h.socket + "-nothing"}
	h.check()
	if err := h.Hold("b", file("b1")); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("Hold without a holder: got %v, want %v", err, os.ErrNotExist)
	}
	h.command = right
	must(t, h.Hold("c", file("c1")))
	if got := texts(t, h, "a", "b", "c"); got != "a1 c1" {
		t.Errorf("the next holder has %q, want what the first had and what is new", got)
	}
}
