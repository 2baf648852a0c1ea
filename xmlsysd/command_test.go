// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package xmlsysd

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func globOf(t *testing.T, s string) Glob {
	t.Helper()
	g, err := ParseGlob(s)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestParseCommand(t *testing.T) {
	for _, tt := range []struct {
		line string
		want Command
	}{
		{"", Command{}},
		{" \t\r\n", Command{}},
		{"init\n", Command{Verb: VerbInit}},
		{"off all\r\n", Command{Verb: VerbOff, Selectors: []string{"all"}}},
		{" On\tidentity  version ", Command{Verb: VerbOn, Selectors: []string{"identity", "version"}}},
		{"SEND", Command{Verb: VerbSend}},
		{"quit", Command{Verb: VerbQuit}},
		{"exit", Command{Verb: VerbQuit}},
		{"bye", Command{Verb: VerbQuit}},
		{"verbose 3", Command{Verb: VerbVerbose, Level: 3}},
		{"quik", Command{Verb: VerbQuik}},
		{"jobs", Command{Verb: VerbJobs}},
		{"every 0.1", Command{Verb: VerbEvery, Period: 100 * time.Millisecond}},
		{"every 86400 7", Command{Verb: VerbEvery, Period: 24 * time.Hour, Count: 7}},
		{"stop", Command{Verb: VerbStop}},
		{"indent off", Command{Verb: VerbIndent}},
		{"ack ON", Command{Verb: VerbAck, On: true}},
		{"compress zstd", Command{Verb: VerbCompress, Encoding: Zstd}},
		{"compress none", Command{Verb: VerbCompress}},
		{"list", Command{Verb: VerbList}},
		{"list proc/*", Command{Verb: VerbList, Pattern: "proc/*"}},
		{"help", Command{Verb: VerbHelp}},
		{"task clear", Command{Verb: VerbTask}},
		{"trigger OFF", Command{Verb: VerbTrigger}},
		{"trigger memory some 0.15 2", Command{Verb: VerbTrigger, On: true, Trigger: Trigger{"memory", "some", 150 * time.Millisecond, 2 * time.Second}}},
		{"trigger io full .000001 10", Command{Verb: VerbTrigger, On: true, Trigger: Trigger{"io", "full", time.Microsecond, 10 * time.Second}}},
		{"task name=a* user=root state=RD top=5 sort=rss cmdline io", Command{Verb: VerbTask, Task: TaskMask{
			Names: []Glob{globOf(t, "a*")}, Users: []Glob{globOf(t, "root")}, States: "RD", Top: 5, Sort: SortRSS, Cmdline: true, IO: true,
		}}},
		{"on " + strings.Repeat("x", MaxLine-4) + "\n", Command{Verb: VerbOn, Selectors: []string{strings.Repeat("x", MaxLine-4)}}},
	} {
		got, err := ParseCommand([]byte(tt.line))
		if err != nil {
			t.Errorf("ParseCommand(%.40q): %v", tt.line, err)
			continue
		}
		if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(Glob{}, globStep{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("ParseCommand(%.40q) (-want +got):\n%s", tt.line, diff)
		}
	}
}

func TestParseCommandRefuses(t *testing.T) {
	for _, tt := range []struct {
		line string
		code Code
	}{
		{"on " + strings.Repeat("x", MaxLine-3) + "\n", CodeLine},
		{"frobnicate", CodeVerb},
		{"GET / HTTP/1.0", CodeVerb},
		{"on", CodeArg},
		{"send now", CodeArg},
		{"on a\x00", CodeArg},
		{"on a\rb", CodeArg},
		{"on a\x7f", CodeArg},
		{"verbose", CodeArg},
		{"verbose -1", CodeArg},
		{"verbose much", CodeArg},
		{"every", CodeArg},
		{"every 0.09", CodeArg},
		{"every 86401", CodeArg},
		{"every 1e3", CodeArg},
		{"every NaN", CodeArg},
		{"every 1 0", CodeArg},
		{"every 1 x", CodeArg},
		{"indent maybe", CodeArg},
		{"compress br", CodeArg},
		{"task", CodeArg},
		{"trigger", CodeArg},
		{"trigger cpu", CodeArg},
		{"trigger cpu some 1", CodeArg},
		{"trigger cpu some 1 2 3", CodeArg},
		{"trigger disk some 1 2", CodeArg},
		{"trigger cpu none 1 2", CodeArg},
		{"trigger cpu some 0 2", CodeArg},
		{"trigger cpu some 2.1 2", CodeArg},
		{"trigger cpu some 1 0.4", CodeArg},
		{"trigger cpu some 1 10.1", CodeArg},
		{"trigger cpu some -1 2", CodeArg},
		{"trigger cpu some 1e-3 2", CodeArg},
		{"trigger cpu some 1..2 2", CodeArg},
		{"trigger cpu some 0.0000001 2", CodeArg},
		{"task clear io", CodeArg},
		{"task name=[a", CodeRE},
		{"task name", CodeArg},
		{"task name=", CodeArg},
		{"task io=1", CodeArg},
		{"task state=Q", CodeArg},
		{"task top=0", CodeArg},
		{"task sort=name", CodeArg},
		{"task colour=red", CodeArg},
	} {
		_, err := ParseCommand([]byte(tt.line))
		if ce, ok := errors.AsType[*CommandError](err); !ok || ce.Code != tt.code {
			t.Errorf("ParseCommand(%.40q) = %v, want %s", tt.line, err, tt.code)
		}
	}
	for line, want := range map[string]bool{"GET / HTTP/1.1\r\n": true, "POST ": true, "HEAD /": true, "get x": false, "GETS": false} {
		if got := IsHTTP([]byte(line)); got != want {
			t.Errorf("IsHTTP(%q) = %v", line, got)
		}
	}
}

func TestTaskMask(t *testing.T) {
	for _, tt := range []struct {
		mask, name, user string
		state            byte
		want             bool
	}{
		{"io", "a", "root", 'S', true},
		{"name=a name=b*", "bc", "root", 'S', true},
		{"name=a name=b*", "cb", "root", 'S', false},
		{"user=r*", "a", "root", 'S', true},
		{"user=r?", "a", "root", 'S', false},
		{"state=RD", "a", "root", 'D', true},
		{"state=RD", "a", "root", 'S', false},
		{"state=RD name=a user=root", "a", "root", 'R', true},
	} {
		c, err := ParseCommand([]byte("task " + tt.mask))
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Task.Match([]byte(tt.name), []byte(tt.user), tt.state); got != tt.want {
			t.Errorf("%s matches %s of %s in %c: %v", tt.mask, tt.name, tt.user, tt.state, got)
		}
	}
}

func TestReplies(t *testing.T) {
	e := NewEncoder(NewSelection(NewModel()))
	e.Init, e.Compact = true, true
	for _, tt := range []struct {
		name    string
		message []byte
		want    string
	}{
		{"ack", bytes.Clone(e.Ack(3, nil)), `<ack id="3"><status>ok</status></ack>`},
		{
			"refusal", bytes.Clone(e.Ack(4, refuse(CodeSel, "x", "no <such>"))),
			`<ack id="4"><status>error</status><code>E_SEL</code><text>no &lt;such&gt;</text></ack>`,
		},
		{
			"sections", bytes.Clone(e.Sections([]SectionState{{"proc/stat", true, Legacy, "/proc/stat", 3 * time.Microsecond}, {"proc/tasks", false, Explicit, "", 0}})),
			`<sections><section id="proc/stat"><state>on</state><class>legacy</class><source>/proc/stat</source><cost units="us">3</cost></section>` +
				`<section id="proc/tasks"><state>off</state><class>explicit</class><source></source><cost units="us">0</cost></section></sections>`,
		},
	} {
		body, err := NewReader(bytes.NewReader(tt.message), 0).Next()
		if want := declaration + `<xmlsysd init="1">` + tt.want + rootFoot; err != nil || string(body) != want {
			t.Errorf("%s: %s, %v, want %s", tt.name, body, err, want)
		}
	}
	e.Compact = false
	body, err := NewReader(bytes.NewReader(e.Help()), 0).Next()
	if err != nil {
		t.Fatal(err)
	}
	d, err := ParseDocument(body)
	if err != nil {
		t.Fatal(err)
	}
	for v := VerbInit; v <= VerbHelp; v++ {
		if text, err := d.Text(`help/verb[@id="` + v.String() + `"]`); err != nil || text == "" {
			t.Errorf("help of %v: %q, %v", v, text, err)
		}
	}
}

func FuzzCommand(f *testing.F) {
	for v := range verbs {
		f.Add([]byte(verbs[v].name + " on\r\n"))
	}
	f.Add([]byte("task name=a* user=[!r]* state=RD top=5 sort=rss cmdline io"))
	f.Add([]byte("every 0.25 10"))
	f.Fuzz(func(t *testing.T, line []byte) {
		c, err := ParseCommand(line)
		if err != nil {
			if _, ok := errors.AsType[*CommandError](err); !ok {
				t.Fatalf("error %T", err)
			}
			return
		}
		c.Task.Match(line, line, 'S')
		if c.Verb == VerbEvery && (c.Period < MinPeriod || c.Period > MaxPeriod) {
			t.Fatalf("period %v", c.Period)
		}
		if len(line) > MaxLine {
			t.Fatalf("a line of %d bytes", len(line))
		}
	})
}

// A selector is refused, or it can be switched on and off again to the same
// effect as never.
func FuzzSelector(f *testing.F) {
	for _, s := range []string{
		"all", "legacy", "default", "swap", "/proc/net/dev/interface[devtype=eth][devid=0]", "disk[id=nvme*]", "/proc/**/tcp",
		"~^proc/vmstat/(pgpg|pswp)(in|out)$", "raw:sys/vm/*", "/proc/interrupts/irq/cpu", "cpu[id=[!0-9]]", "/xmlsysd",
	} {
		f.Add(s)
	}
	m := NewModel()
	_, body := sample(f)
	tapes := tapesOf(f, m, body)
	f.Fuzz(func(t *testing.T, text string) {
		s := NewSelection(m)
		if err := s.Add(true, text); err != nil {
			if _, ok := errors.AsType[*CommandError](err); !ok {
				t.Fatalf("error %T", err)
			}
			if s.Rules() > 0 || s.Wants(Root) {
				t.Fatal("what was refused is in force")
			}
			return
		}
		e := NewEncoder(s)
		message := encode(e, tapes)
		if empty := !bytes.Contains(message, []byte("</xmlsysd>")); empty {
			t.Fatalf("message %s", message)
		}
		if bytes.Contains(message, []byte("<proc>")) && !s.Wants(m.Must("proc")) {
			t.Fatal("sent what is not wanted")
		}
		if err := s.Add(false, text); err != nil {
			t.Fatalf("on goes, off does not: %v", err)
		}
		if s.Rules() > 1 {
			t.Fatalf("%d rules of one selector", s.Rules())
		}
		if message = encode(e, tapes); bytes.Contains(message, []byte("</proc>")) || bytes.Contains(message, []byte("</system>")) {
			t.Fatalf("off leaves %s", message)
		}
	})
}

// A trigger is told by words that make the same trigger.
func TestTrigger(t *testing.T) {
	for _, words := range []string{"memory some 0.15 2", "cpu some 1 10", "io full 0.000001 0.5", "irq full 0.25 0.5"} {
		trigger, err := ParseTrigger(strings.Fields(words))
		if err != nil || trigger.String() != words {
			t.Errorf("%s: %s, %v", words, trigger, err)
		}
	}
	if got := (Trigger{Stall: 150 * time.Millisecond, Window: 2 * time.Second}).Percent(); got != 7.5 {
		t.Errorf("%v percent", got)
	}
}
