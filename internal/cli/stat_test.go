// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-io/weir/internal/hoststat/polltest"
)

func TestStat(t *testing.T) {
	address := (&polltest.Daemon{Answer: polltest.Steady(polltest.Default("n1"))}).Start(t)
	var stdout, stderr bytes.Buffer
	if code := Main([]string{"weir", "stat", "-d", "0.5", "-c", "1", "--format", "jsonl", "-t", "1", address}, &stdout, &stderr); code != 0 {
		t.Fatalf("exit code %d: %s", code, &stderr)
	}
	var row struct {
		Host, View string
		Load1      float64
		Busy       float64 `json:"cpu_busy"`
	}
	if err := json.Unmarshal(stdout.Bytes(), &row); err != nil || row.Host != address || row.View != "load" || row.Load1 != 0.5 || row.Busy < 35 || row.Busy > 45 {
		t.Errorf("%+v, %v from %s", row, err, &stdout)
	}
}

func TestStatByTheNameWulflogger(t *testing.T) {
	address := (&polltest.Daemon{Answer: polltest.Steady(polltest.Default("n1"))}).Start(t)
	out, err := exec.CommandContext(t.Context(), "wulflogger", "-d", "0.5", "-c", "1", "--first", address).Output()
	if err != nil || !bytes.HasPrefix(out, []byte("# view=load time=")) {
		t.Errorf("%v:\n%s", err, out)
	}
}

func TestStatRefuses(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad")
	if err := os.WriteFile(bad, []byte("<wulfstat>\n<host/>\n</wulfstat>"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ args, want string }{
		{"-t none", `no view "none"`},
		{"-d 0.1", "delay 0.1: want 0.5 to 60 seconds"},
		{"-d 0", "delay 0: want 0.5 to 60 seconds"},
		{"-d 61", "delay 61: want 0.5 to 60 seconds"},
		{"-c -1", "count -1: want 0 or more"},
		{"--compress br", `compress "br": want auto, none, gzip, zstd`},
		{"--format pdf", `no format "pdf"`},
		{"--sort none", `the view load has no column "none"`},
		{"--filter [", "filter: error parsing regexp"},
		{"--rotate 1M,2", "--rotate needs -o"},
		{"-o " + dir + "/o --rotate 1M", `rotate "1M": want SIZE,COUNT`},
		{"n[1-", `"n[1-": [ without ]`},
		{"-f " + bad, bad + ":2: a host without a name"},
		{"-f " + dir + "/none", "no such file"},
		{"--tls-cert x", "--tls-cert: a certificate and its key go together"},
	} {
		for _, command := range []string{"stat", "top"} {
			if command == "top" && (strings.Contains(tt.args, "--format") || strings.Contains(tt.args, "rotate")) {
				continue
			}
			var stdout, stderr bytes.Buffer
			code := Main(append([]string{"weir", command}, strings.Fields(tt.args)...), &stdout, &stderr)
			if code != exitUsage || !strings.Contains(stderr.String(), tt.want) || strings.Count(stderr.String(), "\n") != 1 {
				t.Errorf("%s %s: exit code %d, %q, want %s", command, tt.args, code, &stderr, tt.want)
			}
		}
	}
}

// Whoever reads and has enough makes no error.
func TestStatIntoAClosedPipe(t *testing.T) {
	address := (&polltest.Daemon{Answer: polltest.Steady(polltest.Default("n1"))}).Start(t)
	c := exec.CommandContext(t.Context(), "weir", "stat", "-d", "0.5", "--first", address)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	c.Stderr = &stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, 10)); err != nil {
		t.Error(err)
	}
	out.Close()
	if err := c.Wait(); err != nil || stderr.Len() > 0 {
		t.Errorf("%v: %s", err, &stderr)
	}
}

func TestStatRotates(t *testing.T) {
	address := (&polltest.Daemon{Answer: polltest.Steady(polltest.Default("n1"))}).Start(t)
	path := filepath.Join(t.TempDir(), "log")
	var stdout, stderr bytes.Buffer
	if code := Main([]string{"weir", "stat", "-d", "0.5", "-c", "4", "--first", "-o", path, "--rotate", "1,2", address}, &stdout, &stderr); code != 0 {
		t.Fatalf("exit code %d: %s", code, &stderr)
	}
	for name, want := range map[string]bool{path: true, path + ".1": true, path + ".2": true, path + ".3": false} {
		text, err := os.ReadFile(name)
		if got := err == nil; got != want || got && bytes.Count(text, []byte("# view=")) != 1 {
			t.Errorf("%s: there %v, want %v:\n%s", name, got, want, text)
		}
	}
}

func TestStatIntoAFullDisk(t *testing.T) {
	address := (&polltest.Daemon{Answer: polltest.Steady(polltest.Default("n1"))}).Start(t)
	var stdout, stderr bytes.Buffer
	if code := Main([]string{"weir", "stat", "--first", "-o", "/dev/full", address}, &stdout, &stderr); code != exitFailed || !strings.Contains(stderr.String(), "no space left") {
		t.Errorf("exit code %d: %s", code, &stderr)
	}
}
