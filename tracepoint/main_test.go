// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracepoint

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/peer"
	"github.com/weir-io/weir/internal/wait"
)

// roleEnv says what a process of the test binary is; none is the one that go test
// starts.
const roleEnv = "WEIR_TRACEPOINT_ROLE"

// Roles.
const (
	roleBody = "body" // a test in namespaces of its own
	roleApp  = "app"  // a program that is traced
	// A program that a traced program starts; how many events it writes is in childEnv.
	roleChild = "child"
	childEnv  = "WEIR_TRACEPOINT_EVENTS"
	// A program whose goroutines are traced. It needs a package that imports this one:
	// its file is of the other test package.
	roleGoroutines = "goroutines"
)

// Main is TestMain. It is handed the program whose goroutines are traced.
func Main(m *testing.M, goroutines func() (obey func(words []string) error)) {
	switch os.Getenv(roleEnv) {
	case roleApp:
		os.Exit(runApp(newApp().do))
	case roleGoroutines:
		os.Exit(runApp(goroutines()))
	case roleChild:
		os.Exit(runChild())
	}
	os.Exit(m.Run())
}

// runApp is a traced program. It obeys the lines of its input and answers
// each when that is done.
func runApp(obey func(words []string) error) int {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := Ready(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println("ready")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		if err := obey(strings.Fields(in.Text())); err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println("done")
	}
	return 0
}

// machine is a test with LTTng's session daemon to itself: with its own processes, and
// its own /run and /dev/shm.
type machine struct {
	testing.TB
	dir    string
	errors io.Writer // of programs that are traced
}

