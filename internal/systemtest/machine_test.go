// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/wait"
)

// patience bounds every wait. It is long: a test that needs it has failed.
const patience = 40 * time.Second

// machine is the private host of one test: directories, an environment, and
// the programs that run on it.
type machine struct {
	*testing.T

	programs string // directory of weir and app
	dir      string // of this test's files
	out      string // where weir stores traces
	environ  []string

	logs  int // log files so far
	wires int // likewise
}

func newMachine(t *testing.T, dir string) *machine {
	t.Helper()
	m := &machine{T: t, programs: os.Getenv(programsEnv), dir: dir, out: filepath.Join(dir, "out")}
	home := m.mkdir("home")
	m.environ = append(os.Environ(),
		"HOME="+home, "LTTNG_HOME="+home, "TZ=UTC", "LC_ALL=C",
		"WEIR_HUB_STATE_DIR="+m.mkdir("state"), // not that of the real machine
		"WEIR_AGENT_ENABLE=false",              // but where a test asks for it
		// Applications wait until the session daemon has told them what to trace,
		// and for space rather than dropping events where a channel lets them.
		"LTTNG_UST_REGISTER_TIMEOUT=-1", "LTTNG_UST_ALLOW_BLOCKING=1",
		roleEnv+"=",
	)
	m.Cleanup(m.sweepInstances)
	m.Cleanup(func() {
		if _, err := os.Stat(m.out); err == nil && m.Failed() {
			m.Logf("stored:\n%s", lastLines(strings.Join(m.shape(m.out), "\n"), 60))
		}
	})
	return m
}

// mkdir makes a directory among the test's files.
func (m *machine) mkdir(name string) string {
	m.Helper()
	path := filepath.Join(m.dir, name)
	if err := os.MkdirAll(path, 0o755); err != nil {
		m.Fatal(err)
	}
	return path
}

// asNobody runs a program as a user who may do nothing.
var asNobody = []string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"}

// publishPrograms moves the programs to where other users reach them, whatever
// the directory of temporary files allows.
func (m *machine) publishPrograms() {
	m.Helper()
	const public = "/run/programs"
	if err := os.Mkdir(public, 0o755); err != nil {
		m.Fatal(err)
	}
	for _, name := range []string{"app", "life", "weir"} {
		b, err := os.ReadFile(filepath.Join(m.programs, name))
		if err != nil {
			m.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(public, name), b, 0o755); err != nil {
			m.Fatal(err)
		}
	}
	m.programs = public
}

// command prepares a program with the machine's environment, changed by
// KEY=VALUE arguments in front of its name.
func (m *machine) command(args ...string) *exec.Cmd {
	environ := m.environ
	for strings.Contains(args[0], "=") {
		environ = append(environ[:len(environ):len(environ)], args[0])
		args = args[1:]
	}
	cmd := exec.CommandContext(m.Context(), args[0], args[1:]...)
	cmd.Env, cmd.Dir = environ, m.dir
	return cmd
}

// run runs a program to its end and returns its standard output. Any exit code
// but 0 fails the test.
func (m *machine) run(args ...string) string {
	m.Helper()
	out, errs, code := m.try(args...)
	if code != 0 {
		m.Fatalf("%s: exit code %d\n%s%s", strings.Join(args, " "), code, out, errs)
	}
	return out
}

// try runs a program to its end and returns what it printed and its exit code.
// Output goes to files: a daemon that keeps them open does not delay the end.
func (m *machine) try(args ...string) (stdout, stderr string, code int) {
	m.Helper()
	cmd := m.command(args...)
	files := [2]*os.File{m.logFile(args[0] + ".stdout"), m.logFile(args[0] + ".stderr")}
	cmd.Stdout, cmd.Stderr = files[0], files[1]
	if err := cmd.Start(); err != nil {
		m.Fatal(err)
	}
	timer := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() }) // it may just have ended
	err := cmd.Wait()
	if !timer.Stop() {
		m.Errorf("%s: not done after %v", strings.Join(args, " "), patience)
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	} else if err != nil {
		m.Fatal(err)
	}
	var text [2]string
	for i, f := range files {
		b, err := os.ReadFile(f.Name())
		if err != nil {
			m.Fatal(err)
		}
		text[i] = string(b)
		f.Close()
	}
	return text[0], text[1], code
}

