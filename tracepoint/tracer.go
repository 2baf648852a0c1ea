// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracepoint

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"sync"
)

// tracer is the tracing side of a program: its events, and connections to session
// daemons.
type tracer struct {
	clients []*client // immutable

	cancel context.CancelFunc
	done   sync.WaitGroup

	// Guarded by mu.
	mu     sync.Mutex
	events []*Event
	names  map[string]bool
	enums  map[string]*enum
	news   chan struct{} // closed, and replaced, when a client has published
}

// daemon is where a session daemon would listen.
type daemon struct {
	socket string
	// page is the file by which it wakes programs up that wait for it; others says
	// that programs of other users wait on it too.
	page   string
	others bool
}

// Names of the protocol's sockets and pages.
const (
	systemSocket = "/var/run/lttng/lttng-ust-sock-8"
	userSocket   = ".lttng/lttng-ust-sock-8"
	waitPage     = "/dev/shm/lttng-ust-wait-8"
)

// daemons are those of this program: the system's, and the user's own. A program that
// runs with more rights than its user has is not the user's to trace.
func daemons(getenv func(string) string, elevated bool) []daemon {
	all := []daemon{{systemSocket, waitPage, true}}
	home := getenv("LTTNG_HOME")
	if home == "" {
		home = getenv("HOME")
	}
	if home == "" || elevated || os.Getuid() != os.Geteuid() || os.Getgid() != os.Getegid() {
		return all
	}
	return append(all, daemon{filepath.Join(home, userSocket), waitPage + "-" + strconv.Itoa(os.Getuid()), false})
}

// auxSecure is the type of the auxiliary vector's entry that says, other than 0, that the
// program runs with more rights than who has started it: by its file's owner, group or
// capabilities.
const auxSecure = 23

// elevated reports whether an auxiliary vector says so, or does not say.
func elevated(vector []byte) bool {
	for ; len(vector) >= 16; vector = vector[16:] {
		if le.Uint64(vector) == auxSecure {
			return le.Uint64(vector[8:]) != 0
		}
	}
	return true
}

// offVariable and its value keep the library from doing anything.
const (
	offVariable = "WEIR_TRACE"
	offValue    = "off"
)

// process returns the one tracer of the program. Its goroutines end with the program.
var process = sync.OnceValue(func() *tracer {
	if os.Getenv(offVariable) == offValue {
		return startTracer(nil)
	}
	vector, _ := os.ReadFile("/proc/self/auxv") // a program with more rights may not read its own
	return startTracer(daemons(os.Getenv, elevated(vector)))
})

// startTracer starts a goroutine for each daemon; close ends them.
func startTracer(all []daemon) *tracer {
	ctx, cancel := context.WithCancel(context.Background())
	t := &tracer{cancel: cancel, names: make(map[string]bool), enums: make(map[string]*enum), news: make(chan struct{})}
	for _, d := range all {
		t.clients = append(t.clients, newClient(t, d))
	}
	for _, c := range t.clients {
		t.done.Go(func() { c.run(ctx) })
	}
	return t
}

// close ends the connections, and waits for that.
func (t *tracer) close() {
	t.cancel()
	for _, c := range t.clients {
		c.interrupt()
	}
	t.done.Wait()
}

// add adds an event. It reports false when there is one of this name.
func (t *tracer) add(e *Event) bool {
	t.mu.Lock()
	known := t.names[e.name]
	if !known {
		t.names[e.name] = true
		t.events = append(t.events, e)
	}
	t.mu.Unlock()
	if known {
		return false
	}
	for _, c := range t.clients {
		c.poke()
	}
	return true
}

// knowEnum takes note of an enumeration. It reports false where there is another of its
// name: daemons are told of one.
func (t *tracer) knowEnum(e *enum) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	known, ok := t.enums[e.name]
	if !ok {
		t.enums[e.name] = e
		return true
	}
	return known.same(e)
}

// list returns the events that there are. What it returns does not change.
func (t *tracer) list() []*Event {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.events[:len(t.events):len(t.events)]
}

// publish tells events where they are recorded by a client, and by the others. So far the
// client has looked at as many of them as it says.
func (t *tracer) publish(c *client, active map[*Event][]target, seen int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c.active, c.seen = active, seen
	for _, e := range t.events {
		var all []target
		for _, c := range t.clients {
			all = append(all, c.active[e]...)
		}
		e.aim(all)
	}
	close(t.news)
	t.news = make(chan struct{})
}