// namespaced runs the body of a test in namespaces of its own.
func namespaced(t testing.TB, body func(m *machine)) {
	t.Helper()
	if os.Getenv(roleEnv) == roleBody {
		body(&machine{t, t.TempDir(), os.Stderr})
		return
	}
	peer.Root(t, "to make namespaces")
	for _, p := range []string{"lttng", "lttng-sessiond", "babeltrace2"} {
		peer.Need(t, p)
	}
	args := []string{"-test.run=^" + t.Name() + "$", "-test.v", "-test.count=1"}
	switch t := t.(type) {
	case *testing.T:
		t.Parallel()
	case *testing.B:
		args = []string{"-test.run=^$", "-test.bench=^" + t.Name() + "$", "-test.benchtime=1x"}
	}
	const script = `mount -t tmpfs run /run && mount -t tmpfs shm /dev/shm && mkdir -p /run/lttng && exec "$@"`
	command := []string{"--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", script, "sh", os.Args[0]}
	cmd := exec.CommandContext(t.Context(), "unshare", append(command, args...)...)
	home := t.TempDir()
	cmd.Env = append(os.Environ(), roleEnv+"="+roleBody, "HOME="+home, "LTTNG_HOME="+home, "TMPDIR="+t.TempDir())
	log := filepath.Join(t.TempDir(), "log")
	f, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd.Stdout, cmd.Stderr = f, f
	err = cmd.Run()
	out, _ := os.ReadFile(log) // what is there; the test's end is in err
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

// run runs a program, and returns what it prints.
func (m *machine) run(name string, args ...string) string {
	m.Helper()
	out, err := exec.CommandContext(m.Context(), name, args...).CombinedOutput()
	if err != nil {
		m.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func (m *machine) sessiond() {
	m.Helper()
	// What it leaves behind keeps its output open: that must not be a pipe.
	cmd := exec.CommandContext(m.Context(), "lttng-sessiond", "-b", "--no-kernel")
	log, err := os.Create(m.trace("sessiond.log"))
	if err != nil {
		m.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Run(); err != nil {
		m.Fatalf("lttng-sessiond: %v", err)
	}
}

// killDaemons ends all daemons at once, as a crash does.
func (m *machine) killDaemons() {
	m.Helper()
	m.until("end of LTTng's daemons", func() bool {
		left := 0
		files, err := filepath.Glob("/proc/[0-9]*/exe")
		if err != nil {
			m.Fatal(err)
		}
		for _, f := range files {
			exe, err := os.Readlink(f)
			if err != nil || !strings.HasPrefix(filepath.Base(exe), "lttng-") {
				continue // it has ended, or is another's
			}
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(f)))
			if err != nil {
				m.Fatal(err)
			}
			left++
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
		}
		return left == 0
	})
}

func (m *machine) until(what string, done func() bool) {
	m.Helper()
	wait.Until(m.TB, what, done)
}

// traced is a running program.
type traced struct {
	m     *machine
	cmd   *exec.Cmd
	input io.Closer
	in    *bufio.Writer
	out   *bufio.Scanner
}

// start starts the traced program, and returns when it is ready.
func (m *machine) start(env ...string) *traced {
	m.Helper()
	return m.startRole(roleApp, env...)
}

func (m *machine) startRole(role string, env ...string) *traced {
	m.Helper()
	return m.startProgram(os.Args[0], append(env, roleEnv+"="+role)...)
}

// startProgram starts one that obeys lines of its input.
func (m *machine) startProgram(path string, env ...string) *traced {
	m.Helper()
	cmd := exec.CommandContext(m.Context(), path)
	cmd.Env = append(append(os.Environ(), readyVariable+"=-1"), env...) // the machine may be busy
	cmd.Stderr = m.errors
	in, err := cmd.StdinPipe()
	if err != nil {
		m.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		m.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		m.Fatal(err)
	}
	p := &traced{m, cmd, in, bufio.NewWriter(in), bufio.NewScanner(out)}
	p.expect("ready")
	return p
}

func (p *traced) expect(line string) {
	p.m.Helper()
	if !p.out.Scan() || p.out.Text() != line {
		p.m.Fatalf("the program says %q, %v; want %q", p.out.Text(), p.out.Err(), line)
	}
}

// do has the program do something, and waits until it is done.
func (p *traced) do(format string, args ...any) {
	p.m.Helper()
	fmt.Fprintf(p.in, format+"\n", args...)
	if err := p.in.Flush(); err != nil {
		p.m.Fatal(err)
	}
	p.expect("done")
}

// end lets the program end.
func (p *traced) end() {
	p.m.Helper()
	if err := p.input.Close(); err != nil {
		p.m.Error(err)
	}
	if err := p.cmd.Wait(); err != nil {
		p.m.Error(err)
	}
}

// ask has the program do something, and returns the number that it answers with.
func (p *traced) ask(word, format string, args ...any) (n int) {
	p.m.Helper()
	fmt.Fprintf(p.in, format+"\n", args...)
	if err := p.in.Flush(); err != nil {
		p.m.Fatal(err)
	}
	if !p.out.Scan() {
		p.m.Fatal(p.out.Err())
	}
	if _, err := fmt.Sscanf(p.out.Text(), word+" %d", &n); err != nil {
		p.m.Fatalf("the program says %q, want %s and a number", p.out.Text(), word)
	}
	return n
}

// result is what babeltrace2 finds in a trace.
type result struct {
	lines     []string
	discarded int
}

var discarded = regexp.MustCompile(`discarded (\d+) event`)

// read reads a trace with babeltrace2.
func (m *machine) read(dir string) result {
	m.Helper()
	cmd := exec.CommandContext(m.Context(), "babeltrace2", dir)
	var errors strings.Builder
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil {
		m.Fatalf("babeltrace2: %v\n%s", err, errors.String())
	}
	var r result
	for _, d := range discarded.FindAllStringSubmatch(errors.String(), -1) {
		n, _ := strconv.Atoi(d[1]) // digits
		r.discarded += n
	}
	if text := strings.TrimSuffix(string(out), "\n"); text != "" {
		r.lines = strings.Split(text, "\n")
	}
	return r
}

// trace returns a directory for a trace.
func (m *machine) trace(name string) string { return filepath.Join(m.dir, name) }
