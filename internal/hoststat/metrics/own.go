// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"bytes"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/kernel/reread"
)

// own are the families that exporters written in Go have of themselves: of the
// runtime, the process and its answers. Nothing is allocated to show them. It has one
// user at a time.
type own struct {
	answers *answers
	samples []metrics.Sample
	statm   *reread.File
	fds     *reread.Dir // nil: the number of open files has to be counted
	started float64     // s since the epoch

	pauses debug.GCStats
	cycles uint64 // for which pauses are

	heads [2][]string // by format, of the families in their order
	info  string      // labels of the version
}

// Places in own.samples.
const (
	heapObjects = iota // bytes
	heapUnused
	heapReleased
	heapFree
	heapStacks
	otherStacks
	spansInUse
	spansFree
	cachesInUse
	cachesFree
	profiles
	otherMetadata
	other
	allMemory
	allocatedBytes
	allocated
	freed
	tiny
	objects
	goal
	goroutines
	threads
	cycles
)

// sampled are the runtime's names of what is at these places.
var sampled = [...]string{
	heapObjects:    "/memory/classes/heap/objects:bytes",
	heapUnused:     "/memory/classes/heap/unused:bytes",
	heapReleased:   "/memory/classes/heap/released:bytes",
	heapFree:       "/memory/classes/heap/free:bytes",
	heapStacks:     "/memory/classes/heap/stacks:bytes",
	otherStacks:    "/memory/classes/os-stacks:bytes",
	spansInUse:     "/memory/classes/metadata/mspan/inuse:bytes",
	spansFree:      "/memory/classes/metadata/mspan/free:bytes",
	cachesInUse:    "/memory/classes/metadata/mcache/inuse:bytes",
	cachesFree:     "/memory/classes/metadata/mcache/free:bytes",
	profiles:       "/memory/classes/profiling/buckets:bytes",
	otherMetadata:  "/memory/classes/metadata/other:bytes",
	other:          "/memory/classes/other:bytes",
	allMemory:      "/memory/classes/total:bytes",
	allocatedBytes: "/gc/heap/allocs:bytes",
	allocated:      "/gc/heap/allocs:objects",
	freed:          "/gc/heap/frees:objects",
	tiny:           "/gc/heap/tiny/allocs:objects",
	objects:        "/gc/heap/objects:objects",
	goal:           "/gc/heap/goal:bytes",
	goroutines:     "/sched/goroutines:goroutines",
	threads:        "/sched/threads/total:threads",
	cycles:         "/gc/cycles/total:gc-cycles",
}

// ofRuntime are the families that are sums of those.
var ofRuntime = [...]struct {
	name string
	kind kind
	sum  []int
}{
	{"go_goroutines", gauge, []int{goroutines}},
	{"go_memstats_alloc_bytes", gauge, []int{heapObjects}},
	{"go_memstats_alloc_bytes_total", counter, []int{allocatedBytes}},
	{"go_memstats_buck_hash_sys_bytes", gauge, []int{profiles}},
	{"go_memstats_frees_total", counter, []int{freed, tiny}},
	{"go_memstats_gc_sys_bytes", gauge, []int{otherMetadata}},
	{"go_memstats_heap_alloc_bytes", gauge, []int{heapObjects}},
	{"go_memstats_heap_idle_bytes", gauge, []int{heapReleased, heapFree}},
	{"go_memstats_heap_inuse_bytes", gauge, []int{heapObjects, heapUnused}},
	{"go_memstats_heap_objects", gauge, []int{objects}},
	{"go_memstats_heap_released_bytes", gauge, []int{heapReleased}},
	{"go_memstats_heap_sys_bytes", gauge, []int{heapObjects, heapUnused, heapReleased, heapFree}},
	{"go_memstats_lookups_total", counter, nil}, // of pointers, which the runtime does not do
	{"go_memstats_mallocs_total", counter, []int{allocated, tiny}},
	{"go_memstats_mcache_inuse_bytes", gauge, []int{cachesInUse}},
	{"go_memstats_mcache_sys_bytes", gauge, []int{cachesInUse, cachesFree}},
	{"go_memstats_mspan_inuse_bytes", gauge, []int{spansInUse}},
	{"go_memstats_mspan_sys_bytes", gauge, []int{spansInUse, spansFree}},
	{"go_memstats_next_gc_bytes", gauge, []int{goal}},
	{"go_memstats_other_sys_bytes", gauge, []int{other}},
	{"go_memstats_stack_inuse_bytes", gauge, []int{heapStacks}},
	{"go_memstats_stack_sys_bytes", gauge, []int{heapStacks, otherStacks}},
	{"go_memstats_sys_bytes", gauge, []int{allMemory}},
	{"go_threads", gauge, []int{threads}},
}

