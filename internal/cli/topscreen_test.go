// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-io/weir/internal/hoststat/polltest"
	"github.com/weir-io/weir/internal/wait"
)

// steady is a host that tells the same from its third answer on.
func steady(m *polltest.Machine) *polltest.Daemon {
	return &polltest.Daemon{Answer: func(_, n int) []byte {
		return polltest.Frame(m.Message(time.Unix(1700100000+int64(min(n, 2)), 0)))
	}}
}

// screenMasks hide what differs from run to run.
var screenMasks = []struct {
	re   *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`(?m)\d\d:\d\d:\d\d$`), "TT:TT:TT"},        // the time of day in the first line
	{regexp.MustCompile(`127\.0\.0\.1:\d\d+`), "127.0.0.1:PORT"},   // of daemons
	{regexp.MustCompile(`-\d{7,}(\.\d+)?`), "OFFSET"},              // of clocks
	{regexp.MustCompile(`(?m) +([█▁]+|@+|\.\.\.+)$`), " SPARK"},    // as long as there were polls
	{regexp.MustCompile(`\d\d-\d\d \d\d:\d\d:\d\d`), "MM-DD TIME"}, // of boots, by the zone here
}

func masked(screen string) string {
	for _, m := range screenMasks {
		screen = m.re.ReplaceAllString(screen, m.with)
	}
	return screen
}

// screen returns what is on a terminal of a size now.
func (term *terminal) screen(t *testing.T, width, height int) string {
	t.Helper()
	if term.shown == nil {
		term.shown = newVterm(width, height)
	}
	v := term.shown
	term.mu.Lock()
	news := term.out.String()[term.fed:]
	term.mu.Unlock()
	term.fed += len(news)
	_, _ = v.Write([]byte(news))
	if len(v.unknown) > 0 {
		t.Fatalf("the terminal is told what it does not know: %q", v.unknown)
	}
	return masked(v.String())
}

// The real program under a pseudo-terminal, key by key: the screens are those of the
// golden files, whatever the size.
func TestTopScreens(t *testing.T) {
	a, b := polltest.Default("alpha"), polltest.Default("beta")
	b.Load, b.User, b.Sys, b.Wait, b.MemUsed, b.CPUs = 6.5, 80, 12, 0, 6<<30, 4
	b.Tasks = []string{"init", "\x1b]0;owned\x07\x1b[2J", "日本語"}
	file := filepath.Join(t.TempDir(), "wulfhosts")
	host := func(name, group, address string) string {
		ip, port, _ := strings.Cut(address, ":")
		return "<host><label>" + name + "</label><ip>" + ip + "</ip><port>" + port + "</port><group>" + group + "</group></host>"
	}
	text := "<wulfstat>" + host("alpha", "rack1", steady(a).Start(t)) + host("beta", "rack2", steady(b).Start(t)) + host("dead", "rack1", "127.0.0.1:1") +
		"<alarm id='busy'><when>load1 &gt; ncpu</when><level>crit</level><note>more work than CPUs</note></alarm></wulfstat>"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name          string
		width, height int
		args          []string
		keys          []string // a screen after each
	}{
		{"standard", 80, 24, nil, []string{"", "m", "n", "j", "d", "p", "g", "/^a\r", "/\x15\r", "e", "s"}},
		{"wide", 300, 12, []string{"-t", "vm"}, []string{""}},
		{"least", 20, 5, nil, []string{"", "m"}},
		{"ascii", 80, 24, []string{"--ascii", "--no-color"}, []string{"", "h"}},
		{"detail", 100, 50, nil, []string{"\r"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := append([]string{"top", "-f", file, "-d", "0.5"}, tt.args...)
			term := inTerminalOf(t, tt.width, tt.height, "weir", args...)
			for i, keys := range tt.keys {
				if _, err := term.master.WriteString(keys); err != nil {
					t.Fatal(err)
				}
				path := filepath.Join("testdata", "screens", tt.name+"-"+string(rune('a'+i))+".txt")
				term.compare(t, tt.width, tt.height, path)
			}
			if _, err := term.master.WriteString("\x1bq"); err != nil {
				t.Fatal(err)
			}
			if err := term.cmd.Wait(); err != nil {
				t.Error(err)
			}
			term.restored(t)
		})
	}
}

// compare waits for the screen of a golden file. With -update it writes the file anew
// if that screen does not come.
func (term *terminal) compare(t *testing.T, width, height int, path string) {
	t.Helper()
	if *update {
		term.rewrite(t, width, height, path)
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(wait.Patience / 2)
	wait.Until(t, "the screen", func() bool {
		got := term.screen(t, width, height)
		if got != string(want) && time.Now().After(deadline) {
			t.Fatalf("%s (-want +got):\n%s", path, cmp.Diff(string(want), got))
		}
		return got == string(want)
	})
}

// rewrite writes the screen that has stayed the same for a while or, where none does,
// the one that was there for the longest time. A screen that is what the file has
// already is not waited for.
func (term *terminal) rewrite(t *testing.T, width, height int, path string) {
	t.Helper()
	const rest, restless = 2 * time.Second, 8 * time.Second
	golden, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	begin := time.Now()
	last, since, looked, longest := "", begin, begin, ""
	shown := map[string]time.Duration{} // in all
	wait.Until(t, "there is a screen", func() bool {
		now, at := term.screen(t, width, height), time.Now()
		if shown[last] += at.Sub(looked); shown[last] > shown[longest] || longest == "" {
			longest = last
		}
		if now != last {
			last, since = now, at
		}
		looked = at
		return now == string(golden) || at.Sub(since) > rest || at.Sub(begin) > restless
	})
	switch {
	case last == string(golden):
		return
	case looked.Sub(since) <= rest:
		t.Logf("%s: no screen has rested", path)
		last = longest
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(last), 0o644); err != nil {
		t.Fatal(err)
	}
}
