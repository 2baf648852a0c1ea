// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package proc

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/weir-io/weir/internal/peer"
	"golang.org/x/sys/unix"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// tree is a directory that looks like /proc.
type tree struct {
	t    testing.TB
	path string
}

func newTree(t testing.TB) *tree {
	r := &tree{t, t.TempDir()}
	r.write("partitions", "major minor  #blocks  name\n\n 254        0  268435456 vda\n")
	r.write("interrupts", "           CPU0       CPU1\n 24:          1          0  IO-APIC   5-edge      ACPI:Ged\n")
	return r
}

func (r *tree) write(name, text string) {
	r.t.Helper()
	name = filepath.Join(r.path, name)
	check(r.t, os.MkdirAll(filepath.Dir(name), 0o755))
	check(r.t, os.WriteFile(name, []byte(text), 0o644))
}

func (r *tree) link(name, to string) {
	r.t.Helper()
	name = filepath.Join(r.path, name)
	check(r.t, os.MkdirAll(filepath.Dir(name), 0o755))
	check(r.t, os.Symlink(to, name))
}

// thread makes a thread's files. Ids are those of NStgid and NSpid.
func (r *tree) thread(dir string, s stat, pids, tids string) {
	r.t.Helper()
	flags := 0
	if s.kernel {
		flags = kernelThread
	}
	r.write(dir+"/stat", fmt.Sprintf("%d (%s) %c %d 0 0 0 -1 %d 1 2 3 4 5 6 7 8 20 0 %d 0 10 20 30 18446744073709551615"+strings.Repeat(" 0", 12)+" 17 %d 0 0\n",
		s.id, s.name, s.state, s.ppid, flags, s.threads, s.cpu))
	r.write(dir+"/status", "Name:\tx\nUmask:\t0022\nUid:\t1\t1000\t3\t4\nGid:\t5\t2000\t7\t8\nGroups:\t\nNStgid:\t"+pids+"\nNSpid:\t"+tids+"\nNSpgid:\t1\n")
	for i, name := range []string{"cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"} {
		r.link(dir+"/ns/"+name, fmt.Sprintf("%s:[%d]", name, 4026531835+i))
	}
}

func (r *tree) state(o Options) *State {
	r.t.Helper()
	fs, err := Open(r.path)
	check(r.t, err)
	defer fs.Close()
	if o.Interfaces == nil {
		o.Interfaces = func() ([]Interface, error) { return []Interface{{"eth0", [4]byte{192, 0, 2, 1}}}, nil }
	}
	s, err := fs.State(o)
	check(r.t, err)
	return s
}

// someone is whose all threads of a tree are.
var someone = Owner{UID: IDs{1, 1000, 3}, GID: IDs{5, 2000, 7}, VUID: IDs{1, 1000, 3}, VGID: IDs{5, 2000, 7}}

var spaces = Namespaces{Cgroup: 4026531835, IPC: 4026531836, Mnt: 4026531837, Net: 4026531838, PID: 4026531839, Time: 4026531840, User: 4026531841, UTS: 4026531842}

