// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ustbench

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/weir-io/weir/internal/bench"
	"github.com/weir-io/weir/internal/peer"
)

// TestQuick measures a tiny amount of everything with the real programs, and looks for
// what is left behind.
func TestQuick(t *testing.T) {
	peer.Root(t, "to make mount namespaces")
	peer.Need(t, "gcc")
	find := exec.CommandContext(t.Context(), "gcc", "-E", "-x", "c", "-")
	find.Stdin = bytes.NewReader([]byte("#include <lttng/tracepoint.h>\n"))
	if find.Run() != nil {
		peer.Lack(t, "lttng/tracepoint.h (package liblttng-ust-dev)")
	}
	dir := t.TempDir()
	program := filepath.Join(t.TempDir(), "weir")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "github.com/weir-io/weir/cmd/weir").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	sessiond, _ := peer.Find(t, "lttng-sessiond")
	b := Bench{Plan: bench.Plan{Weir: program, Dir: dir, Quick: true}, Sessiond: sessiond}
	report, err := b.Measure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	if want := 4*len(Names()) - 3; len(report.Rows) != want {
		t.Errorf("%d rows, want %d: 4 for each of %q, and one for an end", len(report.Rows), want, Names())
	}
	for _, r := range report.Rows {
		if r.Bar != nil && !r.Bar.OfRatio && r.Weir != 0 {
			t.Errorf("%s: %g of weir's, want none", r.Name, r.Weir)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestMeasureRefuses tells what cannot be measured.
func TestMeasureRefuses(t *testing.T) {
	b := Bench{Plan: bench.Plan{Weir: "weir", Only: []string{"nothing"}}}
	if _, err := b.Measure(t.Context()); err == nil {
		t.Error("nothing is measured")
	}
}
