// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/relaydopt"
)

// relaydCommand is a relay on ports of the system's choice below a fresh home.
// The program's name is found by PATH, where the tests have put themselves.
func relaydCommand(t *testing.T, name string, args ...string) (cmd *exec.Cmd, home string) {
	t.Helper()
	home = t.TempDir()
	args = append(args, "--dynamic-port-allocation", "-C", "tcp://127.0.0.1", "-D", "tcp://127.0.0.1", "--http", "127.0.0.1:0")
	if name == "weir" {
		args = append([]string{"relayd"}, args...)
	}
	cmd = exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), "HOME="+home, "LTTNG_HOME="+home, "LTTNG_RUNDIR="+home+"/run", "WEIR_HUB_STATE_DIR="+home+"/state")
	return cmd, home
}

// endDaemon stops the process whose id a pid file holds and waits for its end.
func endDaemon(t *testing.T, pidFile string) {
	t.Helper()
	pid := readPID(t, pidFile)
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatalf("daemon %d: %v", pid, err)
	}
	defer unix.Close(fd)
	if err := unix.PidfdSendSignal(fd, unix.SIGTERM, nil, 0); err != nil {
		t.Fatal(err)
	}
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(poll, 20_000)
	for err == unix.EINTR {
		n, err = unix.Poll(poll, 20_000)
	}
	if n != 1 {
		_ = unix.Kill(pid, unix.SIGKILL)
		t.Fatalf("daemon %d does not end on SIGTERM: %v", pid, err)
	}
}

func readPID(t *testing.T, path string) int {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("the command returned before the daemon was ready: %v", err)
	}
	pid, err := strconv.Atoi(strings.TrimSuffix(string(text), "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func TestRelaydBackground(t *testing.T) {
	for _, tt := range []struct{ name, mode, comm string }{
		{"lttng-relayd", "-d", "lttng-relayd"}, {"lttng-relayd", "--background", "lttng-relayd"}, {"weir", "-d", "weir"},
	} {
		t.Run(tt.name+tt.mode, func(t *testing.T) {
			cmd, home := relaydCommand(t, tt.name, tt.mode, "-P", "relayd.pid", "-vvv")
			cmd.Dir = home
			// A pipe as standard error: Run returns when all writers are gone.
			var stderr bytes.Buffer
			if tt.mode == "-d" {
				cmd.Stderr = &stderr
			}
			if err := cmd.Run(); err != nil {
				t.Fatalf("%v, stderr %q", err, &stderr)
			}
			pidFile := filepath.Join(home, "relayd.pid")
			proc := fmt.Sprintf("/proc/%d/", readPID(t, pidFile))
			comm, _ := os.ReadFile(proc + "comm")
			line, _ := os.ReadFile(proc + "cmdline")
			argv0, _, _ := bytes.Cut(line, []byte{0})
			cwd, _ := os.Readlink(proc + "cwd")
			if string(comm) != tt.comm+"\n" || filepath.Base(string(argv0)) != tt.name || cwd != "/" {
				t.Errorf("comm %q, argv[0] %q, directory %q, want %s, %s, /", comm, argv0, cwd, tt.comm, tt.name)
			}
			for _, listener := range []string{"control", "data", "live"} {
				port, err := os.ReadFile(filepath.Join(home, "run/relayd", listener+".port"))
				if err != nil {
					t.Fatal(err)
				}
				conn, err := net.Dial("tcp", "127.0.0.1:"+strings.TrimSuffix(string(port), "\n"))
				if err != nil {
					t.Fatalf("%s port: %v", listener, err)
				}
				conn.Close()
			}
			// SIGHUP has no effect: the stop below still finds the process.
			if err := unix.Kill(readPID(t, pidFile), unix.SIGHUP); err != nil {
				t.Error(err)
			}
			endDaemon(t, pidFile)
			left, _ := filepath.Glob(filepath.Join(home, "run/relayd/*"))
			if _, err := os.Stat(pidFile); !os.IsNotExist(err) || len(left) != 0 {
				t.Errorf("after the stop: pid file %v, runtime files %q, want none", err, left)
			}
		})
	}
}

// TestRelaydFailsWithOne: every failed start is status 1 in every mode, and the
// reason is on the caller's standard error. The health socket fails late, in
// the background process.
func TestRelaydFailsWithOne(t *testing.T) {
	for _, mode := range []string{"-v", "-d", "-b"} {
		for reason, fail := range map[string]func(cmd *exec.Cmd){
			"health socket: ":  func(cmd *exec.Cmd) { cmd.Env = append(cmd.Env, "LTTNG_RELAYD_HEALTH=/dev/null") },
			"output directory": func(cmd *exec.Cmd) { cmd.Args = append(cmd.Args, "-o", "/proc/none") },
			"--live-port: ":    func(cmd *exec.Cmd) { cmd.Args = append(cmd.Args, "-L", "tcp://127.0.0.1:70000") },
			"another --group":  func(cmd *exec.Cmd) { cmd.Args = append(cmd.Args, "-p", "-s") },
			"weir.toml":        func(cmd *exec.Cmd) { cmd.Args = append(cmd.Args, "--weir-config", "/nowhere/weir.toml") },
		} {
			for _, name := range []string{"lttng-relayd", "weir"} {
				cmd, home := relaydCommand(t, name, mode, "-P", "relayd.pid")
				fail(cmd)
				cmd.Dir = home
				var stderr bytes.Buffer
				cmd.Stderr = &stderr
				_ = cmd.Run()
				prefix := map[string]string{"weir": "weir relayd: "}[name]
				if prefix == "" {
					prefix = "lttng-relayd: "
				}
				text := stderr.String()
				if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(text, reason) || strings.Count(text, prefix) != 1 {
					t.Errorf("%s %s: exit code %d, stderr %q, want 1 and once %q with %q", name, mode, code, text, prefix, reason)
				}
				if _, err := os.Stat(filepath.Join(home, "relayd.pid")); err == nil {
					t.Errorf("%s %s: a pid file of a failed start", name, mode)
				}
			}
		}
	}
}

// TestRelaydPortInUse: lttng-relayd 2.13 ends with 0 there in the foreground.
func TestRelaydPortInUse(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	for _, mode := range []string{"-v", "-d", "-b"} {
		for _, option := range []string{"-C", "-D", "-L"} {
			cmd, _ := relaydCommand(t, "lttng-relayd", mode)
			cmd.Args = append(cmd.Args, option, "tcp://"+busy.Addr().String())
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			_ = cmd.Run()
			if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(stderr.String(), "address already in use") {
				t.Errorf("%s %s: exit code %d, stderr %q, want 1 and the reason", mode, option, code, &stderr)
			}
		}
	}
	// HTTP is weir's own: lttng-relayd's users must not miss it.
	cmd, home := relaydCommand(t, "lttng-relayd", "-d", "-P", "relayd.pid")
	cmd.Args = append(cmd.Args, "--http", busy.Addr().String())
	cmd.Dir = home
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "no HTTP") {
		t.Fatalf("with a busy HTTP port: %v, output %q, want a warning", err, out)
	}
	endDaemon(t, filepath.Join(home, "relayd.pid"))
}