// ofProcess are the families that follow, in their order.
var ofProcess = [...]struct {
	name string
	kind kind
}{
	{"go_gc_duration_seconds", summary},
	{"go_info", gauge},
	{"go_memstats_last_gc_time_seconds", gauge},
	{"process_cpu_seconds_total", counter},
	{"process_max_fds", gauge},
	{"process_open_fds", gauge},
	{"process_resident_memory_bytes", gauge},
	{"process_start_time_seconds", gauge},
	{"process_virtual_memory_bytes", gauge},
	{"process_virtual_memory_max_bytes", gauge},
	{"promhttp_metric_handler_errors_total", counter},
	{"promhttp_metric_handler_requests_in_flight", gauge},
	{"promhttp_metric_handler_requests_total", counter},
}

// quantiles are those of pauses that are shown, by format.
var quantiles = [2][]string{text: {"0", "0.25", "0.5", "0.75", "1"}, openMetrics: {"0.0", "0.25", "0.5", "0.75", "1.0"}}

func newOwn(a *answers) *own {
	const statmSize = 128
	o := &own{
		answers: a, statm: reread.NewPrompt("/proc/self/statm", statmSize, reread.Whole), fds: reread.NewDir("/proc/self/fd"),
		info: fixedLabels("version", runtime.Version()), started: startOf("/proc/self/stat", "/proc/stat"),
	}
	for _, name := range sampled {
		o.samples = append(o.samples, metrics.Sample{Name: name})
	}
	o.pauses.PauseQuantiles = make([]time.Duration, len(quantiles[text]))
	for f := range o.heads {
		for _, m := range ofRuntime {
			k := m.kind
			if m.name == "go_memstats_alloc_bytes_total" && format(f) == openMetrics {
				k = unknown // as a counter it would have the name of another family
			}
			o.heads[f] = append(o.heads[f], newFamily(m.name, k, "").heads[f]+m.name+" ")
		}
		for _, m := range ofProcess {
			o.heads[f] = append(o.heads[f], newFamily(m.name, m.kind, "").heads[f])
		}
	}
	return o
}

// close gives descriptors back.
func (o *own) close() {
	o.statm.Close()
	o.fds.Close()
}

// append appends the families.
func (o *own) append(b []byte, f format) []byte {
	metrics.Read(o.samples)
	heads := o.heads[f]
	for i := range ofRuntime {
		sum := uint64(0)
		for _, place := range ofRuntime[i].sum {
			sum += o.samples[place].Value.Uint64()
		}
		b = append(strconv.AppendUint(append(b, heads[i]...), sum, 10), '\n')
	}
	heads = heads[len(ofRuntime):]
	b = o.appendPauses(append(b, heads[0]...), f)
	b = append(append(append(append(b, heads[1]...), "go_info{"...), o.info...), "} 1\n"...)
	b = append(append(b, heads[2]...), "go_memstats_last_gc_time_seconds "...)
	last := 0.0
	if o.pauses.NumGC > 0 {
		last = float64(o.pauses.LastGC.UnixNano()) / float64(time.Second)
	}
	b = append(strconv.AppendFloat(b, last, 'f', -1, 64), '\n')
	b = o.appendProcess(b, heads[3:])
	return o.answers.append(b, heads[10:])
}

