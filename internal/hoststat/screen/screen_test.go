// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package screen

import (
	"bytes"
	"context"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gdamore/tcell/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/rivo/uniseg"
	"go.uber.org/goleak"

	"github.com/weir-io/weir/internal/hoststat/alarm"
	"github.com/weir-io/weir/internal/hoststat/poll"
	"github.com/weir-io/weir/internal/hoststat/polltest"
	"github.com/weir-io/weir/internal/hoststat/table"
	"github.com/weir-io/weir/internal/wait"
)

var update = flag.Bool("update", false, "write the golden screens")

func TestMain(m *testing.M) {
	if polltest.ServeFleet() {
		return
	}
	time.Local = time.UTC // boots are shown in it
	goleak.VerifyTestMain(m)
}

// machines are those on the golden screens.
func machines() (a, b *polltest.Machine) {
	a = polltest.Default("alpha")
	b = polltest.Default("beta")
	b.Load, b.User, b.Sys, b.MemUsed, b.IP, b.CPUs = 6.5, 80, 12, 6<<30, "192.0.2.2", 4
	b.Wait = 0
	b.Tasks = []string{"init", "\x1b]0;owned\x07\x1b[2J", "wide\u202eeman", "日本語"}
	return a, b
}

// cluster watches four hosts, of which each that answers has answered three times
// at intervals of a second by its own clock.
func cluster(t testing.TB) *poll.Cluster {
	t.Helper()
	when, err := alarm.Compile("load1 > ncpu", poll.MetricByName)
	if err != nil {
		t.Fatal(err)
	}
	c, err := poll.New(poll.Config{Delay: poll.MaxDelay, Rules: []alarm.Rule{{ID: "busy", When: when, Level: "crit", Note: "more work than CPUs"}}})
	if err != nil {
		t.Fatal(err)
	}
	still := func(m *polltest.Machine) string {
		d := &polltest.Daemon{Answer: func(_, n int) []byte {
			return polltest.Frame(m.Message(time.Unix(1700100000+int64(min(n, 2)), 0)))
		}}
		return d.Start(t)
	}
	a, b := machines()
	liar := &polltest.Daemon{Answer: func(int, int) []byte { return []byte("HTTP/1.1 400 \x1b[31mno\n") }}
	c.SetTargets([]poll.Target{
		{Name: "alpha", Address: still(a), Group: "rack1"},
		{Name: "beta", Address: still(b), Group: "rack2"},
		{Name: "dead", Address: "127.0.0.1:1", Group: "rack1"},
		{Name: "liar", Address: liar.Start(t), Group: "rack2"},
	})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := c.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	c.SetWant(poll.WantTasks)
	for n := uint64(1); n <= 3; n++ {
		wait.Until(t, "all have answered", func() bool { return told(c, n) })
		if n < 3 {
			c.PollNow()
		}
	}
	return c
}

// told reports whether hosts have answered n times, or cannot.
func told(c *poll.Cluster, n uint64) bool {
	all := true
	c.View(func(hosts []*poll.Host) {
		all = len(hosts) == 4
		for _, h := range hosts {
			all = all && (h.Messages() == n || h.State() > poll.Stale)
		}
	})
	return all
}

// start returns a monitor of a size, drawn.
func start(t testing.TB, c *poll.Cluster, width, height int, o Options) (*app, tcell.SimulationScreen) {
	t.Helper()
	s := tcell.NewSimulationScreen("UTF-8")
	if err := s.Init(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Fini)
	s.SetSize(width, height)
	if o.View == nil {
		o.View, _ = table.ViewByName("load")
	}
	a := newApp(s, c, o)
	a.draw()
	return a, s
}

