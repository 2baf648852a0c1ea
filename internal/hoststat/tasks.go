// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"bytes"
	"cmp"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/kernel/reread"
	"github.com/weir-io/weir/xmlsysd"
)

// Details of proc/tasks: each is a file of every process that is sent.
const (
	needWait need = 1 << iota
	needCgroup
	needCmdline
	needIO
)

// Limits of what is told of processes.
const (
	maxTasks   = 4096 // sent
	maxCmdline = 512  // bytes of one
)

// tasksReader reads the processes, once for all sessions, and writes those that a
// session's mask lets through.
type tasksReader struct {
	engine *Engine
	dir    *reread.Dir
	users  userNames
	errs   sourceErrors

	mu    sync.Mutex
	files *reread.Files // guarded by mu: of the scan, or of rest
	idle  *time.Timer   // guarded by mu: calls rest; nil: no file is kept

	at     time.Time // of table
	table  []task
	pids   []int32
	names  []byte // of table
	count  taskCounts
	chosen []chosenTask
	line   []byte

	tasks, counts, task           xmlsysd.NodeID
	countLeaves, leaves, ioLeaves []xmlsysd.NodeID
	io                            xmlsysd.NodeID
	room                          digitRoom
}

// task is what /proc/PID/stat tells.
type task struct {
	pid       int32
	uid       uint32
	state     byte
	nameFrom  uint32 // in tasksReader.names
	nameTo    uint32
	ppid      uint64
	utime     uint64 // ticks
	stime     uint64
	priority  int64
	nice      int64
	threads   uint64
	start     uint64 // ticks since boot
	vsize     uint64
	rss       int64 // pages
	processor uint64
}

// taskCounts are the numbers of processes by state: running sleeping disk stopped
// traced zombie idle.
type taskCounts struct {
	total, threads uint64
	states         [7]uint64
}

// stateLetters are the letters of taskCounts.states.
const stateLetters = "RSDTtZI"

// chosenTask is a place in the table, and what the order goes by.
type chosenTask struct {
	at    int
	key   uint64
	first bool // sent whatever the key is
}

func newTasksReader(e *Engine) reader {
	const at = "proc/tasks"
	m := e.model
	dir, keep := e.procDir(), 0
	if e.kernels {
		keep = maxKept()
	}
	return &tasksReader{
		engine: e, dir: dir, files: reread.NewFiles(dir, keep), users: newUserNames(e.root("etc/passwd")),
		tasks: m.Must(at), counts: m.Must(at + "/count"), task: m.Must(at + "/task"), io: m.Must(at + "/task/io"),
		countLeaves: nodesOf(m, at+"/count", "total", "running", "sleeping", "disk", "stopped", "traced", "zombie", "idle", "threads"),
		leaves: nodesOf(m, at+"/task", "name", "user", "state", "ppid", "utime", "stime", "priority", "nice", "threads", "start",
			"vsize", "rss", "processor", "wait", "cgroup", "cmdline"),
		ioLeaves: nodesOf(m, at+"/task/io", "rchar", "wchar", "read_bytes", "write_bytes"),
	}
}

func (k *tasksReader) close() {
	k.rest()
	k.dir.Close()
}

// rest closes what is kept of processes, when nobody has asked for a while.
func (k *tasksReader) rest() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.idle != nil {
		k.idle.Stop()
	}
	k.files.Close()
}

// tasksRest is for how long files of processes are kept that nobody asks for.
const tasksRest = time.Minute

// maxKept is how many files of processes are kept open: a part of what this process
// may open at all.
func maxKept() int {
	const most, part = 4096, 4
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	return int(min(limit.Cur/part, most))
}

func (k *tasksReader) read(r *request) error {
	if k.table == nil || r.now.Sub(k.at) >= limited(k.engine.o.MinInterval, r.maxAge) {
		if err := k.scan(r); err != nil {
			return k.errs.of(k.engine.o.ProcRoot, err)
		}
	}
	r.tasks.update(k)
	k.choose(&r.query.Tasks, r.tasks)
	t := r.tape
	t.Open(k.tasks, stampOf(k.at))
	defer t.Close()
	k.addCounts(t)
	for _, c := range k.chosen {
		k.addTask(r, &k.table[c.at])
	}
	return nil
}

// scan reads all processes. One that ends meanwhile is left out.
func (k *tasksReader) scan(r *request) (err error) {
	k.at, k.table, k.names, k.count = r.now, k.table[:0], k.names[:0], taskCounts{}
	if k.pids, err = k.dir.Numbers(k.pids[:0]); err != nil {
		return err
	}
	slices.Sort(k.pids)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.idle == nil {
		k.idle = time.AfterFunc(tasksRest, k.rest)
	} else {
		k.idle.Reset(tasksRest)
	}
	k.files.Begin()
	defer k.files.End()
	for _, pid := range k.pids {
		text, uid, err := k.files.Read(pid, r.now)
		if err != nil {
			continue
		}
		r.bytes += len(text)
		name, t, ok := parseTask(text)
		if !ok {
			continue
		}
		t.pid, t.uid = pid, uid
		t.nameFrom = uint32(len(k.names))
		k.names = append(k.names, name...)
		t.nameTo = uint32(len(k.names))
		k.table = append(k.table, t)
		k.count.total++
		k.count.threads += t.threads
		if i := bytes.IndexByte([]byte(stateLetters), t.state); i >= 0 {
			k.count.states[i]++
		}
	}
	return nil
}

