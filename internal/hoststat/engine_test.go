// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/kernel/reread"
	"github.com/weir-io/weir/internal/wait"
	"github.com/weir-io/weir/xmlsysd"
)

func all(xmlsysd.NodeID) bool { return true }

// classes wants the leaves of classes up to one, and what is above such.
func classes(m *xmlsysd.Model, most xmlsysd.Class) func(xmlsysd.NodeID) bool {
	wanted := make([]bool, m.Len())
	for id := range wanted {
		n := m.Node(xmlsysd.NodeID(id))
		if !n.Leaf && !n.Names || n.Class > most {
			continue
		}
		for at := xmlsysd.NodeID(id); ; at = m.Node(at).Parent {
			if wanted[at] = true; at == xmlsysd.Root {
				break
			}
		}
	}
	return func(id xmlsysd.NodeID) bool { return int(id) < len(wanted) && wanted[id] }
}

func newEngine(t testing.TB, o Options) *Engine {
	t.Helper()
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

func newSession(t testing.TB, e *Engine) *Session {
	t.Helper()
	s := e.NewSession()
	t.Cleanup(s.Close)
	return s
}

func paths(e *Engine, samples *Samples) []string {
	var list []string
	for _, p := range samples.Parts() {
		list = append(list, e.model.Node(p.Node).Path)
	}
	return list
}

var small = files{"proc/loadavg": "0.21 0.05 0.02 3/97 4711\n", "proc/uptime": "1.00 2.00\n", "proc/stat": "cpu0 1 2 3 4\n"}

// Sessions share what is young enough, and a sample that is held is not read over.
func TestSharing(t *testing.T) {
	o := small.options(t)
	o.MinInterval = time.Hour
	e := newEngine(t, o)
	wants := within(e.model, "proc/loadavg")
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			s := e.NewSession()
			defer s.Close()
			for range 50 {
				samples := s.Sample(t.Context(), wants, nil)
				want(t, values(t, e.model, samples.Parts()[0].Tape), "proc/loadavg", map[string]string{"/load1": "0.21"})
				samples.Release()
			}
		})
	}
	wg.Wait()
	if c := e.sectionOf("proc/loadavg").info().Cost; c.Calls != 1 {
		t.Errorf("read %d times, want once", c.Calls)
	}
}