// contents returns the screen as text.
func contents(s tcell.SimulationScreen) string {
	cells, width, height := s.GetContents()
	var b strings.Builder
	for y := range height {
		var line strings.Builder
		for x := 0; x < width; x++ {
			text := string(cells[y*width+x].Runes)
			line.WriteString(text)
			if uniseg.StringWidth(text) == 2 {
				x++ // its other half
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return b.String()
}

// press presses keys: characters, and names in braces.
func press(a *app, keys string) {
	named := map[string]tcell.Key{
		"Enter": tcell.KeyEnter, "Esc": tcell.KeyEscape, "Down": tcell.KeyDown, "Up": tcell.KeyUp, "End": tcell.KeyEnd,
		"Right": tcell.KeyRight, "Tab": tcell.KeyTab, "Back": tcell.KeyBackspace2,
	}
	for len(keys) > 0 {
		if name, rest, ok := strings.Cut(keys[1:], "}"); ok && keys[0] == '{' {
			a.event(tcell.NewEventKey(named[name], 0, tcell.ModNone))
			keys = rest
			continue
		}
		a.event(tcell.NewEventKey(tcell.KeyRune, rune(keys[0]), tcell.ModNone))
		keys = keys[1:]
	}
	a.draw()
}

// masks hide what differs from run to run.
var masks = []struct {
	re   *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`\d\d:\d\d:\d\d\n`), "TT:TT:TT\n"},       // the time of day in the first line
	{regexp.MustCompile(`127\.0\.0\.1:\d\d+`), "127.0.0.1:PORT"}, // of daemons
	{regexp.MustCompile(`-\d{7,}(\.\d+)?`), "OFFSET"},            // of clocks
	{regexp.MustCompile(` +([█▁]+|@+|\.\.\.+)\n`), " SPARK\n"},   // as long as there were polls
	{regexp.MustCompile(`\d\d-\d\d \d\d:\d\d:\d\d`), "MM-DD TT:TT:TT"},
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	for _, m := range masks {
		got = m.re.ReplaceAllString(got, m.with)
	}
	path := filepath.Join("testdata", "screens", name+".txt")
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func TestScreens(t *testing.T) {
	c := cluster(t)
	for _, tt := range []struct {
		name          string
		width, height int
		keys          string
		o             Options
	}{
		{"load", 80, 24, "", Options{}},
		{"vm", 110, 24, "v", Options{}},
		{"memory", 100, 24, "m", Options{}},
		{"net", 80, 24, "n", Options{}},
		{"net-expanded", 80, 24, "ni", Options{}},
		{"system", 120, 24, "c", Options{}},
		{"jobs", 80, 24, "j", Options{}},
		{"commands", 110, 24, "J", Options{}},
		{"disks", 80, 24, "d", Options{}},
		{"filesystems", 100, 24, "f", Options{}},
		{"pressure", 80, 24, "p", Options{}},
		{"sensors", 80, 24, "t", Options{}},
		{"users", 80, 24, "u", Options{}},
		{"alarms", 110, 24, "a", Options{}},
		{"help", 80, 48, "h", Options{}},
		{"chart", 80, 24, "lsH", Options{}},
		{"sorted", 80, 24, "ss", Options{}},
		{"sorted-reverse", 80, 24, "ssr", Options{}},
		{"typed-column", 80, 24, "Sbusy%{Enter}", Options{}},
		{"filter", 80, 24, "/^b{Enter}", Options{}},
		{"filter-typing", 80, 24, "/bx{Back}e", Options{}},
		{"filter-bad", 80, 24, "/[{Enter}", Options{}},
		{"group", 80, 24, "g", Options{}},
		{"trouble", 80, 24, "e", Options{}},
		{"absolute", 110, 24, "vA", Options{}},
		{"scrolled", 60, 24, "v{Right}{Right}{Right}", Options{}},
		{"ascii", 80, 24, "", Options{ASCII: true}},
		{"small", 40, 8, "", Options{}},
		{"least", 20, 5, "", Options{}},
		{"too-small", 12, 3, "", Options{}},
		{"wide", 300, 12, "v", Options{}},
		// The last ones: a host whose details are shown is asked at once.
		{"detail", 100, 50, "{Enter}", Options{}},
		{"ascii-detail", 80, 44, "{Enter}", Options{ASCII: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, s := start(t, c, tt.width, tt.height, tt.o)
			press(a, tt.keys)
			golden(t, tt.name, contents(s))
		})
	}
}

func TestSpark(t *testing.T) {
	nan := float32(math.NaN())
	for _, tt := range []struct {
		values []float32
		width  int
		ascii  bool
		want   string
	}{
		{[]float32{0, 1, 2, 3, 4, 5, 6, 7}, 8, false, "▁▂▃▄▅▆▇█"},
		{[]float32{0, 1, 2, 3, 4, 5, 6, 7}, 3, false, "▆▇█"},
		{[]float32{0, 7, nan, 7}, 6, false, "  ▁█ █"},
		{[]float32{0, 0}, 2, false, "▁▁"},
		{[]float32{-5, 7}, 2, true, ".@"},
		{nil, 2, true, "  "},
	} {
		if got := spark(tt.values, tt.width, tt.ascii); got != tt.want {
			t.Errorf("%v: %q, want %q", tt.values, got, tt.want)
		}
	}
}

// No cell ever holds what a terminal would take for a command, in no view.
func TestNothingHostileReachesTheTerminal(t *testing.T) {
	c := cluster(t)
	for _, ascii := range []bool{false, true} {
		a, s := start(t, c, 120, 40, Options{ASCII: ascii})
		for _, v := range table.Views() {
			for _, keys := range []string{string(v.Key), "{Enter}", "{Esc}"} {
				press(a, keys)
				cells, _, _ := s.GetContents()
				for _, cell := range cells {
					for _, r := range cell.Runes {
						if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0x202e || ascii && r > '~' {
							t.Fatalf("view %s: %q", v.Name, r)
						}
					}
				}
			}
		}
	}
}

func TestColours(t *testing.T) {
	c := cluster(t)
	coloured := func(o Options) bool {
		_, s := start(t, c, 80, 24, o)
		cells, _, _ := s.GetContents()
		for _, cell := range cells {
			if fg, bg, _ := cell.Style.Decompose(); fg != tcell.ColorDefault || bg != tcell.ColorDefault {
				return true
			}
		}
		return false
	}
	if !coloured(Options{}) || coloured(Options{Plain: true}) {
		t.Error("colours where there should be none, or none")
	}
}

// Whatever the size of the terminal, nothing panics.
func TestEverySize(t *testing.T) {
	c := cluster(t)
	a, s := start(t, c, 80, 24, Options{})
	for width := 1; width <= 90; width += 3 {
		for _, height := range []int{1, 2, 4, 5, 9, 10, 30} {
			s.SetSize(width, height)
			for _, v := range table.Views() {
				press(a, string(v.Key)+"{Down}")
				press(a, "{Enter}{Down}{Esc}H{Esc}h{End}{Esc}")
			}
		}
	}
}

type buffer struct{ bytes.Buffer }

func (*buffer) Close() error { return nil }

func TestKeys(t *testing.T) {
	c := cluster(t)
	var saved buffer
	var name string
	a, s := start(t, c, 80, 24, Options{Save: func(n string) (io.WriteCloser, error) { name = n; return &saved, nil }})
	press(a, "w")
	if !regexp.MustCompile(`^wulfstat-\d{8}-\d{6}\.txt$`).MatchString(name) || !strings.Contains(saved.String(), "# view=load") {
		t.Errorf("saved %q:\n%s", name, saved.String())
	}
	press(a, "{Tab}")
	if a.view.Name != "memory" {
		t.Errorf("next view %s", a.view.Name)
	}
	press(a, "P")
	before := a.table.Time
	if a.tick(); !strings.Contains(contents(s), "PAUSED") || a.table.Time != before {
		t.Error("not paused")
	}
	press(a, "P{Down}{Down}")
	if a.row != 2 {
		t.Errorf("row %d", a.row)
	}
	press(a, "{End}{Down}")
	if a.row != 3 {
		t.Errorf("row %d at the end", a.row)
	}
	if !a.event(tcell.NewEventKey(tcell.KeyRune, 'q', tcell.ModNone)) || !a.event(tcell.NewEventKey(tcell.KeyCtrlC, 0, tcell.ModCtrl)) {
		t.Error("q is not the end")
	}
	vi, _ := start(t, c, 80, 24, Options{ViKeys: true})
	press(vi, "jjk")
	if vi.row != 1 || vi.view.Name != "load" {
		t.Errorf("vi keys: row %d of %s", vi.row, vi.view.Name)
	}
	for keys, want := range map[string]string{"M": "memory", "V": "vm", "o": "jobs", "J": "commands", "d": "disks"} {
		if press(vi, keys); vi.view.Name != want {
			t.Errorf("vi key %s: %s, want %s", keys, vi.view.Name, want)
		}
	}
	if press(a, "V"); a.view.Name == "vm" {
		t.Error("V is a view's without vi keys")
	}
}

// A host is asked for all that it has only while that is shown, however it is left.
func TestDetailIsLeft(t *testing.T) {
	d := &polltest.Daemon{Answer: polltest.Steady(polltest.Default("n1"))}
	c, err := poll.New(poll.Config{Delay: poll.MaxDelay})
	if err != nil {
		t.Fatal(err)
	}
	c.SetTargets([]poll.Target{{Name: "n1", Address: d.Start(t)}})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := c.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	defer running.Wait()
	defer cancel()
	a, _ := start(t, c, 80, 24, Options{})
	// ends tells how the lines end that the daemon was asked with last.
	ends := func(part string) func() bool {
		return func() bool {
			c.PollNow()
			lines := d.Lines(0)
			return strings.Contains(lines[max(0, strings.LastIndex(lines, "init\n")):], part)
		}
	}
	for _, way := range []string{"l", "{Tab}", "h", "H", "/", "S", "{Esc}"} {
		a.setView(a.view)
		a.refill()
		wait.Until(t, "the host is there", func() bool { a.refill(); a.draw(); return a.current() != nil })
		press(a, "{Enter}")
		if a.mode != showDetail {
			t.Fatalf("no detail before %s", way)
		}
		wait.Until(t, "all is asked for", ends("on sockstat swaps"))
		press(a, way)
		wait.Until(t, "it is no more, by "+way, func() bool { return !ends("on sockstat swaps")() })
		press(a, "{Esc}")
	}
}

// The screen that the guide shows is one of the golden ones, but for the period and
// the time of day, and with one blank line for many.
func TestDocumentedScreen(t *testing.T) {
	guide, err := os.ReadFile("../../../docs/guide/watch-hosts.md")
	if err != nil {
		t.Fatal(err)
	}
	golden, err := os.ReadFile(filepath.Join("testdata", "screens", "sorted.txt"))
	if err != nil {
		t.Fatal(err)
	}
	_, block, found := strings.Cut(string(guide), "```\nweir top - ")
	block, _, ended := strings.Cut(block, "```\n")
	if !found || !ended {
		t.Fatal("the guide shows no screen")
	}
	plain := func(s string) string {
		s = regexp.MustCompile(`every \S+ +\S+\n`).ReplaceAllString(s, "every PERIOD\n")
		return regexp.MustCompile(`\n\n+`).ReplaceAllString(s, "\n\n")
	}
	if diff := cmp.Diff(plain(string(golden)), plain("weir top - "+block)); diff != "" {
		t.Errorf("docs/guide/watch-hosts.md (-golden +guide):\n%s", diff)
	}
}

// A name may be a thousand marks on one letter: few of them reach the terminal.
func TestMarksAreBounded(t *testing.T) {
	s := tcell.NewSimulationScreen("UTF-8")
	if err := s.Init(); err != nil {
		t.Fatal(err)
	}
	defer s.Fini()
	s.SetSize(20, 5)
	c := canvas{screen: s, width: 20, height: 5}
	if w := c.put(0, 0, 20, tcell.StyleDefault, "a"+strings.Repeat("\u0301", 1000)+"b"); w != 2 {
		t.Errorf("%d columns, want 2", w)
	}
	s.Show()
	cells, _, _ := s.GetContents()
	if n := len(cells[0].Runes); n != 1+mostMarks || cells[0].Runes[0] != 'a' || cells[1].Runes[0] != 'b' {
		t.Errorf("%d runes in a cell, then %q", n, cells[1].Runes)
	}
}
