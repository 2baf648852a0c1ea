// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"fmt"
	"strings"
)

// viewer is a babeltrace that reads a session live.
type viewer struct{ *process }

// liveURL names a session for viewers.
func liveURL(session string) string {
	return "net://127.0.0.1/host/" + hostName + "/" + session
}

// view starts babeltrace2 on a session and waits until weir counts it among the
// session's viewers.
func (m *machine) view(session string) *viewer {
	m.Helper()
	before := m.viewers(session)
	v := &viewer{m.start("babeltrace2", "-i", "lttng-live", liveURL(session))}
	m.until("attached viewer", func() bool { return m.viewers(session) > before })
	return v
}

// viewOld does the same with babeltrace 1.
func (m *machine) viewOld(session string) *viewer {
	m.Helper()
	before := m.viewers(session)
	v := &viewer{m.start("stdbuf", "-oL", "babeltrace", "-i", "lttng-live", liveURL(session))}
	m.until("attached viewer", func() bool { return m.viewers(session) > before })
	return v
}

// listing is how babeltrace2 lists sessions.
const listing = "net://127.0.0.1/host/" + hostName + "/%s (timer = %d, %d stream(s), %d client(s) connected)"

// viewers asks the relay for the number of viewers of a session.
func (m *machine) viewers(session string) int {
	m.Helper()
	out := m.run("babeltrace2", "-i", "lttng-live", "net://127.0.0.1")
	for line := range strings.Lines(out) {
		var timer, streams, clients int
		format := strings.Replace(listing, "%s", session, 1)
		if _, err := fmt.Sscanf(strings.TrimSpace(line), format, &timer, &streams, &clients); err == nil {
			return clients
		}
	}
	m.Fatalf("session %s is not listed:\n%s", session, out)
	return 0
}

// await waits until the viewer has shown so many events of an application.
func (v *viewer) await(run, count int) {
	v.m.Helper()
	v.awaitLines(fmt.Sprintf("%d events of run %d", count, run), func(lines []string) bool {
		return len(lines) >= count && countEvents(parseEvents(lines))[run] >= count
	})
}

// finish waits for the viewer's end, checks that it was a good one, and returns
// all that it has shown.
func (v *viewer) finish() []event {
	v.m.Helper()
	if code := v.wait(); code != 0 {
		v.m.Errorf("%s: exit code %d:\n%s", v.name, code, lastLines(v.errors(), 20))
	}
	lines, _ := v.output()
	return parseEvents(lines)
}

// finishWhole is finish of a viewer that must not say that anything was lost.
func (v *viewer) finishWhole() []event {
	v.m.Helper()
	events := v.finish()
	if errs := v.errors(); strings.Contains(errs, "WARNING: Tracer") {
		v.m.Errorf("%s:\n%s", v.name, lastLines(errs, 20))
	}
	return events
}
