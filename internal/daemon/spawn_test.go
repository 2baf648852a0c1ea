// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// startDaemon runs the daemon of daemonRole under a name and returns what it
// says about itself.
func startDaemon(t *testing.T, cmd *exec.Cmd, path string) facts {
	t.Helper()
	var stderr bytes.Buffer
	if cmd.Stderr == nil {
		cmd.Stderr = &stderr
	}
	// A write end of a pipe that the caller forgot to close: it must not
	// reach the daemon.
	stray, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stray.Close()
	cmd.ExtraFiles = append(cmd.ExtraFiles, w)
	err = cmd.Run()
	w.Close()
	if err != nil {
		t.Fatalf("start: %v, stderr %q", err, stderr.String())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("the caller returned before the daemon was ready: %v", err)
	}
	var f facts
	if err := json.Unmarshal(text, &f); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopProcess(t, f.PID) })
	if err := stray.SetReadDeadline(deadline()); err == nil {
		if _, err := stray.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("read of a pipe the daemon should not hold: %v, want EOF", err)
		}
	}
	return f
}

func TestSpawnDetach(t *testing.T) {
	program := asDaemon(t, "lttng-relayd")
	path := filepath.Join(t.TempDir(), "facts")
	cmd := exec.Command(program, path, "detach")
	cmd.Env = append(os.Environ(), roleVar+"=daemon")
	cmd.Dir = t.TempDir()
	f := startDaemon(t, cmd, path)
	if f.Argv0 != program || f.Comm != "lttng-relayd" {
		t.Errorf("argv[0] %q, comm %q, want %q and lttng-relayd", f.Argv0, f.Comm, program)
	}
	if f.SID != f.PID {
		t.Errorf("session %d of process %d, want a session of its own", f.SID, f.PID)
	}
	if f.Stray {
		t.Errorf("%s is left in the environment", waiterVar)
	}
	if f.Cwd != cmd.Dir {
		t.Errorf("working directory %q, want %q until the daemon changes it", f.Cwd, cmd.Dir)
	}
	// cmd.Run above returned although its output is a pipe: the daemon has
	// given it up. All three lead nowhere now.
	open := descriptors(f.PID)
	for fd := range 3 {
		if open[fd] != os.DevNull {
			t.Errorf("descriptor %d leads to %q, want %s", fd, open[fd], os.DevNull)
		}
	}
}

func TestSpawnKeepsConsole(t *testing.T) {
	console, err := os.Create(filepath.Join(t.TempDir(), "console"))
	if err != nil {
		t.Fatal(err)
	}
	defer console.Close()
	path := filepath.Join(t.TempDir(), "facts")
	cmd := exec.Command(asDaemon(t, "lttng-relayd"), path)
	cmd.Env = append(os.Environ(), roleVar+"=daemon")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = console, console, console
	f := startDaemon(t, cmd, path)
	open := descriptors(f.PID)
	for fd := range 3 {
		if open[fd] != console.Name() {
			t.Errorf("descriptor %d leads to %q, want %q", fd, open[fd], console.Name())
		}
	}
}

// TestSpawnNames starts the program in all the ways it may be called.
func TestSpawnNames(t *testing.T) {
	program := asDaemon(t, "lttng-relayd")
	dir, base := filepath.Split(program)
	tests := []struct {
		name, argv0, path, dir string
	}{
		{"absolute", program, program, "/"},
		{"relative", "./" + base, program, dir},
		{"by PATH", base, program, "/"},
		{"made up", "/nowhere/lttng-relayd", program, "/"},
		{"other program of that name", "lttng-relayd-x", program, "/"},
		{"long name", "/nowhere/my-own-lttng-relayd", program, "/"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "facts")
			cmd := exec.Command(tt.path, path, "detach")
			cmd.Args[0] = tt.argv0
			cmd.Dir = tt.dir
			cmd.Env = append(os.Environ(), roleVar+"=daemon", "PATH="+dir+":"+os.Getenv("PATH"))
			f := startDaemon(t, cmd, path)
			want := filepath.Base(tt.argv0)
			want = want[:min(len(want), commMax)]
			if f.Argv0 != tt.argv0 || f.Comm != want {
				t.Errorf("argv[0] %q, comm %q, want %q and %q", f.Argv0, f.Comm, tt.argv0, want)
			}
		})
	}
}

