// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/weir-io/weir/client/agent"
)

// fired is how often a trigger has fired.
func (t *tracer) fired(name string) uint64 {
	t.m.Helper()
	var doc struct{ Triggers []agent.Trigger }
	text := t.do("list-triggers", "--json")
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.m.Fatalf("weir list-triggers --json: %v\n%s", err, text)
	}
	for _, tr := range doc.Triggers {
		if tr.Name == name {
			return tr.Fired
		}
	}
	t.m.Fatalf("no trigger %s: %s", name, text)
	return 0
}

// TestEventTriggers fire for each event that their rule chooses, whatever sessions
// record.
func TestEventTriggers(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		m.needUprobes()
		w, calls := m.hitter("weirtrigger"), m.writer("weirtriggered")
		out := filepath.Join(m.dir, "snapshots")
		a.do("create", "flight", "--snapshot", "-o", out)
		a.do(a.countedRule(calls)...)
		a.do("start")
		m.write(calls, 500)
		a.do("add-trigger", "--name", "hits", "--condition", "event-rule-matches", "--type", "kernel:uprobe", "--name", "hit",
			"--location", "elf:"+w+":hit", "--action", "notify", "--action", "snapshot-session", "flight")
		a.do("add-trigger", "--name", "writes", "--condition", "event-rule-matches", "--type", "kernel:syscall:entry", "--name", "write",
			"--filter", fmt.Sprintf(`$ctx.procname == "%s" && count == 1 && fd == 1`, filepath.Base(calls)), "--action", "notify")
		a.refuse(agent.CodeTriggerExists, "hits", "add-trigger", "--name", "hits", "--condition", "session-rotation-starts", "--session-name", "flight", "--action", "notify")
		a.refuse(agent.CodeFilter, "", "add-trigger", "--name", "bad", "--condition", "event-rule-matches", "--name", "sched_switch", "--filter", "prev_prio ==", "--action", "notify")
		a.refuse(agent.CodeTriggerNotFound, "bad", "remove-trigger", "bad")
		m.run(w, "123")
		m.write(calls, 345)
		m.until("all hits have fired", func() bool { return a.fired("hits") >= 123 })
		m.until("all calls have fired", func() bool { return a.fired("writes") >= 345 })
		if hits, writes := a.fired("hits"), a.fired("writes"); hits != 123 || writes != 345 {
			m.Errorf("fired %d and %d times, want 123 and 345", hits, writes)
		}
		m.until("a snapshot is recorded", func() bool {
			found, err := filepath.Glob(filepath.Join(out, "*", "kernel", "metadata"))
			return err == nil && len(found) > 0
		})
		a.session("flight")
		var doc struct{ Sessions []agent.Session }
		if err := json.Unmarshal([]byte(a.do("list", "--json")), &doc); err != nil || len(doc.Sessions) != 1 {
			m.Errorf("sessions %v, %v; want one", doc.Sessions, err)
		}
		a.do("remove-trigger", "hits")
		a.do("destroy")
		a.end() // with one trigger
	})
}

// TestUsageTriggers fire when a ring that nobody reads fills, and when it is empty
// again; others when enough is written.
func TestUsageTriggers(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		w, out := m.writer("weirusage"), filepath.Join(m.dir, "trace")
		a.do("create", "filling", "-o", out)
		a.do("enable-channel", "-k", "small", "--subbuf-size=4096", "--num-subbuf=16", "--monitor-timer=20000")
		a.do(append(a.countedRule(w), "-c", "small")...)
		of := []string{"--session-name", "filling", "--action", "notify"}
		a.do(append([]string{"add-trigger", "--name", "high", "--condition", "channel-buffer-usage-ge", "--channel", "small", "--threshold-ratio", "0.5"}, of...)...)
		a.do(append([]string{"add-trigger", "--name", "low", "--condition", "channel-buffer-usage-le", "--channel", "small", "--threshold-ratio", "0.1"}, of...)...)
		a.do("add-trigger", "--name", "much", "--condition", "session-consumed-size-ge", "--session-name", "filling", "--threshold-size", "10000", "--action", "rotate-session", "filling")
		a.do("start")
		m.until("the ring is seen to be empty", func() bool { return a.fired("low") == 1 })
		a.do("disable-consumer")
		m.write(w, 5000)
		m.until("the ring is seen to be full", func() bool { return a.fired("high") == 1 })
		used, size := uint64(0), uint64(0)
		for _, st := range a.session("filling").Domains[0].Channels[0].Streams {
			used, size = max(used, st.UsageBytes), st.RingBytes
		}
		if used < size/2 || used > size || size != 16*4096 {
			m.Errorf("usage %d of %d bytes, want the half at least", used, size)
		}
		a.do("enable-consumer")
		m.until("the ring is seen to be empty again", func() bool { return a.fired("low") == 2 })
		m.until("enough is written", func() bool { return a.fired("much") == 1 })
		m.until("it is rotated", func() bool { return a.session("filling").Chunks == 1 })
		if n := a.fired("high"); n != 1 {
			m.Errorf("full %d times, want once", n)
		}
		a.do("destroy")
		a.end()
	})
}