func TestRelaydVersionAndHelp(t *testing.T) {
	for option, want := range map[string]string{"--version": "weir 0", "-V": "weir 0", "--help": "Usage: lttng-relayd ", "-h": "Usage: lttng-relayd "} {
		for _, line := range [][]string{{"lttng-relayd", option}, {"weir", "relayd", option}} {
			cmd := exec.CommandContext(t.Context(), line[0], line[1:]...)
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.HasPrefix(string(out), want) {
				t.Errorf("%q: %v, %.60q, want %q", line, err, out, want)
			}
		}
	}
}

func TestRelaydCompletion(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if code := Main([]string{"weir", "__complete", "relayd", "-d", "--group-o"}, &stdout, &stderr); code != 0 {
		t.Fatalf("exit code %d, stderr %q", code, &stderr)
	}
	for _, want := range []string{"--group-output-by-host\t", "--group-output-by-session\t"} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("completion %q lacks %q", &stdout, want)
		}
	}
}

// TestRelaydFlags: what help and manual list is what the parser takes.
func TestRelaydFlags(t *testing.T) {
	flags := newRelaydCommand().Flags()
	for _, f := range relaydopt.Flags() {
		got := flags.Lookup(f.Long)
		if got == nil {
			t.Errorf("--%s is not declared", f.Long)
			continue
		}
		short := ""
		if f.Short != 0 {
			short = string(f.Short)
		}
		if name, _ := pflag.UnquoteUsage(got); name != f.Arg {
			t.Errorf("argument of --%s is shown as %q, want %q", f.Long, name, f.Arg)
		}
		if got.Shorthand != short || (got.NoOptDefVal == "true") != (f.Arg == "") {
			t.Errorf("--%s is declared as -%s, value %q, want -%s and argument %q", f.Long, got.Shorthand, got.NoOptDefVal, short, f.Arg)
		}
	}
}
