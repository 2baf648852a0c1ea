// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// relayURL is where producers find the relay under test.
const relayURL = "net://127.0.0.1"

// weir returns the path of the program under test.
func (m *machine) weir() string { return filepath.Join(m.programs, "weir") }

// startWeir starts weir in the relay's place, with traces below m.out, and
// returns when it says that it is ready. Further arguments are options;
// KEY=VALUE among them go to the environment.
func (m *machine) startWeir(args ...string) *process {
	m.Helper()
	command := []string{m.weir(), "relayd", "-o", m.out}
	var environ []string
	for _, arg := range args {
		if strings.Contains(arg, "=") && !strings.HasPrefix(arg, "-") {
			environ = append(environ, arg)
			continue
		}
		command = append(command, arg)
	}
	return m.startNotifying(append(environ, command...)...)
}

// startNotifying starts a program and waits until it tells its service manager
// that it is ready.
func (m *machine) startNotifying(args ...string) *process {
	m.Helper()
	// Not among the test's files: the address of a socket is at most 107 bytes.
	dir, err := os.MkdirTemp("/run", "notify")
	if err != nil {
		m.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { // the service may be another user's
		m.Fatal(err)
	}
	path := filepath.Join(dir, "socket")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		m.Fatal(err)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		m.Fatal(err)
	}
	m.Cleanup(func() { socket.Close() }) // it also hears the end of the service
	p := m.start(append([]string{"NOTIFY_SOCKET=" + path}, args...)...)
	told := make(chan error, 1)
	go func() { told <- awaitReady(socket) }() // ends with the socket
	select {
	case err := <-told:
		if err != nil {
			m.Fatal(err)
		}
	case <-p.ended:
		m.Fatalf("%s ended with %d before it was ready:\n%s", p.name, p.code, lastLines(p.errors(), 10))
	case <-time.After(patience):
		m.Fatalf("%s was not ready within %v", p.name, patience)
	}
	return p
}

// awaitReady reads what a service tells until it says that it is ready.
func awaitReady(socket *net.UnixConn) error {
	b := make([]byte, 4096)
	for {
		n, err := socket.Read(b)
		if err != nil || slices.Contains(strings.Split(string(b[:n]), "\n"), "READY=1") {
			return err
		}
	}
}

// original is lttng-relayd on the ports of the relay under test.
type original struct {
	m   *machine
	out string // where it stores traces
	pid int
}

// startOriginal starts lttng-relayd in the background, which is when it tells
// that it is ready.
func (m *machine) startOriginal(args ...string) *original {
	m.Helper()
	return m.startOriginalAs(append([]string{"lttng-relayd"}, args...))
}

// startOriginalAs starts it by a command that may lead to another place.
func (m *machine) startOriginalAs(command []string) *original {
	m.Helper()
	o := &original{m: m, out: filepath.Join(m.dir, "original")}
	m.run(append(command, "-b", "-o", o.out)...)
	pids := m.processes("lttng-relayd")
	if len(pids) != 1 {
		m.Fatalf("processes of lttng-relayd: %v, want one", pids)
	}
	o.pid = pids[0]
	return o
}

// stop ends the original and waits until its ports are free.
func (o *original) stop() {
	o.m.Helper()
	if err := syscall.Kill(o.pid, syscall.SIGTERM); err != nil {
		o.m.Fatal(err)
	}
	o.m.untilGone(o.pid)
}

// processes returns those with a name, by the first 15 bytes that the kernel
// keeps, in ascending order.
func (m *machine) processes(name string) []int {
	m.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		m.Fatal(err)
	}
	var pids []int
	for _, dir := range dirs {
		comm, err := os.ReadFile(filepath.Join(dir, "comm"))
		if err != nil || strings.TrimSpace(string(comm)) != name[:min(len(name), 15)] {
			continue // also: ended meanwhile
		}
		if pid, err := strconv.Atoi(filepath.Base(dir)); err == nil {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}

// programFiles returns the program of each process that has one.
func (m *machine) programFiles() map[int]string {
	m.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		m.Fatal(err)
	}
	programs := make(map[int]string)
	for _, link := range links {
		exe, err := os.Readlink(link)
		if err != nil {
			continue // ended meanwhile, or the kernel's
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(link))); err == nil {
			programs[pid] = exe
		}
	}
	return programs
}

// guards returns the processes that watch over a running weir's files: one.
func (m *machine) guards() []int {
	m.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		m.Fatal(err)
	}
	var pids []int
	for _, dir := range dirs {
		line, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil || !strings.HasPrefix(string(line), "weir-guard\x00") {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(dir)); err == nil {
			pids = append(pids, pid)
		}
	}
	if len(pids) != 1 {
		m.Fatalf("guards: processes %v, want one", pids)
	}
	return pids
}

// untilGone waits until a process that is not the test's child has ended. Its
// parent may never ask for it: what is left of it then does not count.
func (m *machine) untilGone(pid int) {
	m.Helper()
	stat := fmt.Sprintf("/proc/%d/stat", pid)
	m.until(fmt.Sprintf("end of process %d", pid), func() bool {
		text, err := os.ReadFile(stat)
		if err != nil {
			return true
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		return strings.HasPrefix(rest, "Z") || strings.HasPrefix(rest, "X")
	})
}

// varying are the parts of stored names that differ between two runs of a
// scenario, and what stands for them.
var varying = []struct {
	part *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`\d{8}T\d{6}[+-]\d{4}`), "TIME"},
	{regexp.MustCompile(`\b\d{8}-\d{6}\b`), "DATE"},
	{regexp.MustCompile(`\bapp-\d+-`), "app-PID-"},
}

// shape lists all that lies below a directory, one line each with permissions,
// kind and path, without what varies between runs.
func (m *machine) shape(dir string) []string {
	m.Helper()
	var shape []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		for _, v := range varying {
			name = v.part.ReplaceAllString(name, v.with)
		}
		if name != "." {
			shape = append(shape, info.Mode().String()+" "+name)
		}
		return nil
	})
	if err != nil {
		m.Fatal(err)
	}
	slices.Sort(shape)
	return shape
}

// files returns the paths of the regular files below a directory whose names
// match a pattern of filepath.Match.
func (m *machine) files(dir, pattern string) []string {
	m.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if ok, err := filepath.Match(pattern, d.Name()); err != nil || !ok || !d.Type().IsRegular() {
			return err
		}
		found = append(found, path)
		return nil
	})
	if err != nil {
		m.Fatal(err)
	}
	return found
}
