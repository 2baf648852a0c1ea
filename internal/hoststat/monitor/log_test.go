// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package monitor_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/weir-io/weir/internal/hoststat/monitor"
	"github.com/weir-io/weir/internal/hoststat/page"
	"github.com/weir-io/weir/internal/hoststat/poll"
	"github.com/weir-io/weir/internal/hoststat/polltest"
	"github.com/weir-io/weir/internal/hoststat/table"
	"github.com/weir-io/weir/internal/wait"
	"github.com/weir-io/weir/xmlsysd"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// log opens a monitor and returns what it writes.
func log(t *testing.T, o monitor.Options, l monitor.LogOptions) string {
	t.Helper()
	o.Logger = slog.New(slog.DiscardHandler)
	o.Delay = poll.MinDelay
	m, err := monitor.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := m.Run(ctx, nil); err != nil {
			t.Error(err)
		}
	})
	defer running.Wait()
	defer cancel()
	var out bytes.Buffer
	l.Out = &out
	if err := m.Log(ctx, l); err != nil {
		t.Error(err)
	}
	return out.String()
}

// run runs a monitor until the test ends.
func run(t *testing.T, m *monitor.Monitor, reload <-chan os.Signal) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := m.Run(ctx, reload); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
}

func view(t *testing.T, name string) *table.View {
	t.Helper()
	v, ok := table.ViewByName(name)
	if !ok {
		t.Fatalf("no view %s", name)
	}
	return v
}

func TestFormats(t *testing.T) {
	machine := polltest.Default("n1")
	d := &polltest.Daemon{Answer: polltest.Steady(machine)}
	address := d.Start(t)
	hosts := []string{address + ",127.0.0.1:1"}
	t.Run("text", func(t *testing.T) {
		out := log(t, monitor.Options{Hosts: hosts}, monitor.LogOptions{View: view(t, "load"), Format: page.Plain, Count: 2})
		pages := strings.Split(strings.TrimSuffix(out, "\n\n"), "\n\n")
		if len(pages) != 2 {
			t.Fatalf("%d pages in\n%s", len(pages), out)
		}
		lines := strings.Split(pages[1], "\n")
		if !strings.HasPrefix(lines[0], "# view=load time=") || !strings.HasSuffix(lines[0], "hosts=2 up=1") || !strings.HasPrefix(lines[1], "#HOST") {
			t.Errorf("begin of a page:\n%s", pages[1])
		}
		if got := strings.Fields(lines[2]); len(got) != 9 || got[0] != address || got[1] != "0.50" || got[4] != "1/120" || got[8] < "35" || got[8] > "45" {
			t.Errorf("row %q", got)
		}
		if got := strings.Fields(lines[3]); len(got) != 9 || got[1] != "-" || lines[4] != "# down: 127.0.0.1:1: connection refused" {
			t.Errorf("host that is down: %q\n%s", got, lines[4])
		}
	})
	t.Run("jsonl", func(t *testing.T) {
		out := log(t, monitor.Options{Hosts: hosts}, monitor.LogOptions{View: view(t, "load"), Format: page.JSONLines, Count: 1})
		var rows []map[string]any
		for line := range strings.Lines(out) {
			var row map[string]any
			if err := json.Unmarshal([]byte(line), &row); err != nil {
				t.Fatalf("%v in %s", err, line)
			}
			rows = append(rows, row)
		}
		if len(rows) != 2 || rows[0]["load1"] != 0.5 || rows[0]["users"] != 3.0 || rows[0]["state"] != "up" || rows[0]["section_time"] == nil || rows[1]["reason"] != "connection refused" {
			t.Errorf("%+v", rows)
		}
	})
	t.Run("csv", func(t *testing.T) {
		out := log(t, monitor.Options{Hosts: hosts}, monitor.LogOptions{View: view(t, "load"), Format: page.CSV, Count: 2})
		lines := strings.Split(out, "\r\n")
		if len(lines) != 6 || !strings.HasPrefix(lines[0], "time,state,host,load1,load5,load15,running,users,ncpu,") || strings.Count(out, "time,") != 1 {
			t.Errorf("%d lines:\n%s", len(lines), out)
		}
	})
	t.Run("xml", func(t *testing.T) {
		out := log(t, monitor.Options{Hosts: hosts, Keep: true}, monitor.LogOptions{Format: page.XML, Count: 1})
		body, err := xmlsysd.NewReader(strings.NewReader(out), 0).Next()
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			ID   string `xml:"id,attr"`
			Name string `xml:"xmlsysd>system>identity>hostname"`
		}
		if err := xml.Unmarshal(body, &got); err != nil || got.ID != address || got.Name != "n1" {
			t.Errorf("%+v, %v", got, err)
		}
	})
	t.Run("prom", func(t *testing.T) {
		out := log(t, monitor.Options{Hosts: hosts}, monitor.LogOptions{Format: page.Prometheus, Count: 1, First: true})
		for _, want := range []string{"# TYPE weir_stat_load1 gauge\nweir_stat_load1{host=\"" + address + "\"} 0.5\n", `weir_stat_up{host="127.0.0.1:1"} 0`} {
			if !strings.Contains(out, want) {
				t.Errorf("no %q in\n%s", want, out)
			}
		}
	})
	t.Run("first", func(t *testing.T) {
		out := log(t, monitor.Options{Hosts: hosts[:1]}, monitor.LogOptions{View: view(t, "vm"), Format: page.Plain, Count: 1, First: true})
		if d := strings.Count(out, " - "); d < 5 {
			t.Errorf("%d fields without a rate in\n%s", d, out)
		}
	})
}