func TestState(t *testing.T) {
	r := newTree(t)
	r.thread("2", stat{id: 2, name: []byte("kthreadd"), state: 'S', threads: 1, kernel: true}, "2", "2")
	r.thread("10", stat{id: 10, name: []byte(") S 1 (\n"), state: 'S', ppid: 1, threads: 2, cpu: 3}, "10", "10")
	r.thread("10/task/10", stat{id: 10, name: []byte("x"), state: 'S', ppid: 1, threads: 2}, "10", "10")
	r.thread("10/task/11", stat{id: 11, name: []byte("worker"), state: 'R', ppid: 1, threads: 2, cpu: 1}, "10", "11")
	// A container's first process, whose parent is outside, and its child.
	r.thread("20", stat{id: 20, name: []byte("init"), state: 'S', ppid: 10, threads: 1}, "20\t1", "20\t1")
	r.thread("9", stat{id: 9, name: []byte(""), state: 'Z', ppid: 20, threads: 1}, "9\t7", "9\t7")
	// What is no process, and what ends while it is read.
	r.write("sys/kernel/x", "")
	r.write("30/status", "")
	r.write("31/stat", "31 (x) S")
	r.link("10/fd/0", "/dev/null")
	r.write("10/fdinfo/0", "pos:\t0\nflags:\t0100002\nmnt_id:\t24\n")
	r.link("10/fd/12", "/a b\n(deleted)")
	r.write("10/fdinfo/12", "pos:\t0\nflags:\t02000000\n")
	r.link("10/fd/13", "socket:[1]")
	got := r.state(Options{})
	inner := spaces
	inner.PIDLevel = 1
	want := &State{
		Threads: []Thread{
			{TID: 2, PID: 2, VTID: 2, VPID: 2, Name: "kthreadd", Kernel: true, State: 'S', Prio: 20, Owner: someone, Namespaces: spaces},
			{TID: 9, PID: 9, PPID: 20, VTID: 7, VPID: 7, VPPID: 1, State: 'Z', Prio: 20, Owner: someone, Namespaces: inner},
			{TID: 10, PID: 10, PPID: 1, VTID: 10, VPID: 10, Name: ") S 1 (\n", State: 'S', CPU: 3, Prio: 20, Owner: someone, Namespaces: spaces},
			{TID: 11, PID: 10, PPID: 1, VTID: 11, VPID: 10, Name: "worker", State: 'R', CPU: 1, Prio: 20, Owner: someone, Namespaces: spaces},
			{TID: 20, PID: 20, PPID: 10, VTID: 1, VPID: 1, Name: "init", State: 'S', Prio: 20, Owner: someone, Namespaces: inner},
		},
		Files: []File{
			{PID: 10, FD: 0, Flags: 0o100002, Name: "/dev/null"},
			{PID: 10, FD: 12, Flags: 0o2000000, Name: "/a b\n(deleted)"},
		},
		Interfaces:   []Interface{{"eth0", [4]byte{192, 0, 2, 1}}},
		BlockDevices: []BlockDevice{{254 << 20, "vda"}},
		Interrupts:   []Interrupt{{24, "IO-APIC", "ACPI:Ged"}},
		// 30, 31, the third file of 10, the missing directories of files.
		LeftOut: LeftOut{Gone: got.LeftOut.Gone},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("state\n got %+v\nwant %+v", got, want)
	}
	if got.LeftOut.Gone < 3 {
		t.Errorf("%d ended while they were read, want 3", got.LeftOut.Gone)
	}
}

func TestLimits(t *testing.T) {
	r := newTree(t)
	for p := range 3 {
		pid := 100 * (p + 1)
		r.thread(fmt.Sprint(pid), stat{id: int32(pid), name: []byte("p"), state: 'S', threads: 5}, "1", "1")
		for i := range 5 {
			r.thread(fmt.Sprintf("%d/task/%d", pid, pid+i), stat{id: int32(pid + i), name: []byte("t"), state: 'S', threads: 5}, "1", "1")
			r.link(fmt.Sprintf("%d/fd/%d", pid, i), "/x")
			r.write(fmt.Sprintf("%d/fdinfo/%d", pid, i), "flags:\t0\n")
		}
	}
	for _, tt := range []struct{ maxThreads, maxFiles, threads, files int }{
		{0, 0, 15, 15}, {1, 1, 1, 1}, {4, 5, 4, 5}, {5, 6, 5, 5}, {6, 7, 6, 7}, {14, 14, 14, 14}, {15, 15, 15, 15}, {16, -1, 15, 0},
	} {
		s := r.state(Options{MaxThreads: tt.maxThreads, MaxFiles: tt.maxFiles})
		if len(s.Threads) != tt.threads || len(s.Threads)+s.LeftOut.Threads != 15 || len(s.Files) != tt.files {
			t.Errorf("limits %d and %d: %d threads, %d files, %+v left out", tt.maxThreads, tt.maxFiles, len(s.Threads), len(s.Files), s.LeftOut)
		}
		seen := map[int32]bool{}
		for _, th := range s.Threads {
			if seen[th.TID] {
				t.Errorf("limit %d: thread %d twice", tt.maxThreads, th.TID)
			}
			seen[th.TID] = true
		}
	}
}

