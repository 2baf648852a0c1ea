// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	// The program under test is built from this. The import makes the tests
	// depend on it, so that no result of an older program is taken from a cache.
	_ "github.com/weir-io/weir/internal/cli"
	"github.com/weir-io/weir/internal/peer"
	_ "github.com/weir-io/weir/tracepoint"              // likewise
	_ "github.com/weir-io/weir/tracepoint/runtimetrace" // likewise
)

// Environment of the processes that a test consists of.
const (
	roleEnv     = "WEIR_SYSTEMTEST_ROLE"     // which of them this is
	scratchEnv  = "WEIR_SYSTEMTEST_DIR"      // directory of the test's files
	programsEnv = "WEIR_SYSTEMTEST_PROGRAMS" // directory of the built programs
)

// Roles of a process of the test binary; none is the one that go test starts.
const (
	roleInit = "init" // process 1 of a test's namespaces
	roleBody = "body" // runs the body of a test
)

// parallelTests is how many tests run at a time. They mostly wait: for live
// timers, and for daemons to settle.
const parallelTests = "4"

func TestMain(m *testing.M) {
	switch os.Getenv(roleEnv) {
	case roleInit:
		os.Exit(runInit())
	case roleBody:
		os.Exit(m.Run())
	}
	os.Exit(runOuter(m))
}

func runOuter(m *testing.M) int {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", parallelTests); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	dir, err := os.MkdirTemp("", "weir-system")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := os.Setenv(programsEnv, dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// programs are those that the tests talk to.
var programs = []string{
	"lttng", "lttng-sessiond", "lttng-relayd", "babeltrace2", "babeltrace", "gcc", "go", "systemd-socket-activate",
}

// header is a file of liblttng-ust-dev, which has no program. Its directory is
// the compiler's to know.
const header = "lttng/tracepoint.h"

// need ends the test where something is missing.
func need(t *testing.T) {
	t.Helper()
	peer.Root(t, "to make namespaces")
	for _, p := range programs {
		peer.Need(t, p)
	}
	find := exec.Command("gcc", "-E", "-x", "c", "-")
	find.Stdin = strings.NewReader("#include <" + header + ">\n")
	if find.Run() != nil {
		peer.Lack(t, "%s (package liblttng-ust-dev)", header)
	}
}

// build makes the programs under test once for all tests.
var build = sync.OnceValue(func() error {
	dir := os.Getenv(programsEnv)
	// Reading the sources here makes go test know that results depend on them.
	const sources = "testdata/app"
	for _, name := range []string{"app.c", "tick.c", "tick.h", "kinds.c", "kinds.h", "life.c", "late.c", "library.c", "nested.c"} {
		text, err := os.ReadFile(filepath.Join(sources, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return err
		}
	}
	return errors.Join(
		run(dir, "gcc", "-O2", "-I.", "-o", "app", "app.c", "tick.c", "-llttng-ust", "-ldl"),
		run(dir, "gcc", "-O2", "-I.", "-o", "life", "life.c", "tick.c", "-llttng-ust", "-ldl"),
		run(dir, "gcc", "-O2", "-o", "late", "late.c", "-Wl,--no-as-needed", "-llttng-ust", "-ldl"),
		run(dir, "gcc", "-O2", "-I.", "-shared", "-fPIC", "-o", "library.so", "library.c", "tick.c", "-llttng-ust", "-ldl"),
		run(dir, "gcc", "-O2", "-o", "nested", "nested.c", "-llttng-ust", "-ldl"),
		run(dir, "gcc", "-O2", "-I.", "-o", "kinds", "kinds.c", "-llttng-ust", "-ldl", "-lm"),
		run(".", "go", "build", "-o", filepath.Join(dir, "weir"), "github.com/weir-io/weir/cmd/weir"),
		run(".", "go", "build", "-o", filepath.Join(dir, "goapp"), "./testdata/goapp"),
	)
})

// run runs a program in a directory; the error holds what it printed.
func run(dir, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}
