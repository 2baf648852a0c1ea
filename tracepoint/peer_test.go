// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracepoint

import (
	"strings"
	"testing"
)

// What a program emits is recorded by LTTng's session daemon, or counted.
func TestRecord(t *testing.T) {
	namespaced(t, func(m *machine) {
		m.sessiond()
		dir := m.trace("t")
		m.run("lttng", "create", "s", "-o", dir)
		m.run("lttng", "enable-event", "-u", "weirtest:tick")
		m.run("lttng", "start")
		p := m.start()
		if list := m.run("lttng", "list", "-u"); !strings.Contains(list, "weirtest:tick (loglevel: TRACE_INFO (6)) (type: tracepoint)") {
			m.Errorf("lttng list -u: %s", list)
		}
		p.do("tick 10 1")
		m.run("lttng", "stop")
		m.run("lttng", "destroy")
		r := m.read(dir)
		if len(r.lines) != 10 || r.discarded != 0 {
			m.Fatalf("%d events, %d discarded, want 10\n%s", len(r.lines), r.discarded, strings.Join(r.lines, "\n"))
		}
		if want := `{ n = 9, text = "tock" }`; !strings.HasSuffix(r.lines[9], want) {
			m.Errorf("event %s, want one that ends with %s", r.lines[9], want)
		}
	})
}