func TestPartsThatFail(t *testing.T) {
	r := newTree(t)
	r.thread("7", stat{id: 7, name: []byte("x"), state: 'S', threads: 1}, "7", "7")
	check(t, os.Remove(filepath.Join(r.path, "partitions")))
	fs, err := Open(r.path)
	check(t, err)
	defer fs.Close()
	s, err := fs.State(Options{Interfaces: func() ([]Interface, error) { return nil, errors.New("no network") }})
	if err == nil || !strings.Contains(err.Error(), "no network") {
		t.Errorf("error %v, want the first", err)
	}
	if len(s.Threads) != 1 || len(s.Interrupts) != 1 {
		t.Errorf("state %+v, want what there is", s)
	}
	if _, err := Open(r.path + "/none"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
}

// find returns a thread of the host's state.
func find(s *State, tid int) *Thread {
	for i := range s.Threads {
		if s.Threads[i].TID == int32(tid) {
			return &s.Threads[i]
		}
	}
	return nil
}

// host reads the state of this host.
func host(t testing.TB) *State {
	t.Helper()
	fs, err := Open("/proc")
	check(t, err)
	defer fs.Close()
	s, err := fs.State(Options{})
	check(t, err)
	return s
}

func TestHost(t *testing.T) {
	runtime.LockOSThread() // not unlocked: the thread with its name ends with the test
	const name = ")\n(S 1\\"
	check(t, os.WriteFile("/proc/thread-self/comm", []byte(name), 0))
	f, err := os.OpenFile(filepath.Join(t.TempDir(), "a\nb"), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	check(t, err)
	defer f.Close()
	s := host(t)
	self := find(s, unix.Gettid())
	if self == nil {
		t.Fatalf("this thread is not among %d", len(s.Threads))
	}
	if self.Name != name || self.PID != int32(os.Getpid()) || self.PPID != int32(os.Getppid()) || self.Kernel || self.State != 'R' ||
		self.Owner.UID.Effective != uint32(os.Geteuid()) || self.Owner.GID.Real != uint32(os.Getgid()) || self.VPID == 0 || self.VTID == 0 {
		t.Errorf("this thread: %+v", self)
	}
	var st unix.Stat_t
	check(t, unix.Stat("/proc/thread-self/ns/mnt", &st))
	if self.Namespaces.Mnt != uint32(st.Ino) || self.Namespaces.User == 0 || self.Namespaces.Cgroup == 0 {
		t.Errorf("name spaces %+v, want mnt %d", self.Namespaces, st.Ino)
	}
	found := false
	for _, file := range s.Files {
		if file.PID == self.PID && file.FD == int32(f.Fd()) {
			found = file.Name == f.Name() && file.Flags&(unix.O_ACCMODE|unix.O_APPEND) == unix.O_RDWR|unix.O_APPEND
			t.Logf("%+v", file)
		}
	}
	if !found {
		t.Errorf("file %d, %q, is not among %d", f.Fd(), f.Name(), len(s.Files))
	}
	if len(s.Interfaces) == 0 {
		t.Error("no network interface")
	}
	t.Logf("%d threads, %d files, %d interrupts, left out %+v", len(s.Threads), len(s.Files), len(s.Interrupts), s.LeftOut)
}

func TestInnerNamespaces(t *testing.T) {
	peer.Root(t, "to make name spaces")
	cmd := exec.Command(peer.Need(t, "sh"), "-c", "exec 3<&0; sh -c 'echo ready; read x' <&3 & wait")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWNET}
	in, err := cmd.StdinPipe()
	check(t, err)
	out, err := cmd.StdoutPipe()
	check(t, err)
	if err := cmd.Start(); err != nil {
		peer.Lack(t, "name spaces: %v", err)
	}
	defer func() {
		in.Close()
		_ = cmd.Process.Kill() // the first of a name space takes the others along
		_ = cmd.Wait()
	}()
	_, err = io.ReadFull(out, make([]byte, 6))
	check(t, err)
	s := host(t)
	self, first := find(s, os.Getpid()), find(s, cmd.Process.Pid)
	if self == nil || first == nil {
		t.Fatal("the processes are not there")
	}
	outer := self.Namespaces.PIDLevel
	if first.VPID != 1 || first.VTID != 1 || first.VPPID != 0 || first.Namespaces.PIDLevel != outer+1 || first.Namespaces.PID == self.Namespaces.PID ||
		first.Namespaces.UTS == self.Namespaces.UTS || first.Namespaces.Mnt != self.Namespaces.Mnt {
		t.Errorf("first %+v\nself %+v", first, self)
	}
	for _, th := range s.Threads {
		if th.PPID == first.PID {
			if th.VPPID != 1 || th.VPID != 2 {
				t.Errorf("child %+v", th)
			}
			return
		}
	}
	t.Error("the child is not there")
}

// Processes that come and go must not disturb the reading of others.
func TestProcessesEnd(t *testing.T) {
	sh := peer.Need(t, "sh")
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() { // ended by stop; done waits
		for {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			if err := exec.Command(sh, "-c", ":; : & : & wait").Run(); err != nil {
				done <- err
				return
			}
		}
	}()
	for range 20 {
		if s := host(t); find(s, os.Getpid()) == nil {
			t.Error("this process is not there")
		}
	}
	close(stop)
	check(t, <-done)
}

func BenchmarkHost(b *testing.B) {
	threads := 0
	for b.Loop() {
		threads = len(host(b).Threads)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(threads), "ns/thread")
}
