// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	client "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed/fstest"
	"github.com/weir-io/weir/internal/wait"
)

// What the test's program does when it is started again.
const (
	readerEnv = "WEIR_FEED_READER" // "SOCKET FEED": read that feed, and cancel nothing
	makerEnv  = "WEIR_FEED_MAKER"  // a directory: make those of the standard input in it
)

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(readerEnv) != "":
		end(readOn(os.Getenv(readerEnv)))
	case os.Getenv(makerEnv) != "":
		end(makeDirs(os.Getenv(makerEnv)))
	}
	fstest.Main(m)
}

func end(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func readOn(what string) error {
	socket, name, _ := strings.Cut(what, " ")
	c, err := client.Dial(context.Background(), socket)
	if err != nil {
		return err
	}
	n, err := c.Open(context.Background(), name, client.OpenOptions{})
	for err == nil {
		_, err = n.Read(context.Background(), client.ReadOptions{Wait: -1, Keep: true})
	}
	return err
}

// makeDirs makes directories, between whose names is a zero byte.
func makeDirs(dir string) error {
	all, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	for name := range strings.SplitSeq(string(all), "\x00") {
		if err := os.Mkdir(dir+"/"+name, 0o755); err != nil {
			return err
		}
	}
	return nil
}

// again starts the test's program for another part.
func (a *agent) again(env string) *exec.Cmd {
	c := exec.Command("/proc/self/exe")
	c.Env = append(os.Environ(), env, "GORACE=atexit_sleep_ms=0")
	c.Stderr = os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return c
}

// mkdirs makes directories by another process: the agent's own changes do not count.
func (a *agent) mkdirs(names []string) {
	a.t.Helper()
	c := a.again(makerEnv + "=" + a.fs.Dir)
	c.Stdin = strings.NewReader(strings.Join(names, "\x00"))
	if out, err := c.Output(); err != nil {
		a.t.Fatalf("%v: %s", err, out)
	}
}

// stoppedReader starts a process that reads a feed, and stops it once it does. The
// function that it returns ends it.
func (a *agent) stoppedReader(name string) (kill func()) {
	a.t.Helper()
	c := a.again(readerEnv + "=" + a.socket + " " + name)
	must(a.t, c.Start())
	kill = func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	}
	a.t.Cleanup(kill)
	a.until("it reads", func() bool {
		for _, i := range a.feeds() {
			if i.Name == name && i.Consumer != nil && i.Consumer.PID == c.Process.Pid {
				return true
			}
		}
		return false
	})
	must(a.t, c.Process.Signal(syscall.SIGSTOP))
	return kill
}

func (a *agent) feeds() []client.Info {
	a.t.Helper()
	all, err := a.dial().List(a.t.Context())
	must(a.t, err)
	return all
}

// until waits for a condition.
func (a *agent) until(what string, done func() bool) {
	a.t.Helper()
	wait.Until(a.t, what, done)
}

// reopened opens a feed, once its reader before is gone.
func (a *agent) reopened(name string, f client.Format) *client.Consumer {
	a.t.Helper()
	c := a.dial()
	var n *client.Consumer
	a.until("the feed is free", func() bool {
		var err error
		n, err = c.Open(a.t.Context(), name, client.OpenOptions{Format: f})
		if err != nil && !strings.Contains(err.Error(), "is read by") {
			a.t.Fatal(err)
		}
		return err == nil
	})
	a.t.Cleanup(func() { n.Close() })
	return n
}
