// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// ContextPerf is a counter that a program reads for each of its threads: a PerfContext.
const ContextPerf ContextType = 5

// perfPrefix begins LTTng's names of such.
const perfPrefix = "perf:thread:"

// perfAt is where the counter is in the body of a command.
const perfAt = 20

// PerfContext is a counter of perf_event_open(2).
type PerfContext struct {
	Name   string // perf:thread:COUNTER, or perf:thread:raw:rHEX:NAME
	Type   uint32
	Config uint64
}

// Types of counters.
const (
	perfHardware = 0
	perfSoftware = 1
	perfCache    = 3
	perfRaw      = 4
)

// counter is a counter by its type and configuration.
type counter struct {
	kind   uint32
	config uint64
}

// counters are those that have names, as LTTng has them.
var counters = func() map[string]counter {
	all := make(map[string]counter)
	for kind, names := range map[uint32][]string{
		perfHardware: {
			"cpu-cycles cycles", "instructions", "cache-references", "cache-misses", "branch-instructions branches", "branch-misses", "bus-cycles",
			"stalled-cycles-frontend idle-cycles-frontend", "stalled-cycles-backend idle-cycles-backend",
		},
		perfSoftware: {
			"cpu-clock", "task-clock", "page-fault faults", "context-switches cs", "cpu-migrations migrations", "minor-faults", "major-faults",
			"alignment-faults", "emulation-faults",
		},
	} {
		for config, same := range names {
			for name := range strings.FieldsSeq(same) {
				all[name] = counter{kind, uint64(config)}
			}
		}
	}
	for i, cache := range []string{"L1-dcache", "L1-icache", "LLC", "dTLB", "iTLB", "branch"} {
		for op, name := range []string{"load", "store", "prefetch"} {
			if op > 0 && i > 3 {
				break // these are read only
			}
			config := uint64(i) | uint64(op)<<8
			plural := name + "s"
			if name == "prefetch" {
				plural = "prefetches"
			}
			all[cache+"-"+plural] = counter{perfCache, config}
			all[cache+"-"+name+"-misses"] = counter{perfCache, config | 1<<16}
		}
	}
	return all
}()

// ParsePerfContextName finds a counter by LTTng's name of the context.
func ParsePerfContextName(name string) (c PerfContext, ok bool) {
	rest, ok := strings.CutPrefix(name, perfPrefix)
	if !ok || len(name) >= NameLen {
		return c, false
	}
	if n, ok := counters[rest]; ok {
		return PerfContext{name, n.kind, n.config}, true
	}
	rest, raw := strings.CutPrefix(rest, "raw:r")
	hex, label, named := strings.Cut(rest, ":")
	config, err := strconv.ParseUint(hex, 16, 64)
	ok = raw && named && label != "" && err == nil && !strings.ContainsFunc(label, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-'
	})
	return PerfContext{name, perfRaw, config}, ok
}

// FindPerfContext finds a counter by its name in traces and saved sessions.
func FindPerfContext(field string) (PerfContext, bool) {
	for _, name := range PerfContextNames() {
		if c, _ := ParsePerfContextName(name); c.Field() == field {
			return c, true
		}
	}
	if rest, ok := strings.CutPrefix(field, "perf_thread_raw_"); ok {
		hex, label, _ := strings.Cut(rest, "_")
		return ParsePerfContextName(perfPrefix + "raw:" + hex + ":" + label)
	}
	return PerfContext{}, false
}

// PerfContextNames lists the contexts whose counters have names.
func PerfContextNames() (names []string) {
	for _, name := range slices.Sorted(maps.Keys(counters)) {
		names = append(names, perfPrefix+name)
	}
	return names
}

// Field is its name in traces.
func (c PerfContext) Field() string { return strings.NewReplacer(":", "_", "-", "_").Replace(c.Name) }

// Append appends it, as the body of a command.
func (c PerfContext) Append(b []byte) []byte {
	b = le.AppendUint32(b, uint32(ContextPerf))
	b = appendPad(b, perfAt-4)
	b = le.AppendUint32(b, c.Type)
	b = le.AppendUint64(b, c.Config)
	return appendText(b, c.Field(), NameLen)
}

// ParsePerfContext reads the body of a command: type, configuration and the name in traces.
func ParsePerfContext(b []byte) (kind uint32, config uint64, field string, err error) {
	const what, n = "context", perfAt + 12 + NameLen
	if len(b) < n {
		return 0, 0, "", short(what, len(b), n)
	}
	if t := ContextType(le.Uint32(b)); t != ContextPerf {
		return 0, 0, "", &Error{what, 0, int32(t), fmt.Sprint(int32(ContextPerf))}
	}
	field, err = text(what, b, perfAt+12, NameLen)
	return le.Uint32(b[perfAt:]), le.Uint64(b[perfAt+4:]), field, err
}
