// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/hoststat"
	"github.com/weir-io/weir/internal/peer"
	"github.com/weir-io/weir/internal/wait"
	"github.com/weir-io/weir/xmlsysd"
)

// withTriggers ends a test on a kernel without them.
func withTriggers(t *testing.T) {
	t.Helper()
	if _, err := os.ReadFile("/proc/pressure/cpu"); err != nil {
		peer.Lack(t, "a kernel with pressure stall information")
	}
}

// crowd has more threads want a processor than there are, until the test ends.
func crowd(t *testing.T) {
	t.Helper()
	before := runtime.GOMAXPROCS(4 * runtime.NumCPU())
	var end atomic.Bool
	var running sync.WaitGroup
	for range 3 * runtime.NumCPU() {
		running.Go(func() { // ends with the flag
			runtime.LockOSThread()
			for !end.Load() {
				_ = time.Now()
			}
		})
	}
	t.Cleanup(func() {
		end.Store(true)
		running.Wait()
		runtime.GOMAXPROCS(before)
	})
}

// fired returns how often a trigger of a message has fired, and whether it is there.
func fired(t *testing.T, body, id string) (n uint64, ok bool) {
	t.Helper()
	d, err := xmlsysd.ParseDocument([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	at := fmt.Sprintf(`/xmlsysd/system/triggers/trigger[@id="%s"]/`, id)
	n, err = d.Uint(at + "count")
	if _, ageErr := d.Uint(at + "age"); n > 0 && ageErr != nil {
		t.Error(ageErr)
	}
	return n, err == nil
}

// Nobody asks; when tasks wait for a processor, messages come, and other commands
// are carried out all the same.
func TestTrigger(t *testing.T) {
	withTriggers(t)
	h := start(t, Options{IdleTimeout: 200 * time.Millisecond}) // who waits for a trigger is not idle
	c := h.dial(t)
	const first, second = "cpu some 0.000001 0.5", "memory full 10 10"
	if got := code(t, c.ask("init\noff all\non triggers pressure\nack on\ntrigger "+first+"\n")); got != "ok" {
		t.Fatal(got)
	}
	c.say("ack off\ntrigger " + second + "\ntrigger " + first + "\nack off\n")
	c.frame() // the reply to the first command of these
	crowd(t)
	// A new trigger may fire at once, for what was waited for before it: the kernel does not
	// count on while nobody polls. Then it is quiet; a message of its own is not one of the
	// first one's.
	last, others := uint64(0), uint64(0)
	for seen := 0; seen < 3; {
		body, _ := c.frame()
		n, ok := fired(t, string(body), first)
		m, there := fired(t, string(body), second)
		if n > last {
			seen++
		}
		if !ok || !there || n < last || n == last && m == others || m > 1 {
			t.Fatalf("fired %d times, %d before; the other one %d times, %d before: %s", n, last, m, others, body)
		}
		last, others = n, m
		if !strings.Contains(string(body), "<avg10>") {
			t.Error("the message has not what is selected")
		}
	}
	if body := c.ask("send\n"); !strings.Contains(body, "<triggers ") {
		t.Errorf("%s", body)
	}
	c.say("trigger off\noff all\non version\nsend\n")
	wait.Until(t, "the triggers are gone", func() bool {
		body, _ := c.frame()
		return strings.Contains(string(body), "<version>")
	})
}

// What ends a session ends its triggers, and init does.
func TestTriggersEnd(t *testing.T) {
	withTriggers(t)
	h := start(t, Options{})
	for _, end := range []string{"quit\n", "init\nquit\n", "trigger off\nquit\n", ""} {
		c := h.dial(t)
		c.say("init\noff all\ntrigger io full 10 10\n" + end)
		if end == "" {
			c.Close()
			continue
		}
		c.gone()
	}
	wait.Until(t, "all sessions have ended", func() bool { return h.open() == 0 })
	if err := h.stop(); err != nil {
		t.Error(err)
	}
}

func TestTriggerRefused(t *testing.T) {
	c := start(t, Options{Engine: newEngine(t, hoststat.Options{ProcRoot: twoInterfaces(t)})}).dial(t)
	if got := code(t, c.ask("ack on\ntrigger cpu some 1 2\n")); got != "E_DENIED" {
		t.Errorf("without a kernel's files: %s", got)
	}
	if got := code(t, c.ask("trigger cpu some\n")); got != "E_ARG" {
		t.Errorf("without times: %s", got)
	}
	withTriggers(t)
	c = start(t, Options{}).dial(t)
	c.say("ack on\n")
	for i := 1; i <= 9; i++ {
		want := "ok"
		if i > maxTriggers {
			want = "E_LIMIT"
		}
		if got := code(t, c.ask(fmt.Sprintf("trigger io full 0.%d 10\n", i))); got != want {
			t.Errorf("trigger %d: %s, want %s", i, got, want)
		}
	}
	if got := code(t, c.ask("trigger io full 0.1 10\n")); got != "ok" {
		t.Errorf("one that is there: %s", got)
	}
}
