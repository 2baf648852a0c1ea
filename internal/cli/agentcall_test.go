// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/weir-io/weir/client/agent"
)

func TestAgentExit(t *testing.T) {
	tests := []struct {
		err  error
		code int
		as   agent.Code
	}{
		{agent.NewProblem(agent.CodeNoDaemon, "x"), exitNoDaemon, agent.CodeNoDaemon},
		{fmt.Errorf("load: %w", agent.NewProblem(agent.CodeNoChannel, "x")), exitFailed, agent.CodeNoChannel},
		{usageErrorf("x"), exitUsage, agent.CodeInvalid},
		{errors.New("x"), exitFailed, agent.CodeUnknown},
	}
	for _, tt := range tests {
		if got := agentExit(tt.err); got != tt.code {
			t.Errorf("%v: exit code %d, want %d", tt.err, got, tt.code)
		}
		if p := asProblem(tt.err); p.Code != tt.as || p.Message != tt.err.Error() || p.Name != tt.as.String() {
			t.Errorf("%v: problem %+v, want code %d", tt.err, p, tt.as)
		}
	}
	if got := agentExit(nil); got != exitOK {
		t.Errorf("nil: exit code %d", got)
	}
}

func TestCurrentSession(t *testing.T) {
	dir := t.TempDir()
	getenv := func(name string) string { return map[string]string{"HOME": dir}[name] }
	if name, err := readCurrentSession(getenv); name != "" || err != nil {
		t.Errorf("none yet: %q, %v", name, err)
	}
	for _, name := range []string{"a", "with space "} {
		if err := writeCurrentSession(getenv, name); err != nil {
			t.Fatal(err)
		}
		if got, err := readCurrentSession(getenv); got != name || err != nil {
			t.Errorf("read %q, %v, want %q", got, err, name)
		}
	}
	if err := forgetCurrentSession(getenv, "other"); err != nil {
		t.Error(err)
	}
	if got, err := readCurrentSession(getenv); got != "with space " || err != nil {
		t.Errorf("after another was forgotten: %q, %v", got, err)
	}
	if err := forgetCurrentSession(getenv, "with space "); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, ".config/weir/session")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file: %v, want none", err)
	}
	if left, err := os.ReadDir(filepath.Join(dir, ".config/weir")); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if _, err := readCurrentSession(func(string) string { return "" }); err == nil {
		t.Error("without a home: no error")
	}
}

func TestMicrosFlag(t *testing.T) {
	good := map[string]time.Duration{
		"0": 0, "1000000": time.Second, "5us": 5 * time.Microsecond, "7ms": 7 * time.Millisecond, "2s": 2 * time.Second,
		"3m": 3 * time.Minute, "1h": time.Hour,
	}
	for text, want := range good {
		var m microsFlag
		if err := m.Set(text); err != nil || time.Duration(m) != want {
			t.Errorf("Set(%q) = %v, %v, want %v", text, time.Duration(m), err, want)
		}
	}
	for _, text := range []string{"", "s", "-1", "1.5s", "1d", "1 s", fmt.Sprint(math.MaxInt64)} {
		var m microsFlag
		if err := m.Set(text); err == nil {
			t.Errorf("Set(%q) = %v, want an error", text, time.Duration(m))
		}
	}
}

func TestSplitNames(t *testing.T) {
	tests := map[string][]string{
		"a": {"a"}, "a,b": {"a", "b"}, `a\,b,c`: {"a,b", "c"}, `a\*,b\`: {`a\*`, `b\`}, "": {""}, ",": {"", ""},
	}
	for text, want := range tests {
		if got := splitNames(text); !slices.Equal(got, want) {
			t.Errorf("splitNames(%q) = %q, want %q", text, got, want)
		}
	}
}

// What a file of another program holds must not crash the one that reads it.
func FuzzParseLTTngSessions(f *testing.F) {
	f.Add([]byte("<sessions><session><name>a</name><output><consumer_output><destination><path>/a</path></destination></consumer_output></output>" +
		"<domains><domain><type>KERNEL</type><channels><channel><name>c</name><events><event/></events></channel></channels></domain></domains></session></sessions>"))
	f.Fuzz(func(t *testing.T, text []byte) {
		all, err := parseLTTngSessions(text)
		if err != nil {
			return
		}
		for _, s := range all {
			if _, err := agent.ParseURIs(s.Session.Consumer.URIs); err != nil {
				t.Errorf("URIs %q: %v", s.Session.Consumer.URIs, err)
			}
		}
	})
}
