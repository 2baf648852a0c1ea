// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kernelsource

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/consumer"
	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/kernel/tracefs"
	"github.com/weir-io/weir/internal/peer"
	"github.com/weir-io/weir/internal/session"
	"github.com/weir-io/weir/internal/source"
	"github.com/weir-io/weir/internal/traceclock"
	"github.com/weir-io/weir/internal/wait"
)

// consumerRole is the argument that makes the test's program a consumer process.
const consumerRole = "consumer"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == consumerRole {
		conn, err := handover.New(os.NewFile(3, "daemon"))
		if err == nil {
			err = consumer.Run(conn, slog.New(slog.NewTextHandler(os.Stderr, nil)))
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// upkeep is short: what takes a minute elsewhere takes a moment here.
const upkeep = 20 * time.Millisecond

// patience bounds every wait. It is long: a test that needs it has failed.
const patience = 30 * time.Second

// host is a session daemon on the real kernel, with one session in it.
type host struct {
	*testing.T

	dir, out string
	source   *Source
	daemon   *session.Daemon
	by       session.Caller
	group    string       // of events that the test makes
	moved    atomic.Int64 // what the clock of the day is set by, ns
	measured atomic.Int64 // how often it was looked at
}

const sessionName = "s"

// newHost makes the daemon; change may alter the source before that.
func newHost(t *testing.T, change func(*Source)) *host {
	t.Helper()
	peer.Root(t, "to trace the kernel")
	peer.Need(t, "babeltrace2")
	h := &host{T: t, dir: t.TempDir(), by: session.Caller{Tracing: true}, group: fmt.Sprintf("ks%d_%s", os.Getpid(), strings.ToLower(t.Name()))}
	h.out = filepath.Join(h.dir, "trace")
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	h.source = New(filepath.Join(h.dir, "instances"), log)
	h.source.clock = func(id int32) traceclock.Offset {
		o := traceclock.Measure(id)
		o.NS += h.moved.Load()
		h.measured.Add(1)
		return o
	}
	if change != nil {
		change(h.source)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	h.daemon, err = session.New(session.Options{
		Log: log, Sources: []source.Source{h.source}, Consumer: []string{program, consumerRole}, Upkeep: upkeep,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := h.daemon.Close(ctx); err != nil {
			t.Error(err)
		}
		if err := h.source.Close(); err != nil {
			t.Error(err)
		}
		left, err := os.ReadDir(filepath.Join(h.dir, "instances"))
		if err == nil && len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	})
	h.create()
	return h
}

// create makes the session.
func (h *host) create() {
	h.Helper()
	if _, _, err := h.daemon.Create(h.Context(), h.by, agent.CreateSession{Name: sessionName, TraceSelf: true, URIs: []agent.URI{{
		DestinationType: agent.DestinationPath, Type: agent.Destination, Stream: agent.BothStreams, Path: h.out,
	}}}); err != nil {
		h.Fatal(err)
	}
}

// enable adds an event rule.
func (h *host) enable(kind agent.EventType, pattern, location, filter string) {
	h.Helper()
	done, err := h.daemon.EnableEvents(h.Context(), h.by, sessionName, agent.EnableEvents{Domain: Domain, Rules: []agent.EventRule{{
		Type: kind, Pattern: pattern, Location: location, Filter: filter, Enabled: true,
	}}})
	if err != nil || len(done.Warnings) > 0 {
		h.Fatalf("enable %s %s: %v, %v", kind, pattern, done.Warnings, err)
	}
}

func (h *host) start() {
	h.Helper()
	if _, err := h.daemon.Start(h.Context(), h.by, sessionName); err != nil {
		h.Fatal(err)
	}
}

func (h *host) stop() {
	h.Helper()
	if _, err := h.daemon.Stop(h.Context(), h.by, sessionName, true); err != nil {
		h.Fatal(err)
	}
}

// destroy ends the session and returns what babeltrace2 prints of it.
func (h *host) destroy() string {
	h.Helper()
	if _, err := h.daemon.Destroy(h.Context(), h.by, sessionName, true); err != nil {
		h.Fatal(err)
	}
	return h.run("babeltrace2", h.out)
}

func (h *host) session() (doc agent.Session) {
	h.Helper()
	h.until("the session is described as it is", func() (now bool) {
		var err error
		if doc, err = h.daemon.Session(h.by, sessionName); err != nil {
			h.Fatal(err)
		}
		return !slices.ContainsFunc(doc.Warnings, func(w string) bool { return strings.Contains(w, "a command is being carried out") })
	})
	return doc
}

// channel is the only one.
func (h *host) channel() agent.Channel {
	h.Helper()
	return h.session().Domains[0].Channels[0]
}

// run runs a program and returns what it printed.
func (h *host) run(args ...string) string {
	h.Helper()
	cmd := exec.CommandContext(h.Context(), args[0], args[1:]...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil || errs.Len() > 0 {
		h.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, errs.String())
	}
	return string(out)
}

// until waits for a condition that nobody signals.
func (h *host) until(what string, done func() bool) {
	h.Helper()
	wait.Until(h.T, what, done)
}

// hits is a program that calls a function as often as its argument says, and
// then, with another one, waits for the end of its input.
const hits = `#include <stdlib.h>
#include <unistd.h>
__attribute__((noinline)) long hit(long n) { __asm__ volatile("" : "+r"(n)); return n; }
int main(int argc, char **argv) {
	long sum = 0;
	for (long i = 0, n = atol(argv[1]); i < n; i++) sum += hit(i);
	if (argc > 2) { char c; write(1, ".", 1); read(0, &c, 1); }
	return sum < 0;
}
`

// hitter compiles the program, where each user may run it.
func (h *host) hitter() string { return h.compile("hits", hits) }

// compile compiles a program, where each user may run it.
func (h *host) compile(name, text string) string {
	h.Helper()
	peer.Need(h.T, "gcc")
	for dir := h.dir; dir != os.TempDir() && len(dir) > 1; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			h.Fatal(err)
		}
	}
	source, path := filepath.Join(h.dir, name+".c"), filepath.Join(h.dir, name)
	if err := os.WriteFile(source, []byte(text), 0o600); err != nil {
		h.Fatal(err)
	}
	h.run("gcc", "-O1", "-pthread", "-o", path, source)
	return path
}

func (h *host) hit(program string, n int) {
	h.Helper()
	h.run(program, strconv.Itoa(n))
}

// event makes an event of the program's function, as somebody else would.
func (h *host) event(program, name string) {
	h.Helper()
	place := tracefs.UserPlace{Path: program, Symbol: "hit"}
	offset, err := place.Offset()
	if err != nil {
		h.Fatal(err)
	}
	h.uprobe(fmt.Sprintf("p:%s/%s %s:%#x\n", h.group, name, program, offset))
	h.Cleanup(func() { h.uprobe(fmt.Sprintf("-:%s/%s\n", h.group, name)) })
}

// uprobe appends a line to the kernel's list of uprobes. One that another
// package's test has enabled with all events is busy until that test ends.
func (h *host) uprobe(line string) {
	h.Helper()
	const list = "/sys/kernel/tracing/uprobe_events"
	f, err := os.OpenFile(list, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		peer.Lack(h.T, "uprobes: %v", err)
	}
	defer f.Close()
	h.until("uprobes can be changed", func() bool {
		_, err = f.WriteString(line)
		return !errors.Is(err, unix.EBUSY)
	})
	if err != nil {
		h.Errorf("%q: %v", line, err)
	}
}

// instance is that of the session's channel.
func (h *host) instance() *tracefs.Instance {
	h.Helper()
	f, err := h.source.open()
	if err != nil {
		h.Fatal(err)
	}
	names, err := os.ReadDir(h.source.instances)
	if err != nil {
		h.Fatal(err)
	}
	for _, n := range names {
		if strings.HasPrefix(n.Name(), instancePrefix) {
			in, err := f.Instance(n.Name())
			if err != nil {
				h.Fatal(err)
			}
			return in
		}
	}
	h.Fatal("no instance")
	return nil
}

// TestClockSync records that the clock of the day was moved.
func TestClockSync(t *testing.T) {
	h := newHost(t, nil)
	h.enable(agent.Syscall, "getpriority", "", "")
	h.start()
	looked := func(what string) {
		t.Helper()
		n := h.measured.Load()
		h.until(what, func() bool { return h.measured.Load() > n+1 })
		h.session() // waits until it is told
	}
	looked("the clock is looked at")
	const moved = 2 * time.Millisecond
	h.moved.Store(int64(moved))
	looked("the clock is looked at after it was moved")
	looked("and again")
	h.stop()
	text := h.destroy()
	if n := strings.Count(text, " weir_clock_sync: "); n != 1 {
		t.Errorf("%d events of the clock's, want 1\n%s", n, text)
	}
}

// TestRest disables the events of a stopped session, until it is started again.
func TestRest(t *testing.T) {
	h := newHost(t, nil)
	w := h.hitter()
	h.enable(agent.UserspaceProbe, "hits", "elf:"+w+":hit", "")
	enabled := func() int {
		t.Helper()
		events, err := h.instance().Enabled()
		if err != nil {
			t.Fatal(err)
		}
		return len(events)
	}
	h.start()
	h.hit(w, 10)
	h.stop()
	h.until("the events are disabled", func() bool { return enabled() == 0 })
	h.enable(agent.UserspaceProbe, "more", "elf:"+w+":hit", "")
	h.until("a new one is disabled", func() bool { return enabled() == 0 })
	h.start()
	if n := enabled(); n != 2 {
		t.Errorf("%d events are enabled after start, want 2", n)
	}
	h.hit(w, 20)
	h.stop()
	text := h.destroy()
	for name, want := range map[string]int{" hits: ": 30, " more: ": 20} {
		if n := strings.Count(text, name); n != want {
			t.Errorf("%q is %d times in the trace, want %d", name, n, want)
		}
	}
}

// TestTrackUsers records the events of some users.
func TestTrackUsers(t *testing.T) {
	peer.Need(t, "setpriv")
	h := newHost(t, nil)
	w := h.hitter()
	h.enable(agent.UserspaceProbe, "hits", "elf:"+w+":hit", "")
	track := func(do func(context.Context, session.Caller, string, agent.Track) (agent.Done, error), r agent.Track) {
		t.Helper()
		r.Domain = Domain
		if _, err := do(t.Context(), h.by, sessionName, r); err != nil {
			t.Fatal(err)
		}
	}
	// The program stays until its events were read.
	hitAs := func(uid, gid, n int) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "setpriv", fmt.Sprintf("--reuid=%d", uid), fmt.Sprintf("--regid=%d", gid), "--clear-groups", w, strconv.Itoa(n), "wait")
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Read(make([]byte, 1)); err != nil {
			t.Error(err)
		}
		h.until("the events are read", h.emptied)
		track(h.daemon.Track, agent.Track{Of: agent.TrackGID}) // changes nothing; rings obey between two pages
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	track(h.daemon.Track, agent.Track{UIDs: []int64{12345}})
	h.start()
	hitAs(12345, 100, 10)
	hitAs(0, 0, 20)
	track(h.daemon.Track, agent.Track{UIDs: []int64{0}})
	hitAs(0, 0, 30)
	track(h.daemon.Track, agent.Track{GIDs: []int64{100}})
	hitAs(0, 0, 40)
	hitAs(12345, 100, 50)
	track(h.daemon.Untrack, agent.Track{UIDs: []int64{12345}})
	hitAs(12345, 100, 60)
	if s := h.session(); len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], "missed") {
		t.Errorf("warnings %q, want that users are known by chance", s.Warnings)
	}
	track(h.daemon.Track, agent.Track{All: true, Of: agent.TrackUID})
	track(h.daemon.Track, agent.Track{All: true, Of: agent.TrackGID})
	hitAs(12345, 100, 70)
	h.stop()
	if n := strings.Count(h.destroy(), " hits: "); n != 10+30+50+70 {
		t.Errorf("%d events in the trace, want %d", n, 10+30+50+70)
	}
}

// emptied reports whether all rings have been read.
func (h *host) emptied() bool {
	for _, st := range h.channel().Streams {
		if st.UsageBytes > 0 {
			return false
		}
	}
	return true
}
