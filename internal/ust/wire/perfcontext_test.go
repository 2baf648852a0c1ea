// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"strings"
	"testing"
)

// Counters are found by LTTng's names, written as its session daemon does, and read again.
func TestPerfContext(t *testing.T) {
	for name, want := range map[string]struct {
		kind   uint32
		config uint64
		field  string
	}{
		"perf:thread:cpu-cycles":               {0, 0, "perf_thread_cpu_cycles"},
		"perf:thread:cycles":                   {0, 0, "perf_thread_cycles"},
		"perf:thread:idle-cycles-backend":      {0, 8, "perf_thread_idle_cycles_backend"},
		"perf:thread:task-clock":               {1, 1, "perf_thread_task_clock"},
		"perf:thread:faults":                   {1, 2, "perf_thread_faults"},
		"perf:thread:L1-dcache-store-misses":   {3, 0x10100, "perf_thread_L1_dcache_store_misses"},
		"perf:thread:LLC-prefetches":           {3, 0x202, "perf_thread_LLC_prefetches"},
		"perf:thread:iTLB-load-misses":         {3, 0x10004, "perf_thread_iTLB_load_misses"},
		"perf:thread:raw:r00c0:of_mine":        {4, 0xc0, "perf_thread_raw_r00c0_of_mine"},
		"perf:thread:raw:rffffffffffffffff:my": {4, 1<<64 - 1, "perf_thread_raw_rffffffffffffffff_my"},
	} {
		c, ok := ParsePerfContextName(name)
		if !ok || c != (PerfContext{name, want.kind, want.config}) || c.Field() != want.field {
			t.Errorf("%s is %+v (%s), %v; want %+v", name, c, c.Field(), ok, want)
		}
		body := c.Append(nil)
		kind, config, field, err := ParsePerfContext(body)
		if err != nil || len(body) > bodyLen || kind != want.kind || config != want.config || field != want.field {
			t.Errorf("%s: read again: %d, %d, %s, %v", name, kind, config, field, err)
		}
		if again, ok := FindPerfContext(want.field); !ok || again.Field() != want.field || again.Type != want.kind || again.Config != want.config {
			t.Errorf("field %s is of %+v, %v", want.field, again, ok)
		}
		for _, n := range []int{0, 4, perfAt + 12, len(body) - 1} {
			if _, _, _, err := ParsePerfContext(body[:n]); err == nil {
				t.Errorf("body cut after %d bytes: no error", n)
			}
		}
	}
	if _, _, _, err := ParsePerfContext((&Context{Type: 1}).Append(make([]byte, 0, 400))[:4:400][:400]); err == nil {
		t.Error("another context is taken for a counter")
	}
	for _, name := range []string{
		"", "vpid", "perf:cpu:cycles", "perf:thread:", "perf:thread:nothing", "perf:thread:iTLB-stores", "perf:thread:raw:c0:x", "perf:thread:raw:rzz:x",
		"perf:thread:raw:rc0", "perf:thread:raw:rc0:", "perf:thread:raw:rc0:a b", "perf:thread:raw:r1:" + strings.Repeat("x", NameLen),
	} {
		if c, ok := ParsePerfContextName(name); ok {
			t.Errorf("%q is a counter: %+v", name, c)
		}
	}
	if c, ok := FindPerfContext("perf_thread_nothing"); ok {
		t.Errorf("perf_thread_nothing is %+v", c)
	}
}
