// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracefs

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// double is the kernel with refusals put before it. It fails the test at a
// writing that would touch what is not the test's.
type double struct {
	kernel
	t      testing.TB
	own    string                      // the instances that may be written begin so
	refuse func(op, path string) error // nil: nothing
	tree   string                      // the temporary tree, "" for a real tracefs

	mu    sync.Mutex
	paths map[int]string // guarded by mu; of the descriptors that were opened
}

func (d *double) ask(op, path string) error {
	if d.refuse == nil {
		return nil
	}
	return d.refuse(op, path)
}

func (d *double) openat(dir int, path string, flags int) (int, error) {
	if flags&(unix.O_WRONLY|unix.O_RDWR) != 0 {
		list := slices.Contains([]string{"dynamic_events", "uprobe_events", "kprobe_events"}, path)
		switch {
		case list && flags&unix.O_TRUNC == 0 && flags&unix.O_APPEND != 0:
		case !list && strings.HasPrefix(path, d.own):
			if flags&unix.O_TRUNC != 0 && (strings.HasSuffix(path, "/set_event") || strings.HasSuffix(path, "/trigger")) {
				d.t.Errorf("%s is opened with O_TRUNC, which empties it", path)
			}
		default:
			d.t.Errorf("%s is opened for writing with flags %#x", path, flags)
		}
	}
	if err := d.ask("open", path); err != nil {
		return -1, err
	}
	fd, err := d.kernel.openat(dir, path, flags)
	if err == nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.paths[fd] = path
	}
	return fd, err
}

func (d *double) write(fd int, b []byte) (int, error) {
	d.mu.Lock()
	path := d.paths[fd]
	d.mu.Unlock()
	if err := d.ask("write", path); err != nil {
		return 0, err
	}
	return d.kernel.write(fd, b)
}

func (d *double) mkdirat(dir int, path string) error {
	if !strings.HasPrefix(path, d.own) {
		d.t.Errorf("directory %s is made", path)
	}
	if err := d.ask("mkdir", path); err != nil {
		return err
	}
	if d.tree == "" {
		return d.kernel.mkdirat(dir, path)
	}
	if err := os.Mkdir(filepath.Join(d.tree, path), 0o700); err != nil {
		return err.(*os.PathError).Err
	}
	d.fill(filepath.Join(d.tree, path), instanceFiles)
	return nil
}

func (d *double) rmdirat(dir int, path string) error {
	if !strings.HasPrefix(path, d.own) {
		d.t.Errorf("directory %s is removed", path)
	}
	if err := d.ask("rmdir", path); err != nil {
		return err
	}
	if d.tree == "" {
		return d.kernel.rmdirat(dir, path)
	}
	full := filepath.Join(d.tree, path)
	if _, err := os.Stat(full); err != nil {
		return unix.ENOENT
	}
	return os.RemoveAll(full)
}

// fill writes files, which are given by name and text.
func (d *double) fill(dir string, files map[string]string) {
	d.t.Helper()
	for name, text := range files {
		full := filepath.Join(dir, name)
		must(d.t, os.MkdirAll(filepath.Dir(full), 0o700))
		if !strings.HasSuffix(name, "/") {
			must(d.t, os.WriteFile(full, []byte(text), 0o600))
		}
	}
}

// instanceFiles are those of an instance in the temporary tree.
var instanceFiles = map[string]string{
	"tracing_on":                       "1\n",
	"trace":                            "",
	"trace_clock":                      "[local] mono boot\n",
	"buffer_subbuf_size_kb":            "4\n",
	"buffer_size_kb":                   "7 (expanded: 1408)\n",
	"buffer_percent":                   "50\n",
	"options/overwrite":                "1\n",
	"options/event-fork":               "0\n",
	"set_event":                        "",
	"set_event_pid":                    "",
	"events/enable":                    "0\n",
	"events/sched/enable":              "0\n",
	"events/sched/sched_switch/enable": "0\n",
	"events/sched/sched_switch/filter": "none\n",
	"per_cpu/cpu0/stats":               "entries: 0\n",
	"per_cpu/cpu0/trace_pipe_raw":      "",
	"per_cpu/cpu0/buffer_size_kb":      "7 (expanded: 1408)\n",
	"per_cpu/cpu10/stats":              "entries: 0\n",
	"per_cpu/cpu2/stats":               "entries: 0\n",
}

// treeFiles are those of the top level.
var treeFiles = map[string]string{
	"trace_clock":                      "[local] global x86-tsc mono\n",
	"available_events":                 "sched:sched_switch\nirq:softirq_entry\n",
	"buffer_subbuf_size_kb":            "8\n",
	"events/header_page":               "\tfield: u64 timestamp;\n",
	"events/sched/sched_switch/format": "name: sched_switch\n",
	"events/sched/sched_switch/id":     "314\n",
	"events/sched/sched_switch/enable": "0\n",
	"uprobe_events":                    "",
	"dynamic_events":                   "",
	"instances/":                       "",
}

// tree makes a temporary tree that looks like tracefs, and opens it.
func tree(t testing.TB) (*FS, *double) {
	t.Helper()
	d := &double{t: t, own: instancesDir + "/" + prefix, tree: t.TempDir(), paths: make(map[int]string)}
	d.fill(d.tree, treeFiles)
	must(t, os.MkdirAll(filepath.Join(d.tree, instancesDir), 0o700))
	fs, err := open(d.tree, d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { fs.Close() })
	return fs, d
}

// descriptors counts those of this process.
func descriptors(t testing.TB) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// keepsDescriptors fails the test if it ends with more open than it began.
func keepsDescriptors(t testing.TB) {
	t.Helper()
	before := descriptors(t)
	t.Cleanup(func() {
		if after := descriptors(t); after > before {
			t.Errorf("%d descriptors left open", after-before)
		}
	})
}