// Who asks more often than samples are shared says so, and others share on. That
// goes for what several sections read, too.
func TestMaxAge(t *testing.T) {
	paging := "pgpgin %[1]d\npgpgout %[1]d\npswpin %[1]d\npswpout %[1]d\n"
	task := "(x) S 1 1 1 0 -1 0 0 0 0 0 %d 0 0 0 20 0 1 0 5 1 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
	f := files{
		"proc/loadavg": "0.00 0.00 0.00 1/1 1\n", "proc/stat": "cpu0 1 2 3 4\n", "proc/vmstat": fmt.Sprintf(paging, 0),
		"proc/7/stat": "7 " + fmt.Sprintf(task, 0),
	}
	o := f.options(t)
	o.MinInterval = time.Hour
	e := newEngine(t, o)
	wants := within(e.model, "proc/loadavg", "proc/stat", "proc/vmstat", "proc/tasks")
	patient, hasty := newSession(t, e), newSession(t, e)
	sample := func(s *Session, q *Query) map[string]string {
		samples := s.Sample(t.Context(), wants, q)
		defer samples.Release()
		got := make(map[string]string)
		for _, p := range samples.Parts() {
			maps.Copy(got, values(t, e.model, p.Tape))
		}
		return got
	}
	sample(patient, nil)
	for name, text := range map[string]string{
		"loadavg": "0.01 0.00 0.00 1/1 1\n", "vmstat": fmt.Sprintf(paging, 1), "7/stat": "7 " + fmt.Sprintf(task, 1),
	} {
		if err := os.WriteFile(filepath.Join(o.ProcRoot, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	old := map[string]string{"proc/loadavg/load1": "0.00", "proc/stat/page/in": "0", "proc/vmstat/pgpgin": "0", "proc/tasks/task[7]/utime": "0"}
	fresh := map[string]string{"proc/loadavg/load1": "0.01", "proc/stat/page/in": "1", "proc/vmstat/pgpgin": "1", "proc/tasks/task[7]/utime": "1"}
	want(t, sample(patient, nil), "", old)
	want(t, sample(patient, &Query{MaxAge: 2 * time.Hour}), "", old) // the engine's limit counts, too
	want(t, sample(hasty, &Query{MaxAge: 1}), "", fresh)
	want(t, sample(patient, nil), "", fresh)
}

func TestHeldSample(t *testing.T) {
	e := newEngine(t, small.options(t)) // nothing is shared: each message reads
	h := hang(e, "proc/loadavg")
	wants := within(e.model, "proc/loadavg")
	holder, other := newSession(t, e), newSession(t, e)
	held := holder.Sample(t.Context(), wants, nil)
	tape, at := held.Parts()[0].Tape, held.Parts()[0].At
	for range 10 {
		samples := other.Sample(t.Context(), wants, nil)
		if samples.Parts()[0].Tape == tape {
			t.Fatal("a held tape was filled anew")
		}
		samples.Release()
	}
	if e := tape.Entries()[0]; e.Time != stampOf(at) {
		t.Errorf("the held tape is of %v, want %v", e.Time, stampOf(at))
	}
	held.Release()
	if n := h.calls.Load(); n != 11 {
		t.Errorf("read %d times, want 11", n)
	}
	s := e.sectionOf("proc/loadavg")
	if n := len(s.free); n > 3 {
		t.Errorf("%d samples are left, want no more than were held at once and two", n)
	}
}

// What costs more is read when it is wanted only, and once more for who wants it.
func TestDetails(t *testing.T) {
	f := files{"proc/meminfo": meminfoText}
	o := f.options(t)
	o.MinInterval = time.Hour
	e := newEngine(t, o)
	s := newSession(t, e)
	for i, tt := range []struct {
		paths []string
		calls uint64
		all   bool
	}{
		{[]string{"proc/meminfo/memory"}, 1, false},
		{[]string{"proc/meminfo/memory"}, 1, false},
		{[]string{"proc/meminfo"}, 2, true},
		{[]string{"proc/meminfo/memory"}, 2, true}, // shares what the other asked for
	} {
		samples := s.Sample(t.Context(), within(e.model, tt.paths...), nil)
		_, all := values(t, e.model, samples.Parts()[0].Tape)["proc/meminfo/detail/MemTotal"]
		samples.Release()
		if c := e.sectionOf("proc/meminfo").info().Cost.Calls; c != tt.calls || all != tt.all {
			t.Errorf("message %d: %d readings, detail %v, want %d, %v", i, c, all, tt.calls, tt.all)
		}
	}
}

// Above the budget costly sections are read less often, and below it as before.
func TestBudget(t *testing.T) {
	o := files{"proc/softirqs": " CPU0\n HI: 1\n"}.options(t)
	o.MinInterval = time.Millisecond
	e := newEngine(t, o)
	s := e.sectionOf("proc/softirqs")
	interval := func() time.Duration {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.interval(0)
	}
	now := e.started
	step := func(spent time.Duration) {
		now = now.Add(budgetWindow)
		e.budget.spent.Store(int64(spent))
		e.checkBudget(now)
	}
	step(budgetWindow / 50)
	if got := interval(); got != 2*time.Second {
		t.Errorf("interval %v above the budget, want 2s", got)
	}
	for range 20 {
		step(budgetWindow / 50)
	}
	if got := interval(); got != maxStretched {
		t.Errorf("interval %v, want at most %v", got, maxStretched)
	}
	for range 20 {
		step(0)
	}
	if got := interval(); got != time.Millisecond {
		t.Errorf("interval %v after it, want 1ms", got)
	}
	step(budgetWindow / 50)
	s.mu.Lock()
	if got := s.interval(time.Microsecond); got != 2*time.Second {
		t.Errorf("interval %v above the budget of who wants none, want 2s", got)
	}
	s.mu.Unlock()
	if c := e.sectionOf("proc/stat"); c.stretch != 0 {
		t.Error("a cheap section is stretched too")
	}
}

// A host without /proc still tells what system calls do, and why the rest is not
// there. What a host may lack is no error.
func TestNoProc(t *testing.T) {
	e := files{}.engine(t)
	s := newSession(t, e)
	samples := s.Sample(t.Context(), classes(e.model, xmlsysd.Costly), nil)
	defer samples.Release()
	got := paths(e, samples)
	for _, path := range []string{"system/time", "system/identity", "system/users", "system/clock", "system/errors", "proc/version"} {
		if !slices.Contains(got, path) {
			t.Errorf("no %s in %v", path, got)
		}
	}
	codes := make(map[string]string)
	for _, p := range samples.Parts() {
		v := values(t, e.model, p.Tape)
		for k, text := range v {
			if strings.HasPrefix(k, "system/errors/") && strings.HasSuffix(k, "/path") {
				codes[text] = v[strings.TrimSuffix(k, "path")+"code"]
			}
		}
	}
	for _, path := range []string{"proc/stat", "proc/meminfo", "proc/loadavg", "proc/net/dev", "proc/cpuinfo", "proc/uptime", "proc/diskstats"} {
		if codes[path] != "ENOENT" {
			t.Errorf("%s: %q, want ENOENT", path, codes[path])
		}
	}
	for _, path := range []string{"proc/schedstat", "proc/mdstat", "proc/net/nf_conntrack", "proc/pressure", "system/sensors", "system/numa", "system/cpufreq"} {
		if codes[path] != "" {
			t.Errorf("%s: %s, want no error", path, codes[path])
		}
	}
}

// Pipes and directories in the place of files are refused without waiting.
func TestFIFOs(t *testing.T) {
	o := small.options(t)
	o.SectionTimeout = wait.Patience // which who waits does
	for _, path := range []string{"/meminfo", "/version", "/vmstat"} {
		if err := unix.Mkfifo(o.ProcRoot+path, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkdir(o.ProcRoot+"/diskstats", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkdir(o.Root+"/run", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(o.Root+"/run/utmp", 0o644); err != nil {
		t.Fatal(err)
	}
	e := newEngine(t, o)
	for path, code := range map[string]string{"proc/meminfo": "EINVAL", "proc/vmstat": "EINVAL", "proc/diskstats": "EINVAL", "system/users": "EINVAL", "proc/loadavg": ""} {
		began := time.Now()
		if got := sectionOf(t, e, path)["system/errors/error[0]/code"]; got != code {
			t.Errorf("%s: code %q, want %q", path, got, code)
		}
		if took := time.Since(began); took > o.SectionTimeout/2 {
			t.Errorf("%s took %v", path, took)
		}
	}
}

// After Close nothing runs any more, and a late session gets no slow section.
func TestClose(t *testing.T) {
	e, err := New(small.options(t))
	if err != nil {
		t.Fatal(err)
	}
	s := e.NewSession()
	s.Sample(t.Context(), all, nil).Release()
	s.Close()
	began := time.Now()
	e.Close()
	if took := time.Since(began); took >= closeWait {
		t.Errorf("took %v", took)
	}
	late := e.NewSession()
	defer late.Close()
	samples := late.Sample(t.Context(), within(e.model, "system/thermal"), nil)
	defer samples.Release()
	if len(samples.Parts()) != 0 {
		t.Errorf("parts %v", paths(e, samples))
	}
}

func TestCodes(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{&sourceError{"/x", unix.EACCES}, "EACCES"}, {errBusy, "ETIMEDOUT"}, {unexpected("x", nil), "EPARSE"}, {errors.New("x"), "EIO"},
	} {
		if got := codeOf(tt.err); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.err, got, tt.want)
		}
	}
}

// BenchmarkSample reads sections without writing them. Time of the CPU is that of
// the whole process.
func BenchmarkSample(b *testing.B) {
	for _, set := range []struct {
		name string
		most xmlsysd.Class
	}{{"2002", xmlsysd.Legacy}, {"default", xmlsysd.Cheap}, {"all", xmlsysd.Costly}} {
		b.Run(set.name, func(b *testing.B) {
			e := newEngine(b, Options{MinInterval: -1})
			s := newSession(b, e)
			wants := classes(e.Model(), set.most)
			s.Sample(b.Context(), wants, nil).Release()
			b.ReportAllocs()
			before := cpuTime(b)
			for b.Loop() {
				s.Sample(b.Context(), wants, nil).Release()
			}
			b.ReportMetric(float64((cpuTime(b)-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
		})
	}
}

func cpuTime(t testing.TB) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkKernel is what the kernel takes for the files of the message of 2002:
// nothing is parsed.
func BenchmarkKernel(b *testing.B) {
	var list []*reread.File
	for _, x := range []struct {
		name string
		kind reread.Kind
	}{
		{"stat", reread.Whole},
		{"vmstat", reread.Lines},
		{"meminfo", reread.Whole},
		{"net/dev", reread.Lines},
		{"net/sockstat", reread.Whole},
		{"loadavg", reread.Whole},
		{"sysvipc/msg", reread.Lines},
		{"sysvipc/sem", reread.Lines},
		{"sysvipc/shm", reread.Lines},
	} {
		f := reread.New("/proc/"+x.name, largeSize, x.kind)
		defer f.Close()
		list = append(list, f)
	}
	before := cpuTime(b)
	for b.Loop() {
		for _, f := range list {
			if _, err := f.Read(); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64((cpuTime(b)-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
}
