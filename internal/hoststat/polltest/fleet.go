// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package polltest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// fleetEnv tells a test binary to be a fleet, and where to listen.
const fleetEnv = "WEIR_POLLTEST_FLEET"

// ServeFleet is for TestMain: in a process that Fleet has started it serves hosts
// until its standard input ends, and reports true.
func ServeFleet() bool {
	address := os.Getenv(fleetEnv)
	if address == "" {
		return false
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(l.Addr())
	(&Daemon{Answer: Crowd("fleet")}).Serve(l)
	_, _ = io.Copy(io.Discard, os.Stdin)
	return true
}

// Crowd returns what answers for thousands of hosts: the message is made ten times a
// second for all, so that they take little of the machine that they share.
func Crowd(name string) func(session, n int) []byte {
	m := Default(name)
	m.Brief = true
	var mu sync.Mutex
	var tenth int64    // guarded by mu
	var message []byte // guarded by mu
	return func(int, int) []byte {
		now := time.Now()
		mu.Lock()
		defer mu.Unlock()
		if t := now.UnixMilli() / 100; t != tenth {
			tenth, message = t, Frame(m.Message(now))
		}
		return message
	}
}

// Fleet starts a process that answers for any number of hosts, so that what it
// takes is not measured, and returns its address. TestMain must call ServeFleet.
func Fleet(t testing.TB) (address string) {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), fleetEnv+"=127.0.0.1:0")
	c.Stderr = os.Stderr
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}