func (k *tasksReader) name(t *task) []byte { return k.names[t.nameFrom:t.nameTo] }

// Fields of /proc/PID/stat behind the name, from the state on.
const (
	statPPID      = 1
	statUtime     = 11
	statStime     = 12
	statPriority  = 15
	statNice      = 16
	statThreads   = 17
	statStart     = 19
	statVsize     = 20
	statRSS       = 21
	statProcessor = 36
)

// statTaken are the fields that take takes, a bit each.
const statTaken = 1 | 1<<statPPID | 1<<statUtime | 1<<statStime | 1<<statPriority | 1<<statNice | 1<<statThreads | 1<<statStart | 1<<statVsize | 1<<statRSS | 1<<statProcessor

// parseTask reads "1 (name) S 0 …". The name may hold anything: it ends at the last
// bracket of the text.
func parseTask(text []byte) (name []byte, t task, ok bool) {
	from, to := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if from < 0 || to < from {
		return nil, t, false
	}
	rest, _ := cutLine(text[to+1:])
	for i, at := 0, 0; i <= statProcessor; i++ { // as cutWord does, which a thousand times 37 calls show
		for at < len(rest) && rest[at] == ' ' {
			at++
		}
		start := at
		for at < len(rest) && rest[at] != ' ' {
			at++
		}
		if at == start || statTaken&(1<<i) != 0 && !t.take(i, rest[start:at]) {
			return nil, t, false
		}
	}
	return text[from+1 : to], t, true
}

// take takes a field. Those that nobody asks for may be anything.
func (t *task) take(i int, word []byte) (ok bool) {
	switch i {
	case 0:
		t.state = word[0]
		return len(word) == 1 && word[0]|0x20 >= 'a' && word[0]|0x20 <= 'z'
	case statPPID:
		t.ppid, ok = number(word)
	case statUtime:
		t.utime, ok = number(word)
	case statStime:
		t.stime, ok = number(word)
	case statPriority:
		t.priority, ok = integer(word)
	case statNice:
		t.nice, ok = integer(word)
	case statThreads:
		t.threads, ok = number(word)
	case statStart:
		t.start, ok = number(word)
	case statVsize:
		t.vsize, ok = number(word)
	case statRSS:
		t.rss, ok = integer(word)
	case statProcessor:
		t.processor, ok = number(word)
	default:
		return true
	}
	return ok
}

// choose makes the list of what a mask lets through, the first first.
func (k *tasksReader) choose(m *xmlsysd.TaskMask, h *taskHistory) {
	k.chosen = k.chosen[:0]
	all := len(m.Names)+len(m.Users) > 0 || m.States != ""
	for i := range k.table {
		t := &k.table[i]
		if all && !m.Match(k.name(t), k.users.of(t.uid, k.at), t.state) {
			continue
		}
		c := chosenTask{at: i, first: m.Top == 0 && (t.state == 'R' || t.state == 'D')}
		switch m.Sort {
		case xmlsysd.SortRSS:
			c.key = uint64(max(t.rss, 0))
		case xmlsysd.SortStart:
			c.key = t.start
		default:
			c.key = h.used(i, t)
		}
		k.chosen = append(k.chosen, c)
	}
	slices.SortFunc(k.chosen, func(a, b chosenTask) int { return cmp.Or(cmp.Compare(b.key, a.key), cmp.Compare(a.at, b.at)) })
	switch {
	case m.Top > 0:
		k.chosen = k.chosen[:min(len(k.chosen), m.Top, maxTasks)]
	case all:
		k.chosen = k.chosen[:min(len(k.chosen), maxTasks)]
	default:
		k.cutToDefault()
	}
}

// cutToDefault leaves the processes that run or wait for a disk, and as many others.
func (k *tasksReader) cutToDefault() {
	others := 0
	k.chosen = slices.DeleteFunc(k.chosen, func(c chosenTask) bool {
		if c.first {
			return false
		}
		others++
		return others > xmlsysd.DefaultTop
	})
	k.chosen = k.chosen[:min(len(k.chosen), maxTasks)]
}

func (k *tasksReader) addCounts(t *xmlsysd.Tape) {
	t.Open(k.counts, xmlsysd.Stamp{})
	t.Uint(k.countLeaves[0], k.count.total)
	for i, n := range k.count.states {
		t.Uint(k.countLeaves[1+i], n)
	}
	t.Uint(k.countLeaves[8], k.count.threads)
	t.Close()
}

// addTask adds a process, with what further files tell. One that has ended since
// the scan is left out if that is seen.
func (k *tasksReader) addTask(r *request, p *task) {
	t, l := r.tape, k.leaves
	mark := t.Mark()
	t.Open(k.task, xmlsysd.Stamp{}, k.room.of(uint64(p.pid)))
	t.Leaf(l[0], k.name(p))
	t.Leaf(l[1], k.users.of(p.uid, k.at))
	k.line = append(k.line[:0], p.state)
	t.Leaf(l[2], k.line)
	t.Uint(l[3], p.ppid)
	t.Uint(l[4], p.utime)
	t.Uint(l[5], p.stime)
	t.Int(l[6], p.priority)
	t.Int(l[7], p.nice)
	t.Uint(l[8], p.threads)
	t.Uint(l[9], p.start)
	t.Uint(l[10], p.vsize)
	t.Uint(l[11], uint64(max(p.rss, 0))*uint64(os.Getpagesize()))
	t.Uint(l[12], p.processor)
	if !k.addFiles(r, p) {
		t.Cut(mark)
		return
	}
	t.Close()
}