func TestSpawnFailures(t *testing.T) {
	tests := []struct {
		role, stderr string
	}{
		{"fail", "port in use\n"},
		{"die", "ended before it was ready: signal: killed\n"},
		{"stop", "ended before it was ready: signal: terminated\n"},
	}
	for _, tt := range tests {
		for _, mode := range [][]string{nil, {"detach"}} {
			cmd := exec.Command(asDaemon(t, "lttng-relayd"), append([]string{"facts"}, mode...)...)
			cmd.Env = append(os.Environ(), roleVar+"="+tt.role)
			cmd.Dir = t.TempDir()
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			_ = cmd.Run()
			if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.HasSuffix(stderr.String(), tt.stderr) {
				t.Errorf("%s %q: exit code %d, stderr %q, want 1 and %q", tt.role, mode, code, stderr.String(), tt.stderr)
			}
		}
	}
}

// TestAdoptForeignMark: a mark that came down from an ancestor is no one's.
func TestAdoptForeignMark(t *testing.T) {
	for _, mark := range []string{"", "3", "3:", "x:y", "3:1", "0:0", "-1:1", "99999999999999999999:1"} {
		t.Setenv(waiterVar, mark)
		w, err := Adopt()
		if w != nil || err != nil {
			t.Errorf("Adopt with %q = %v, %v, want nil, nil", mark, w, err)
		}
		if _, ok := os.LookupEnv(waiterVar); ok {
			t.Errorf("Adopt with %q leaves the mark", mark)
		}
	}
}

func TestActivationThroughSpawn(t *testing.T) {
	control, controlAddr := loopback(t)
	data, dataAddr := loopback(t)
	path := filepath.Join(t.TempDir(), "facts")
	cmd := exec.Command(asDaemon(t, "lttng-relayd"), path, "detach")
	cmd.Env = append(os.Environ(), roleVar+"=activated", "WEIR_DAEMON_TEST_SOCKETS=2", "LISTEN_FDNAMES=control:data")
	cmd.ExtraFiles = []*os.File{control, data}
	f := startDaemon(t, cmd, path)
	want := []string{"control " + controlAddr, "data " + dataAddr}
	if !slices.Equal(f.Listeners, want) {
		t.Errorf("listeners %q, want %q", f.Listeners, want)
	}
}

func TestActivationErrors(t *testing.T) {
	control, _ := loopback(t)
	regular, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer regular.Close()
	tests := []struct {
		name, names, stderr string
		files               []*os.File
	}{
		{"unknown name", "ctrl", `unexpected socket named "ctrl"`, []*os.File{control}},
		{"no names", "", `unexpected socket named "LISTEN_FD_3"`, []*os.File{control}},
		{"twice", "control:control", `unexpected socket named "control"`, []*os.File{control, control}},
		{"no socket", "control", `descriptor "control" does not listen`, []*os.File{regular}},
	}
	for _, tt := range tests {
		cmd := exec.Command(asDaemon(t, "d"), "facts", "detach")
		cmd.Dir = t.TempDir()
		cmd.Env = append(os.Environ(), roleVar+"=activated", "LISTEN_FDNAMES="+tt.names,
			"WEIR_DAEMON_TEST_SOCKETS="+string(rune('0'+len(tt.files))))
		cmd.ExtraFiles = tt.files
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Run(); err == nil || !strings.Contains(stderr.String(), tt.stderr) {
			t.Errorf("%s: %v, stderr %q, want a failure with %q", tt.name, err, stderr.String(), tt.stderr)
		}
	}
}