// appendPauses appends how long collections of garbage have stopped the program. They
// are asked for when there was another one: the runtime sorts its last 256.
func (o *own) appendPauses(b []byte, f format) []byte {
	if n := o.samples[cycles].Value.Uint64(); n != o.cycles {
		o.cycles = n
		debug.ReadGCStats(&o.pauses)
	}
	const name = "go_gc_duration_seconds"
	for i, q := range quantiles[f] {
		b = append(append(append(b, name+`{quantile="`...), q...), `"} `...)
		b = append(strconv.AppendFloat(b, o.pauses.PauseQuantiles[i].Seconds(), 'g', -1, 64), '\n')
	}
	b = append(strconv.AppendFloat(append(b, name+"_sum "...), o.pauses.PauseTotal.Seconds(), 'g', -1, 64), '\n')
	return append(strconv.AppendInt(append(b, name+"_count "...), o.pauses.NumGC, 10), '\n')
}

// appendProcess appends what the kernel knows of the process, that is left out where
// it does not say.
func (o *own) appendProcess(b []byte, heads []string) []byte {
	var usage unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &usage) == nil {
		used := time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
		b = appendGauge(b, heads[0], ofProcess[3].name, used.Seconds())
	}
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		b = appendGauge(b, heads[1], ofProcess[4].name, float64(limit.Cur))
	}
	if n, ok := o.openFiles(); ok {
		b = appendGauge(b, heads[2], ofProcess[5].name, float64(n))
	}
	size, resident, ok := o.memory()
	if ok {
		b = appendGauge(b, heads[3], ofProcess[6].name, float64(resident))
	}
	if o.started > 0 {
		b = appendGauge(b, heads[4], ofProcess[7].name, o.started)
	}
	if ok {
		b = appendGauge(b, heads[5], ofProcess[8].name, float64(size))
	}
	if syscall.Getrlimit(syscall.RLIMIT_AS, &limit) == nil {
		b = appendGauge(b, heads[6], ofProcess[9].name, float64(limit.Cur))
	}
	return b
}

func appendGauge(b []byte, head, name string, v float64) []byte {
	b = append(append(append(b, head...), name...), ' ')
	return append(strconv.AppendFloat(b, v, 'g', -1, 64), '\n')
}

// memory returns the sizes of the process in bytes, all and resident.
func (o *own) memory() (size, resident uint64, ok bool) {
	line, err := o.statm.Read()
	if err != nil {
		return 0, 0, false
	}
	var pages [2]uint64
	for i := range pages {
		var word []byte
		word, line, _ = bytes.Cut(line, []byte(" "))
		n, err := strconv.ParseUint(string(word), 10, 64)
		if err != nil {
			return 0, 0, false
		}
		pages[i] = n * uint64(os.Getpagesize())
	}
	return pages[0], pages[1], true
}

// openFiles returns how many files are open. Kernels since 6.2 say it as the size of
// the directory; before, its entries are counted, of which one is that of the counting.
func (o *own) openFiles() (int64, bool) {
	var st unix.Stat_t
	if o.fds.Stat(&st) != nil {
		return 0, false
	}
	if st.Size > 0 {
		return st.Size, true
	}
	list, err := o.fds.Numbers(nil)
	return int64(len(list)), err == nil
}

// startOf returns when a process was started, in seconds since the epoch, from its
// file "stat" and that of the host; 0: not known.
func startOf(process, host string) float64 {
	const fieldsToStart = 19 // behind the name, which ends with the last ")"
	line, err := reread.Read(0, process, nil)
	if err != nil {
		return 0
	}
	fields := bytes.Fields(line[bytes.LastIndexByte(line, ')')+1:])
	if len(fields) <= fieldsToStart {
		return 0
	}
	since, err := strconv.ParseFloat(string(fields[fieldsToStart]), 64)
	if err != nil {
		return 0
	}
	all, err := reread.Read(0, host, nil)
	if err != nil {
		return 0
	}
	const hz = 100 // USER_HZ is 100 wherever Go runs
	_, boot, _ := bytes.Cut(all, []byte("\nbtime "))
	boot, _, _ = bytes.Cut(boot, []byte("\n"))
	begin, err := strconv.ParseFloat(string(boot), 64)
	if err != nil {
		return 0
	}
	return begin + since/hz
}