// logFile makes a file for a program's output.
func (m *machine) logFile(name string) *os.File {
	m.Helper()
	m.logs++
	f, err := os.CreateTemp(m.mkdir("log"), filepath.Base(name)+".*")
	if err != nil {
		m.Fatal(err)
	}
	return f
}

// process is a program that runs beside the test.
type process struct {
	m     *machine
	name  string
	cmd   *exec.Cmd
	stdin io.WriteCloser
	log   string        // file of its standard error
	ended chan struct{} // closed when it has ended and all output is read

	mu      sync.Mutex    // guards what follows
	lines   []string      // of its standard output
	changed chan struct{} // closed, and replaced, with each line and at the end
	code    int           // once ended
}

// start starts a program. When it is still running at the end of the test it is
// killed. A failed test shows the last of what it wrote to standard error.
func (m *machine) start(args ...string) *process {
	m.Helper()
	return m.startCommand(m.command(args...))
}

func (m *machine) startCommand(cmd *exec.Cmd) *process {
	m.Helper()
	p := &process{m: m, name: filepath.Base(cmd.Path), cmd: cmd, ended: make(chan struct{}), changed: make(chan struct{})}
	errs := m.logFile(p.name)
	defer errs.Close()
	p.log = errs.Name()
	cmd.Stderr = errs
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		m.Fatal(err)
	}
	if p.stdin, err = cmd.StdinPipe(); err != nil {
		m.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		m.Fatal(err)
	}
	go p.collect(stdout) // ends with the process, which the test's end waits for
	m.Cleanup(func() {
		p.kill()
		if m.Failed() {
			m.Logf("%s, process %d, wrote:\n%s", p.name, cmd.Process.Pid, lastLines(p.errors(), 30))
		}
	})
	return p
}

// collect reads the output to its end and waits for the process.
func (p *process) collect(stdout io.Reader) {
	in := bufio.NewScanner(stdout)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		p.update(func() { p.lines = append(p.lines, in.Text()) })
	}
	// What ended it is in its state; an error of the pipe ends it as well.
	_ = p.cmd.Wait()
	p.update(func() { p.code = p.cmd.ProcessState.ExitCode() })
	close(p.ended)
}

func (p *process) update(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
	close(p.changed)
	p.changed = make(chan struct{})
}

// output returns the lines so far and a channel that tells of more.
func (p *process) output() ([]string, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lines, p.changed
}

// awaitLines waits until the output satisfies enough, and returns it.
func (p *process) awaitLines(what string, enough func([]string) bool) []string {
	p.m.Helper()
	late := time.After(patience)
	for {
		lines, changed := p.output()
		if enough(lines) {
			return lines
		}
		select {
		case <-changed:
		case <-p.ended:
			if lines, _ := p.output(); enough(lines) {
				return lines
			}
			p.m.Fatalf("%s ended with %d before %s; it wrote:\n%s", p.name, p.code, what, lastLines(p.errors(), 10))
		case <-late:
			p.m.Fatalf("%s: %s did not come within %v; %d lines so far", p.name, what, patience, len(lines))
		}
	}
}

// wait waits for the end and returns the exit code, -1 for a signal.
func (p *process) wait() int {
	p.m.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.m.Fatalf("%s did not end within %v", p.name, patience)
	}
	return p.code
}

// signal sends a signal to a running process.
func (p *process) signal(s syscall.Signal) {
	p.m.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.m.Fatalf("%s: send %v: %v", p.name, s, err)
	}
}

// stop ends the process in order and checks that it says so.
func (p *process) stop() {
	p.m.Helper()
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != 0 {
		p.m.Errorf("%s: exit code %d after SIGTERM, want 0", p.name, code)
	}
}

// kill ends the process at once and waits for that.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.ended
}

// errors returns what the process wrote to standard error so far.
func (p *process) errors() string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// until waits for a condition that nobody signals.
func (m *machine) until(what string, done func() bool) {
	m.Helper()
	wait.Until(m.T, what, done)
}

// lastLines returns the end of a text.
func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
