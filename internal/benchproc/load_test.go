// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package benchproc

import (
	"context"
	"strings"
	"testing"
)

// startLoad starts a script as a load that says "ready" when it is.
func startLoad(t *testing.T, script string) (*Load, string, error) {
	t.Helper()
	l, said, err := Program{Name: "script", Command: []string{"sh", "-c", script}, Dir: t.TempDir()}.StartLoad("ready")
	if err == nil {
		t.Cleanup(l.End)
	}
	return l, said, err
}

func TestLoad(t *testing.T) {
	l, said, err := startLoad(t, "echo ready 7 8; read line; echo done 9; cat; echo done 10")
	if err != nil || said != "7 8" {
		t.Fatalf("StartLoad() = %q, %v, want 7 8", said, err)
	}
	if err := l.Begin(); err != nil {
		t.Fatal(err)
	}
	if said, err := l.Done(t.Context(), "done"); err != nil || said != "9" {
		t.Errorf("Done() = %q, %v, want 9", said, err)
	}
	if said, err := l.Stop(t.Context(), "done"); err != nil || said != "10" {
		t.Errorf("Stop() = %q, %v, want 10", said, err)
	}
}

func TestLoadThatFails(t *testing.T) {
	for script, want := range map[string]string{
		"echo other":            `script: got "other", want "ready"`,
		"echo broken >&2; exit": "(broken)",
	} {
		if _, _, err := startLoad(t, script); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", script, err, want)
		}
	}
	l, _, err := startLoad(t, "echo ready; read line; cat")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Done(ctx, "done"); err == nil || !strings.Contains(err.Error(), context.Canceled.Error()) {
		t.Errorf("Done() = %v, want the end of the context", err)
	}
}
