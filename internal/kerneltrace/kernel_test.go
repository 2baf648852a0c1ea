// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kerneltrace

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/weir-io/weir/internal/kernel/ftrace"
	door "github.com/weir-io/weir/internal/kernel/tracefs"
	"github.com/weir-io/weir/internal/peer"
)

const tracefs = "/sys/kernel/tracing"

// instance is an instance of the kernel's tracing that the test made.
type instance struct {
	t   testing.TB
	dir string
}

// newInstance makes an instance that does not trace yet, and removes it at the
// test's end.
func newInstance(t testing.TB) *instance {
	t.Helper()
	peer.Root(t, "to trace the kernel")
	found, err := door.Find() // which mounts it where nobody has
	if err != nil {
		peer.Lack(t, "tracefs at %s: %v", tracefs, err)
	}
	check(t, found.Close())
	dir, err := os.MkdirTemp(tracefs+"/instances", "weir-test-")
	if err != nil {
		peer.Lack(t, "instances of tracefs: %v", err)
	}
	i := &instance{t, dir}
	t.Cleanup(func() { check(t, os.Remove(dir)) })
	i.write("tracing_on", "0")
	i.write("trace_clock", "mono")
	i.write("options/overwrite", "0")
	i.write("buffer_size_kb", "4096")
	return i
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// write writes to a file of the instance, without truncating it, which some of
// them would take for an order.
func (i *instance) write(name, value string) {
	i.t.Helper()
	f, err := os.OpenFile(filepath.Join(i.dir, name), os.O_WRONLY|os.O_APPEND, 0)
	check(i.t, err)
	_, err = f.WriteString(value)
	check(i.t, errors.Join(err, f.Close()))
}

func (i *instance) read(name string) string {
	i.t.Helper()
	b, err := os.ReadFile(filepath.Join(i.dir, name))
	check(i.t, err)
	return string(b)
}

// record traces events, SYSTEM or SYSTEM/EVENT, while a workload runs.
func (i *instance) record(events []string, workload func()) {
	i.t.Helper()
	for _, e := range events {
		i.write("events/"+e+"/enable", "1")
	}
	i.write("tracing_on", "1")
	workload()
	i.write("tracing_on", "0")
	for _, e := range events {
		i.write("events/"+e+"/enable", "0")
	}
}

// pages returns the pages of a CPU's ring.
func (i *instance) pages(cpu int) [][]byte {
	i.t.Helper()
	f, err := os.OpenFile(fmt.Sprintf("%s/per_cpu/cpu%d/trace_pipe_raw", i.dir, cpu), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	check(i.t, err)
	defer f.Close()
	layout, err := ftrace.ParseHeaderPage([]byte(i.read("events/header_page")))
	check(i.t, err)
	var pages [][]byte
	for {
		b := make([]byte, layout.Size)
		n, err := syscall.Read(int(f.Fd()), b)
		if n <= 0 || err != nil {
			return pages
		}
		pages = append(pages, b[:n])
	}
}

// allPages returns the pages of all rings.
func (i *instance) allPages() [][][]byte {
	var all [][][]byte
	for cpu := range runtime.NumCPU() {
		all = append(all, i.pages(cpu))
	}
	return all
}

// formats returns the declarations of events of the kernel.
func formats(t testing.TB, patterns ...string) []*ftrace.Format {
	t.Helper()
	var all []*ftrace.Format
	for _, p := range patterns {
		files, err := filepath.Glob(tracefs + "/events/" + p + "/format")
		check(t, err)
		for _, file := range files {
			text, err := os.ReadFile(file)
			if errors.Is(err, os.ErrNotExist) {
				continue // somebody's dynamic event, which is gone meanwhile
			}
			check(t, err)
			f, err := ftrace.ParseFormat(filepath.Base(filepath.Dir(filepath.Dir(file))), text)
			check(t, err)
			all = append(all, f)
		}
	}
	return all
}

// commands is a workload of a few programs.
func commands(t testing.TB) func() {
	sh := peer.Need(t, "sh")
	return func() {
		for range 5 {
			out, err := exec.Command(sh, "-c", `(echo a | cat; ls / > /dev/null; cat /proc/self/status | head -c 10; :) 2>&1`).CombinedOutput()
			if err != nil {
				t.Errorf("workload: %v\n%s", err, out)
			}
		}
	}
}

// babeltrace2 returns what the program prints of a trace; it must not complain.
func babeltrace2(t testing.TB, args ...string) string {
	t.Helper()
	cmd := exec.Command(peer.Need(t, "babeltrace2"), args...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil || errs.Len() > 0 {
		t.Fatalf("babeltrace2: %v\n%.2000s", err, errs.String())
	}
	return out.String()
}
