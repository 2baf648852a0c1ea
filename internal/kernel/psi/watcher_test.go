// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package psi

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/weir-io/weir/internal/peer"
	"github.com/weir-io/weir/internal/wait"
)

// burnEnv has the test binary keep processors busy until its standard input ends.
const burnEnv = "WEIR_PSI_BURN"

func TestMain(m *testing.M) {
	if os.Getenv(burnEnv) != "" {
		burn()
		return
	}
	if os.Getenv(nobodyEnv) != "" {
		h, err := NewWatcher("/proc/pressure").Add(Trigger{"cpu", "some", 100 * time.Millisecond, time.Second}, func() {})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		h.Close()
		return
	}
	goleak.VerifyTestMain(m)
}

// nobodyEnv has the test binary set a trigger that needs privilege for its window.
const nobodyEnv = "WEIR_PSI_NOBODY"

// Whoever has no privilege gets a longer window.
func TestWithoutPrivilege(t *testing.T) {
	onThisKernel(t)
	peer.Root(t, "to become another user")
	c := exec.Command("/proc/self/exe") // the directory of the binary is root's alone
	c.Env = append(os.Environ(), nobodyEnv+"=1")
	const nobody = 65534
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// burn runs more threads than there are processors, so that some always wait.
func burn() {
	for range 4 * runtime.NumCPU() {
		go func() { // ends with the process
			runtime.LockOSThread()
			for {
				_ = time.Now()
			}
		}()
	}
	runtime.GOMAXPROCS(4 * runtime.NumCPU())
	_, _ = os.Stdin.Read(make([]byte, 1))
}

// busy keeps all processors busy until the function that it returns is called.
func busy(t *testing.T) (idle func()) {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), burnEnv+"=1")
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return sync.OnceFunc(func() {
		in.Close()
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
	})
}

// onThisKernel returns a watcher of the kernel's own files.
func onThisKernel(t *testing.T) *Watcher {
	t.Helper()
	if _, err := os.ReadFile("/proc/pressure/cpu"); err != nil {
		peer.Lack(t, "a kernel with pressure stall information")
	}
	return NewWatcher("/proc/pressure")
}

// Tasks that wait for a processor are told, and not after Close.
func TestFires(t *testing.T) {
	w := onThisKernel(t)
	fired := make(chan struct{}, 100)
	var handles []*Handle
	for _, trigger := range []Trigger{
		{"cpu", "some", 100 * time.Millisecond, time.Second},
		{"cpu", "some", 200 * time.Millisecond, 2 * time.Second},
		{"memory", "full", time.Second, 10 * time.Second},
	} {
		h, err := w.Add(trigger, func() { fired <- struct{}{} })
		if err != nil {
			t.Fatal(err)
		}
		handles = append(handles, h)
	}
	idle := busy(t)
	defer idle()
	for range 3 {
		select {
		case <-fired:
		case <-time.After(wait.Patience):
			t.Fatal("nobody was told")
		}
	}
	for _, h := range handles {
		h.Close()
		h.Close() // once is enough
	}
	for len(fired) > 0 {
		<-fired
	}
	idle()
	if len(fired) > 0 {
		t.Error("told after Close")
	}
	// A watcher without triggers can have some again.
	h, err := w.Add(Trigger{"io", "some", time.Second, 2 * time.Second}, func() {})
	if err != nil {
		t.Fatal(err)
	}
	h.Close()
}

// Triggers come and go while others are waited for.
func TestManyAtOnce(t *testing.T) {
	w := onThisKernel(t)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 20 {
				h, err := w.Add(Trigger{"cpu", "some", time.Second, 2 * time.Second}, func() {})
				if err != nil {
					t.Error(err)
					return
				}
				h.Close()
			}
		})
	}
	all.Wait()
}

func TestRefuses(t *testing.T) {
	w := NewWatcher(t.TempDir())
	ok := Trigger{"cpu", "some", time.Second, 2 * time.Second}
	for name, tt := range map[string]struct {
		change func(*Trigger)
		want   string
	}{
		"resource":     {func(x *Trigger) { x.Resource = "../x" }, "want cpu, memory, io or irq"},
		"kind":         {func(x *Trigger) { x.Kind = "all" }, "want some or full"},
		"short window": {func(x *Trigger) { x.Window = MinWindow - 1 }, "want 500ms to 10s"},
		"long window":  {func(x *Trigger) { x.Window = MaxWindow + 1 }, "want 500ms to 10s"},
		"no stall":     {func(x *Trigger) { x.Stall = 0 }, "want more than 0"},
		"long stall":   {func(x *Trigger) { x.Stall = 3 * time.Second }, "no more than the window"},
		"absent":       {func(*Trigger) {}, "need Linux 5.2"},
	} {
		x := ok
		tt.change(&x)
		if _, err := w.Add(x, func() {}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := w.Add(ok, func() {}); !errors.Is(err, ErrAbsent) || !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("absent: %v", err)
	}
	// What is no file of the kernel's cannot be waited for.
	if err := os.WriteFile(filepath.Join(w.root, "cpu"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Add(ok, func() {}); err == nil {
		t.Error("a file is waited for")
	}
}

func TestLonger(t *testing.T) {
	for _, tt := range []struct{ stall, window, wantStall, wantWindow time.Duration }{
		{100 * time.Millisecond, time.Second, 200 * time.Millisecond, 2 * time.Second},
		{time.Second, 2 * time.Second, time.Second, 2 * time.Second},
		{3 * time.Second, 9 * time.Second, 3333333333, 10 * time.Second},
		{time.Second, 10 * time.Second, time.Second, 10 * time.Second},
	} {
		got := Trigger{"cpu", "some", tt.stall, tt.window}.longer()
		if got.Stall != tt.wantStall || got.Window != tt.wantWindow {
			t.Errorf("%v in %v: %v in %v, want %v in %v", tt.stall, tt.window, got.Stall, got.Window, tt.wantStall, tt.wantWindow)
		}
	}
}
