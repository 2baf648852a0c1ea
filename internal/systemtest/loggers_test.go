// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/peer"
)

// Files of the peers, with their packages. The interpreter is that of the packages,
// whatever else there is.
const (
	python      = "/usr/bin/python3"
	pythonAgent = "/usr/lib/python3/dist-packages/lttngust/agent.py"
	javaDir     = "/usr/share/java/"
	jniDir      = "/usr/lib/x86_64-linux-gnu/jni"
)

// numbersOfMessages are what of messages differs from one run of a program to the next.
var numbersOfMessages = regexp.MustCompile(`asctime = "[^"]*"|(thread|long_millis|log4j_timestamp|timestamp) = [0-9]+`)

// needFile ends the test without a file of a package.
func needFile(t *testing.T, path, pkg string) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		peer.Lack(t, "%s (package %s)", path, pkg)
	}
}

// source writes a program of the tests to where it can be run.
func (m *machine) source(name string) string {
	m.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "loggers", name))
	if err != nil {
		m.Fatal(err)
	}
	path := filepath.Join(m.dir, name)
	if err := os.WriteFile(path, text, 0o644); err != nil {
		m.Fatal(err)
	}
	return path
}

// logging is a running program that logs.
type logging struct {
	*process
	done int
}

// startPython starts the Python program, and returns once it is ready.
func (m *machine) startPython() *logging {
	m.Helper()
	needFile(m.T, python, "python3")
	needFile(m.T, pythonAgent, "python3-lttngust")
	return m.startLogging(append(slices.Clip(onFirstCPU), python, m.source("loggers.py"))...)
}

// startJava starts the Java program.
func (m *machine) startJava() *logging {
	m.Helper()
	java := peer.Need(m.T, "java")
	var jars []string
	for _, j := range []string{"lttng-ust-agent-common.jar", "lttng-ust-agent-jul.jar", "lttng-ust-agent-log4j.jar"} {
		needFile(m.T, javaDir+j, "liblttng-ust-agent-java")
		jars = append(jars, javaDir+j)
	}
	needFile(m.T, javaDir+"log4j-1.2.jar", "liblog4j1.2-java")
	jars = append(jars, javaDir+"log4j-1.2.jar")
	return m.startLogging(append(slices.Clip(onFirstCPU), java, "-Dfile.encoding=UTF-8", "-Djava.library.path="+jniDir,
		"-cp", strings.Join(jars, ":"), m.source("Loggers.java"))...)
}

func (m *machine) startLogging(args ...string) *logging {
	m.Helper()
	l := &logging{process: m.start(args...)}
	l.awaitLines("start of "+l.name, func(lines []string) bool { return slices.Contains(lines, "ready") })
	return l
}

// log has it log so many rounds.
func (l *logging) log(rounds int) {
	l.m.Helper()
	if _, err := l.stdin.Write([]byte(strconv.Itoa(rounds) + "\n")); err != nil {
		l.m.Fatal(err)
	}
	l.done++
	l.awaitLines("messages", func(lines []string) bool {
		return len(slices.DeleteFunc(slices.Clone(lines), func(s string) bool { return s != "done" })) == l.done
	})
}

// finish ends it.
func (l *logging) finish() {
	l.m.Helper()
	l.stdin.Close()
	if code := l.wait(); code != 0 {
		l.m.Errorf("%s: exit code %d\n%s", l.name, code, l.errors())
	}
}

// messages are the lines of events of a trace, without what differs from run to run.
func (m *machine) messages(dir string) (lines []string) {
	m.Helper()
	for _, line := range m.userEvents(dir) {
		lines = append(lines, numbersOfMessages.ReplaceAllString(line, "$1"))
	}
	return lines
}

// asSessiond records a program by LTTng's session daemon and by weir's, with the same
// commands: the text is the same.
func (m *machine) asSessiond(least int, commands [][]string, run func(do func(args ...string))) []string {
	m.Helper()
	record := func(dir string, do func(args ...string)) []string {
		do("create", "s", "-o", dir)
		for _, c := range commands {
			do(c...)
		}
		do("start")
		run(do)
		do("destroy")
		return m.messages(dir)
	}
	m.startSessiond()
	want := record(filepath.Join(m.dir, "theirs"), func(args ...string) { m.lttng(args...) })
	m.killLTTng()
	a := m.startAgent("--take-ust-socket")
	got := record(filepath.Join(m.dir, "ours"), func(args ...string) { a.do(args...) })
	a.end()
	if len(want) < least {
		m.Errorf("%d events of LTTng's, want %d at least", len(want), least)
	}
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			m.Fatalf("event %d of %d:\n%s\nof LTTng's %d:\n%s", i, len(got), got[i], len(want), want[i])
		}
	}
	if len(got) != len(want) {
		m.Errorf("%d events, want %d", len(got), len(want))
	}
	return got
}

