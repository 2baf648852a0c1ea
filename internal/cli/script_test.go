// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"flag"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/internal/agent/agenttest"
	"github.com/weir-io/weir/internal/feed/fstest"
	"github.com/weir-io/weir/internal/testport"
	"github.com/weir-io/weir/internal/wait"
)

// update rewrites the expected output in the scripts.
var update = flag.Bool("update", false, "rewrite the expected output in testdata/script")

func TestMain(m *testing.M) {
	if isTest := strings.HasSuffix(os.Args[0], ".test"); isTest && !fstest.Ready() {
		fstest.Main(m) // which comes here again
		return
	}
	testscript.Main(m, map[string]func(){
		"weir":         func() { os.Exit(Main(os.Args, os.Stdout, os.Stderr)) },
		"lttng-relayd": func() { os.Exit(Main(os.Args, os.Stdout, os.Stderr)) },
		"xmlsysd":      func() { os.Exit(Main(os.Args, os.Stdout, os.Stderr)) },
		"wulfstat":     func() { os.Exit(Main(os.Args, os.Stdout, os.Stderr)) },
		"wulflogger":   func() { os.Exit(Main(os.Args, os.Stdout, os.Stderr)) },
	})
}

// TestScript runs the scripts of testdata/script; README.md there lists the
// commands that they have beside testscript's own.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		UpdateScripts:       *update,
		Setup: func(env *testscript.Env) error {
			// Everything weir may write stays in the script's directory.
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("XDG_STATE_HOME", env.WorkDir+"/state")
			env.Setenv("WEIR_HUB_STATE_DIR", env.WorkDir+"/state")
			env.Setenv("WEIR_CONFIG", "")
			env.Setenv("XDG_CONFIG_HOME", "")
			env.Setenv("WEIR_HOME", "")
			env.Setenv(agent.SocketVariable, filepath.Join(env.WorkDir, "agent.sock"))
			env.Values[daemonKey{}] = new(agenttest.Service)
			env.Setenv("TZ", "UTC")
			trace, err := filepath.Abs("testdata/trace")
			if err != nil {
				return err
			}
			env.Setenv("TRACE", trace)
			guide, err := filepath.Abs("../../docs/guide")
			if err != nil {
				return err
			}
			env.Setenv("GUIDE", guide)
			return setPorts(env)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "waitport": waitPort, "signal": sendSignal, "maketrace": makeTrace,
			"daemon": startDaemon, "calls": writeCalls,
		},
	})
}

// setPorts gives the script addresses that nothing listens on: $HTTP, $CONTROL,
// $DATA, $LIVE and $STAT.
func setPorts(env *testscript.Env) error {
	for _, name := range []string{"HTTP", "CONTROL", "DATA", "LIVE", "STAT"} {
		address, release, err := testport.Reserve()
		if err != nil {
			return err
		}
		env.Defer(release)
		env.Setenv(name, address)
	}
	return nil
}

// exits runs a command and compares its exit code: exits CODE COMMAND ARG...
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG...]")
	}
	code := "0"
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		e, ok := err.(*exec.ExitError)
		if !ok {
			ts.Fatalf("%v", err)
		}
		code = e.String()[len("exit status "):]
	}
	if code != args[0] {
		ts.Fatalf("exit code %s, want %s", code, args[0])
	}
}

// waitPort waits until an address accepts connections: waitport HOST:PORT.
func waitPort(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: waitport HOST:PORT")
	}
	for deadline := time.Now().Add(wait.Patience); time.Now().Before(deadline); {
		c, err := net.DialTimeout("tcp", args[0], time.Second)
		if err == nil {
			ts.Check(c.Close())
			return
		}
		// A refused connection returns at once; a timer is the only thing
		// that can tell when to ask again.
		<-time.After(20 * time.Millisecond)
	}
	ts.Fatalf("nothing listens at %s", args[0])
}

// sendSignal sends SIGTERM or SIGINT to the script's background commands:
// signal TERM|INT.
func sendSignal(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]os.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT}
	if neg || len(args) != 1 || signals[args[0]] == nil {
		ts.Fatalf("usage: signal TERM|INT")
	}
	for _, c := range ts.BackgroundCmds() {
		ts.Check(c.Process.Signal(signals[args[0]]))
	}
}

// makeTrace writes a trace of one stream, chan_0: maketrace DIR EVENTS [bad].
// The events are "tick: { n = 1 }" and so on, at 1, 2 and so on seconds after
// the epoch. Of a bad trace the id of the last event is wrong.
func makeTrace(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: maketrace DIR EVENTS [bad]")
	}
	events, err := strconv.Atoi(args[1])
	ts.Check(err)
	b := ctf.NewBuilder(ctf.BuilderOptions{UUID: schema.UUID{1, 15: 2}})
	sb, err := b.Stream(ctf.LargeHeader)
	ts.Check(err)
	tick, err := sb.Event("tick", schema.NoLogLevel, ctf.Uint("n", 8))
	ts.Check(err)
	dir := ts.MkAbs(args[0])
	w, err := ctf.CreateTrace(dir, b.Trace(), ctf.TraceOptions{Stream: ctf.StreamOptions{PadBytes: 1}})
	ts.Check(err)
	sw, err := w.Stream(sb.Class(), "chan", 0)
	ts.Check(err)
	for n := range uint64(events) {
		e := sw.Event(tick, (n+1)*1e9)
		e.Uint(n + 1)
		ts.Check(e.End())
	}
	ts.Check(w.Close())
	if len(args) > 2 {
		path := filepath.Join(dir, "chan_0")
		data, err := os.ReadFile(path)
		ts.Check(err)
		data[len(data)-7] = 99 // the short header's id, before time and payload
		ts.Check(os.WriteFile(path, data, 0o666))
	}
}