// What hosts say cannot break lines or reach the terminal as commands.
func TestHostileTexts(t *testing.T) {
	machine := polltest.Default("n1")
	machine.Tasks = []string{"a\x1b[2Jb", "c\nd", "e\tf\u202eg"}
	d := &polltest.Daemon{Answer: polltest.Steady(machine)}
	hosts := []string{d.Start(t)}
	v := view(t, "commands")
	for _, format := range []page.Format{page.Plain, page.TSV, page.CSV, page.JSONLines} {
		out := log(t, monitor.Options{Hosts: hosts, Want: v.Want}, monitor.LogOptions{View: v, Format: format, Count: 1})
		if strings.ContainsAny(out, "\x1b\u202e") || !strings.Contains(out, "a·[2Jb") || !strings.Contains(out, "c·d") {
			t.Errorf("%s:\n%q", format, out)
		}
	}
}

// A file that changes is read anew; a bad one is not.
func TestFileChanges(t *testing.T) {
	d := &polltest.Daemon{Answer: polltest.Steady(polltest.Default("n1"))}
	_, port, _ := strings.Cut(d.Start(t), ":")
	path := filepath.Join(t.TempDir(), "wulfhosts")
	put := func(hosts string) {
		if err := os.WriteFile(path, []byte("<wulfstat>"+hosts+"</wulfstat>"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put("<host><name>a</name><ip>127.0.0.1</ip><port>" + port + "</port></host>")
	m, err := monitor.Open(monitor.Options{File: path, Delay: poll.MinDelay, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	reload := make(chan os.Signal)
	run(t, m, reload)
	names := func() (text string) {
		m.Cluster.View(func(hosts []*poll.Host) {
			for _, h := range hosts {
				text += h.Name
			}
		})
		return text
	}
	put("<host><name>b</name>")
	reload <- os.Interrupt
	put("<host><name>b</name><ip>127.0.0.1</ip><port>" + port + "</port></host>")
	reload <- os.Interrupt
	wait.Until(t, "the new host is there", func() bool { return names() == "b" })
	put("<host><name>long</name><ip>127.0.0.1</ip><port>" + port + "</port></host>")
	wait.Until(t, "the file is looked at", func() bool { return names() == "long" })
}

// Alarms and masks of the file change with it, also where the hosts are named and not
// the file's.
func TestFileChangesAlarms(t *testing.T) {
	d := &polltest.Daemon{Answer: polltest.Steady(polltest.Default("n1"))}
	address := d.Start(t)
	path := filepath.Join(t.TempDir(), "wulfhosts")
	put := func(text string) {
		if err := os.WriteFile(path, []byte("<wulfstat><host><name>a</name></host>"+text+"</wulfstat>"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put("")
	m, err := monitor.Open(monitor.Options{Hosts: []string{address}, File: path, Delay: poll.MinDelay, Want: poll.WantTasks, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	reload := make(chan os.Signal)
	run(t, m, reload)
	firing := func() (text string) {
		m.Cluster.View(func(hosts []*poll.Host) {
			for _, h := range hosts {
				for i, a := range h.Alarms() {
					text += h.Name + " " + h.Rules()[i].ID + " " + a.State.String()
				}
			}
		})
		return text
	}
	put(`<task>db*</task><alarm id="busy"><when>load1 &gt; 0.1</when></alarm>`)
	reload <- os.Interrupt
	wait.Until(t, "the new alarm fires", func() bool { return firing() == address+" busy firing" })
	wait.Until(t, "other processes are asked for", func() bool { return strings.Contains(d.Lines(0), "task name=db*\n") })
	put("")
	wait.Until(t, "it is gone", func() bool { return firing() == "" })
	if d.Sessions() != 1 {
		t.Errorf("%d sessions", d.Sessions())
	}
}

func TestAlarmCommand(t *testing.T) {
	machine := polltest.Default("n1")
	machine.Load = 7
	d := &polltest.Daemon{Answer: polltest.Steady(machine)}
	dir := t.TempDir()
	_, port, _ := strings.Cut(d.Start(t), ":")
	path := filepath.Join(dir, "wulfhosts")
	text := `<wulfstat><host><name>a</name><ip>127.0.0.1</ip><port>` + port + `</port></host><alarm id="busy"><when>load1 &gt; 5</when><level>crit</level></alarm></wulfstat>`
	script := filepath.Join(dir, "told")
	for name, content := range map[string]string{path: text, script: "#!/bin/sh\necho \"$WEIR_ALARM $WEIR_HOST $WEIR_STATE $WEIR_LEVEL $WEIR_VALUE\" >" + script + ".out\n"} {
		if err := os.WriteFile(name, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	m, err := monitor.Open(monitor.Options{File: path, Delay: poll.MinDelay, Logger: slog.New(slog.DiscardHandler), Command: []string{script}})
	if err != nil {
		t.Fatal(err)
	}
	run(t, m, nil)
	wait.Until(t, "the command has run", func() bool {
		got, _ := os.ReadFile(script + ".out")
		return string(got) == "busy a firing crit 7\n"
	})
}