// TestPythonAsSessiond compares what both daemons record of a Python program: that was
// there before rules were enabled and disabled, and one that comes later.
func TestPythonAsSessiond(t *testing.T) {
	isolated(t, func(m *machine) {
		commands := [][]string{
			{"enable-event", "--python", "app.one", "--loglevel", "WARNING"},
			{"enable-event", "--python", "app.t*", "-f", `lineno > 3 && msg != "*3"`},
			{"enable-event", "--python", "app.none"},
		}
		got := m.asSessiond(86, commands, func(do func(args ...string)) {
			p := m.startPython()
			p.log(10)
			do("disable-event", "--python", "app.one")
			p.log(10)
			do("enable-event", "--python", "-a", "--loglevel-only", "CRITICAL")
			p.log(10)
			do("stop")
			p.log(10)
			do("start")
			q := m.startPython()
			q.log(10)
			p.finish()
			q.finish()
		})
		for text, n := range map[string]int{`msg = "warning `: 10, `msg = "größer `: 10, `msg = "between `: 10, `msg = "two `: 36, `msg = "root `: 20, "debug": 0} {
			count := 0
			for _, line := range got {
				if strings.Contains(line, text) {
					count++
				}
			}
			if count != n {
				m.Errorf("%d events with %s, want %d", count, text, n)
			}
		}
	})
}

// TestJavaAsSessiond compares what both daemons record of a Java program, whose loggers
// are of two libraries.
func TestJavaAsSessiond(t *testing.T) {
	isolated(t, func(m *machine) {
		commands := [][]string{
			{"enable-event", "--jul", "app.*", "--loglevel", "INFO"},
			{"add-context", "--jul", "-t", "$app.app:text", "-t", "$app.app:number", "-t", "$app.app:half", "-t", "$app.app:none", "-t", "$app.nobody:text"},
			{"enable-event", "--log4j", "app.three", "--loglevel-only", "WARN"},
			{"enable-event", "--log4j", "-a", "-f", `msg == "fatal 7" || msg == "debug*"`},
		}
		m.asSessiond(5*10, commands, func(do func(args ...string)) {
			j := m.startJava()
			j.log(10)
			j.finish()
		})
	})
}

// TestLoggersListed lists loggers, saves and loads rules of loggers, and has a user's
// programs among those of root's daemon.
func TestLoggersListed(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		port, err := os.ReadFile("/var/run/lttng/agent.port")
		if err != nil || strings.TrimSpace(string(port)) != "5345" {
			m.Errorf("agent.port: %q, %v", port, err)
		}
		p := m.startPython()
		if text := a.do("list", "--python"); !strings.Contains(text, "Name: "+python) || !strings.Contains(text, "      - app.one\n") {
			m.Errorf("list --python:\n%s", text)
		}
		if text := a.do("list", "--jul"); !strings.Contains(text, "None") {
			m.Errorf("list --jul:\n%s", text)
		}
		a.do("create", "s")
		a.do("enable-channel", "-u", "lttng_python_channel", "--subbuf-size", "1M")
		a.do("enable-event", "--python", "app.one", "--loglevel", "ERROR")
		a.do("disable-event", "--python", "app.one")
		a.do("enable-event", "--python", "app.one", "--loglevel-only", "INFO")
		before := a.session("s").Domains
		a.do("save", "s")
		a.do("destroy", "s")
		a.do("load", "s")
		after := a.session("s")
		if len(after.Domains) != 2 || len(before) != 2 {
			m.Fatalf("domains %+v, after the load %+v", before, after.Domains)
		}
		for i, d := range after.Domains {
			if !slices.EqualFunc(d.Channels[0].Events, before[i].Channels[0].Events, func(a, b agent.EventRule) bool {
				return a.Pattern == b.Pattern && a.LogLevel == b.LogLevel && a.Enabled == b.Enabled
			}) ||
				d.Channels[0].SubbufBytes != before[i].Channels[0].SubbufBytes {
				m.Errorf("domain %s: %+v, after the load %+v", d.Name, before[i].Channels, d.Channels)
			}
		}
		a.do("start")
		p.log(5)
		p.finish()
		a.do("stop")
		if got := m.messages(strings.TrimPrefix(after.Consumer.URIs[0], "file://")); len(got) != 5 || !strings.Contains(got[0], `msg = "info 0"`) {
			m.Errorf("events:\n%s", strings.Join(got, "\n"))
		}
		a.refuse(55, "exists already", "enable-event", "--python", "app.one", "--loglevel-only", "INFO")
		a.refuse(76, "no event rule", "disable-event", "--python", "app.two")
		a.refuse(106, "want an operand", "enable-event", "--python", "app.two", "-f", "x >")
		a.do("destroy")
		a.end()
	})
}
