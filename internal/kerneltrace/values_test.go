// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kerneltrace

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
)

// printed is an event as the kernel prints it with option "fields".
type printed struct {
	tid         int64
	flags, name string
	micros      int64
	fields      string // NAME=VALUE NAME=VALUE …
}

// spaces are between the words of a line: several before a time of less than five digits.
var spaces = regexp.MustCompile(" +")

// parseTrace reads the text of an instance's trace file, by CPU.
func parseTrace(t *testing.T, text string) map[int][]printed {
	t.Helper()
	all := map[int][]printed{}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		// "            bash-13603   [000] d..2. 14030.609556: sched_switch: prev_comm=…"
		task, rest, ok := strings.Cut(strings.TrimRight(line, "\n"), " [")
		words := spaces.Split(rest, 5)
		if !ok || len(words) < 4 {
			continue // the second line of a printed stack
		}
		cpu, err := strconv.Atoi(strings.TrimSuffix(words[0], "]"))
		check(t, err)
		task = strings.TrimSpace(task)
		tid, err := strconv.ParseInt(task[strings.LastIndexByte(task, '-')+1:], 10, 32)
		check(t, err)
		p := printed{tid: tid, flags: words[1], name: strings.TrimSuffix(words[3], ":")}
		seconds, err := strconv.ParseFloat(strings.TrimSuffix(words[2], ":"), 64)
		check(t, err)
		p.micros = int64(math.Round(seconds * 1e6))
		if len(words) == 5 {
			p.fields = words[4]
		}
		all[cpu] = append(all[cpu], p)
	}
	return all
}

// value returns the printed value of a field, whose neighbours are known.
func (p *printed) value(name string, others []schema.Member) (string, bool) {
	_, v, ok := strings.Cut(" "+p.fields, " "+name+"=")
	if !ok {
		return "", false
	}
	end := len(v)
	for _, m := range others {
		if i := strings.Index(v, " "+m.Name+"="); i >= 0 {
			end = min(end, i)
		}
	}
	return strings.TrimSuffix(v[:end], " "), true
}

// Each event has the time, the thread and the values that the kernel prints for
// it.
func TestValuesAreThoseThatTheKernelPrints(t *testing.T) {
	systems := []string{"sched", "syscalls", "raw_syscalls", "irq", "irq_vectors", "timer", "kmem", "signal", "task", "workqueue", "rcu", "block", "writeback", "ext4", "filemap", "net", "skb", "sock", "tcp", "power", "cgroup", "dma", "ipi", "exceptions", "oom", "vmscan", "compaction", "migrate"}
	i := newInstance(t)
	systems = slices.DeleteFunc(systems, func(s string) bool { return !i.has(s) })
	i.write("options/fields", "1")
	i.write("buffer_size_kb", "16384")
	run := commands(t)
	i.record(systems, run)
	want := parseTrace(t, i.read("trace"))
	table := newTable(t, Options{Naming: Tracefs})
	for _, s := range systems {
		for _, f := range formats(t, s+"/*") {
			_, err := table.Declare(f)
			check(t, err)
		}
	}
	dir := t.TempDir()
	counts := writeTrace(t, dir, table, i.allPages(), ConverterOptions{})
	set, err := ctf.Open(ctf.Options{}, dir)
	check(t, err)
	events, values := 0, 0
	for _, stream := range set.Streams() {
		events += compareStream(t, stream, want[int(stream.ID)], &values)
	}
	t.Logf("%d events, %d values", events, values)
	if uint64(events) != counts.Events || values < events {
		t.Errorf("compared %d events and %d values of %d events", events, values, counts.Events)
	}
}

func (i *instance) has(system string) bool {
	_, err := os.Stat(i.dir + "/events/" + system)
	return err == nil
}

func compareStream(t *testing.T, s *ctf.Stream, want []printed, values *int) (events int) {
	t.Helper()
	c := ctf.NewCursor(s, 1<<16)
	defer c.Close()
	for {
		kind, err := c.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		check(t, err)
		if kind != ctf.EventRecord {
			continue
		}
		if events >= len(want) {
			t.Fatalf("stream %d: event %d, the kernel prints %d", s.ID, events, len(want))
		}
		p := &want[events]
		events++
		if err := compareEvent(c, p, values); err != nil {
			t.Fatalf("stream %d event %d: %v, the kernel prints %+v", s.ID, events-1, err, *p)
		}
	}
	if events != len(want) {
		t.Errorf("stream %d: %d events, the kernel prints %d", s.ID, events, len(want))
	}
	return events
}

func compareEvent(c *ctf.Cursor, p *printed, values *int) error {
	class := c.Class()
	_, name, _ := strings.Cut(class.Name, ":")
	if name != p.name {
		return fmt.Errorf("event %s", class.Name)
	}
	ns, _ := c.Time()
	if got := (ns + 500) / 1000; got != p.micros {
		return fmt.Errorf("time %d", got)
	}
	context, _ := c.Event().Scope(schema.EventContext)
	if tid, _ := context.Field("tid"); tid.Int() != p.tid {
		return fmt.Errorf("tid %d", tid.Int())
	}
	if flags, _ := context.Field("common_flags"); (flags.Uint()&flagInterruptsOff != 0) != strings.ContainsAny(p.flags[:1], "dD") {
		return fmt.Errorf("flags %#x", flags.Uint())
	}
	payload, _ := c.Event().Scope(schema.EventPayload)
	for _, m := range class.Payload.Members {
		text, ok := p.value(m.Name, class.Payload.Members)
		if !ok {
			continue
		}
		v, _ := payload.Field(m.Name)
		switch class := m.Class.(type) {
		case *schema.Integer:
			want, width, ok := printedNumber(text, class)
			if !ok {
				continue
			}
			if got := v.Word(); got<<(64-width) != want<<(64-width) {
				return fmt.Errorf("%s = %#x, want %q", m.Name, got, text)
			}
		case *schema.String, *schema.Text:
			if got := string(v.Text()); got != text {
				return fmt.Errorf("%s = %q, want %q", m.Name, got, text)
			}
		default:
			continue
		}
		*values++
	}
	return nil
}

// printedNumber reads "0x78 (120)"; width is how many bits of it are told.
func printedNumber(text string, class *schema.Integer) (v uint64, width uint8, ok bool) {
	i := strings.LastIndex(text, " (")
	if i < 0 {
		return 0, 0, false // an address of the record, for pointers of system calls
	}
	number := strings.TrimSuffix(text[i+2:], ")")
	width = class.Size
	if !strings.HasPrefix(text, "0x") {
		width = min(width, 32) // SYMBOL+OFFSET (low half of the address)
	}
	if n, err := strconv.ParseInt(number, 10, 64); err == nil {
		return uint64(n), width, true
	}
	n, err := strconv.ParseUint(number, 10, 64)
	return n, width, err == nil
}
