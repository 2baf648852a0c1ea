// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package benchproc

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/procstat"
)

// shell starts a script, which runs until it is read if it prints something.
func shell(t *testing.T, script string) (*Process, *bufio.Reader) {
	t.Helper()
	p, out, err := Program{Name: "script", Command: []string{"sh", "-c", script}, Dir: t.TempDir()}.StartPiped()
	if err != nil {
		t.Fatal(err)
	}
	if err := out.SetReadDeadline(time.Now().Add(awaitTimeout)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Kill()
		_ = p.Status() // that it is gone is enough
		out.Close()
	})
	return p, bufio.NewReader(out)
}

// waiting is a script that says when it waits for a signal.
const waiting = "echo waits; while :; do sleep 0.01; done"

func TestStop(t *testing.T) {
	for _, tt := range []struct {
		name, script string
		want         string // in the error; "" for none
	}{
		{"well", "trap 'exit 0' TERM; " + waiting, ""},
		{"badly", "trap 'echo first >&2; echo last >&2; exit 3' TERM; " + waiting, "script ended: exit status 3 (last)"},
		{"by the signal", waiting, "script ended: signal: terminated"},
		{"before", "echo; exit 4", "script ended: exit status 4"},
	} {
		p, out := shell(t, tt.script)
		if _, err := out.ReadString('\n'); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if tt.name == "before" {
			_ = p.Status() // waits
		}
		err := p.Stop()
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || err.Error() != tt.want) {
			t.Errorf("%s: Stop() = %v, want %q", tt.name, err, tt.want)
		}
		if again := p.Stop(); (again == nil) != (err == nil) || p.Alive() {
			t.Errorf("%s: once more: Stop() = %v, want the same; alive: %v", tt.name, again, p.Alive())
		}
		if err := p.End(syscall.SIGTERM); err != nil {
			t.Errorf("%s: End() = %v of one that has ended", tt.name, err)
		}
	}
}

// What a program leaves running goes with it: the reader sees the end of what
// the child would keep open.
func TestGroupIsKilled(t *testing.T) {
	p, out := shell(t, "sleep 60 & echo started; wait")
	if _, err := out.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	p.Kill()
	if rest, err := io.ReadAll(out); err != nil || len(rest) > 0 {
		t.Errorf("got %q, %v, want the end of the output", rest, err)
	}
}

func TestExplain(t *testing.T) {
	cause := errors.New("connection reset")
	p, out := shell(t, waiting)
	if _, err := out.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if err := p.Explain(cause); err != cause {
		t.Errorf("it runs: got %v, want the error itself", err)
	}
	p.Kill() // it ends a moment later
	if err := p.Explain(cause); !errors.Is(err, cause) || err.Error() != "script ended: signal: killed: connection reset" {
		t.Errorf("it was killed: got %v", err)
	}
	p, _ = shell(t, "echo bye >&2")
	_ = p.Status() // waits
	if err := p.Explain(cause); !errors.Is(err, cause) || err.Error() != "script ended: exit status 0 (bye): connection reset" {
		t.Errorf("it went: got %v", err)
	}
}

func TestAwait(t *testing.T) {
	p, _ := shell(t, waiting)
	looks := 0
	if err := p.Await(t.Context(), "three", func() bool { looks++; return looks == 3 }); err != nil || looks != 3 {
		t.Errorf("got %v after %d looks, want 3", err, looks)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	err := p.Await(ctx, "never", func() bool { cancel(enough); return false })
	if !errors.Is(err, enough) || !strings.HasPrefix(err.Error(), "script: ") {
		t.Errorf("the context ended: got %v", err)
	}
	p.Kill()
	err = p.Await(t.Context(), "it sings", func() bool { return false })
	if err == nil || err.Error() != "script ended: signal: killed: waited until it sings" {
		t.Errorf("the process ended: got %v", err)
	}
}

// The first bytes of a long text are dropped, an empty line is none.
func TestTail(t *testing.T) {
	var tail Tail
	for range tailBytes {
		io.WriteString(&tail, "some line\n")
	}
	io.WriteString(&tail, "the last")
	io.WriteString(&tail, " line\n\n")
	if got := tail.LastLine(); got != "the last line" || len(tail.text) != tailBytes {
		t.Errorf("last line %q of %d bytes, want those of the end", got, len(tail.text))
	}
}

func TestCPUTime(t *testing.T) {
	// The child's work is the family's, and not the process's own.
	p, _ := shell(t, "sh -c 'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done'; exit 0")
	if err := p.Status(); err != nil {
		t.Fatal(err)
	}
	own, family := p.Clock().Since(procstat.Clock{}), p.FamilyCPU()
	if own <= 0 || family < own+10*time.Millisecond {
		t.Errorf("own %v, with the child %v", own, family)
	}
}

// A relative path is that of this process, though the program runs elsewhere.
func TestRelativePath(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("program", []byte("#!/bin/sh\npwd\necho $HOME\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	p, out, err := Program{Command: []string{"./program"}, Dir: dir}.StartPiped()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	text, err := io.ReadAll(out)
	if want := dir + "\n" + dir + "\n"; err != nil || p.Status() != nil || string(text) != want {
		t.Errorf("got %q, %v, want %q", text, err, want)
	}
	if _, err := (Program{Command: []string{"./nothing"}, Dir: dir}).Start(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no such program: got %v", err)
	}
}
