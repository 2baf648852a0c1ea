// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tail

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// waitingGuard starts a guard and waits until it has opened the table, which
// it does once it is ready for signals.
func waitingGuard(t *testing.T, table *Table) *Guard {
	t.Helper()
	in, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(in)
	if _, err := unix.InotifyAddWatch(in, table.Path(), unix.IN_OPEN); err != nil {
		t.Fatal(err)
	}
	g, err := table.StartGuard("/proc/self/exe", []string{roleGuard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Stop(); err != nil {
			t.Error(err)
		}
	})
	buf := make([]byte, 4096)
	if err := retry(func() error { _, err := unix.Read(in, buf); return err }); err != nil {
		t.Fatal(err)
	}
	return g
}

func TestGuardEndsWithClosedTable(t *testing.T) {
	table := newTable(t, 8)
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "ch"), zeros(100))
	follow(t, newSlot(t, table), table.Dir(dir), dir, "ch", 10)
	g := waitingGuard(t, table)
	for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGQUIT} {
		if err := unix.Kill(g.PID(), sig); err != nil {
			t.Fatal(err)
		}
	}
	if err := table.Close(); err != nil {
		t.Fatal(err)
	}
	if err := g.Stop(); err != nil {
		t.Errorf("Stop = %v: the guard did not ignore the signals", err)
	}
	<-g.Exited()
	wantSize(t, filepath.Join(dir, "ch"), 100)
	wantNames(t, filepath.Dir(table.Path()))
}

func TestGuardProcess(t *testing.T) {
	leak := filepath.Join(t.TempDir(), "inherited")
	writeFile(t, leak, nil)
	fd, err := unix.Open(leak, unix.O_RDONLY, 0) // not marked close on exec
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	table := newTable(t, 8)
	g := waitingGuard(t, table)
	proc := fmt.Sprintf("/proc/%d", g.PID())
	for _, c := range []struct{ file, want string }{
		{"comm", "weir-guard\n"},
		{"cmdline", "weir-guard\x00" + roleGuard + "\x00" + table.Path() + "\x00"},
		{"environ", "GOMAXPROCS=1\x00WEIR_GUARD=1\x00"},
	} {
		got, err := os.ReadFile(filepath.Join(proc, c.file))
		if err != nil || string(got) != c.want {
			t.Errorf("%s of the guard = %q, %v, want %q", c.file, got, err, c.want)
		}
	}
	if cwd, err := os.Readlink(filepath.Join(proc, "cwd")); err != nil || cwd != "/" {
		t.Errorf("working directory of the guard = %s, %v, want /", cwd, err)
	}
	if sid, err := unix.Getsid(g.PID()); err != nil || sid != g.PID() {
		t.Errorf("session of the guard = %d, %v, want its own", sid, err)
	}
	entries, err := os.ReadDir(filepath.Join(proc, "fd"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join(proc, "fd", e.Name()))
		// The Go runtime opens the last two by itself.
		allowed := target == "/dev/null" || target == table.Path() ||
			strings.HasPrefix(target, "anon_inode:") || strings.HasPrefix(target, "/sys/fs/cgroup/")
		if err != nil || !allowed {
			t.Errorf("descriptor %s of the guard = %s, %v", e.Name(), target, err)
		}
	}
	status, err := os.ReadFile(filepath.Join(proc, "status"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "Vm") || strings.HasPrefix(line, "Rss") {
			t.Log(strings.TrimSpace(line))
		}
	}
}

// A program that does not know how to be a guard must not start itself for ever.
func TestGuardStartsNoGuard(t *testing.T) {
	t.Setenv("WEIR_GUARD", "1")
	g, err := newTable(t, 8).StartGuard("/proc/self/exe", []string{roleGuard})
	if g != nil || !errors.Is(err, ErrNested) {
		t.Errorf("StartGuard = %v, %v, want nil, %v", g, err, ErrNested)
	}
}

func TestGuardStopWithOpenTable(t *testing.T) {
	table := newTable(t, 8)
	g := waitingGuard(t, table)
	if err := g.Stop(); err != nil {
		t.Errorf("Stop = %v, want nil", err)
	}
	if _, err := os.Stat(table.Path()); err != nil {
		t.Errorf("table after Stop: %v", err)
	}
}

func TestGuardThatDiesIsSeen(t *testing.T) {
	table := newTable(t, 8)
	g, err := table.StartGuard("/proc/self/exe", []string{roleGuard, "/absent/tails-1"})
	if err != nil {
		t.Fatal(err)
	}
	<-g.Exited() // it watches another table, which does not exist
	if err := g.Stop(); err != nil {
		t.Errorf("Stop of a guard that exited with 0 = %v, want nil", err)
	}
	if _, err := table.StartGuard(filepath.Join(t.TempDir(), "absent"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("StartGuard of an absent program = %v, want %v", err, fs.ErrNotExist)
	}
}

func TestGuardOfDamagedTable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tails-1")
	if err := guard(path); err != nil {
		t.Errorf("guard of no table = %v, want nil", err)
	}
	if err := os.WriteFile(path, []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := guard(path); err == nil {
		t.Error("guard of a damaged table = nil error")
	}
	wantSize(t, path, 7)
}

// Two that saw the relay die take turns at the lock; the second has nothing to
// do.
func TestGuardAfterAnotherRecovered(t *testing.T) {
	table := newTable(t, 8)
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "ch"), zeros(100))
	follow(t, newSlot(t, table), table.Dir(dir), dir, "ch", 10)
	path := died(t, table)
	late, err := openTable(path)
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	if err := guard(path); err != nil {
		t.Fatal(err)
	}
	wantSize(t, filepath.Join(dir, "ch"), 10)
	writeFile(t, filepath.Join(dir, "ch"), zeros(50))
	rep, err := recoverLocked(late, logger(t))
	if err != nil || rep.Followed != 0 {
		t.Errorf("second recovery = %+v, %v, want nothing to do", rep, err)
	}
	wantSize(t, filepath.Join(dir, "ch"), 50)
	reports, err := RecoverAll(filepath.Dir(path), logger(t))
	if err != nil || len(reports) != 1 || len(reports[0].Repairs) != 1 {
		t.Errorf("RecoverAll = %+v, %v, want the guard's report", reports, err)
	}
	wantNames(t, filepath.Dir(path))
}
