// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/weir-io/weir/internal/hoststat"
	"github.com/weir-io/weir/xmlsysd"
)

// code returns what an ack says: "ok", or its code.
func code(t *testing.T, body string) string {
	t.Helper()
	d, err := xmlsysd.ParseDocument([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	status, err := d.Text("/xmlsysd/ack/status")
	if err != nil {
		t.Fatalf("no ack: %s", body)
	}
	if status == "ok" {
		return "ok"
	}
	c, err := d.Text("/xmlsysd/ack/code")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAcks(t *testing.T) {
	h := start(t, Options{})
	c := h.dial(t)
	// Neither a command before acks are on nor the one that does it has one. Blank
	// lines do not count.
	c.say("init\n\n \t\r\nack on\n")
	long := "on " + strings.Repeat("x", 300)
	for i, tt := range []struct{ line, want string }{
		{"verbose 0", "ok"},
		{"VERBOSE 99\r", "ok"},
		{"  on \t identity\tversion  ", "ok"},
		{"off all", "ok"},
		{"on /proc/net/dev/interface[devtype=eth]", "ok"},
		{"stop", "ok"},
		{"task top=3 state=R", "ok"},
		{"task clear", "ok"},
		{"indent off", "ok"},
		{"indent on", "ok"},
		{"frobnicate", "E_VERB"},
		{"init now", "E_ARG"},
		{"on", "E_ARG"},
		{"verbose loud", "E_ARG"},
		{"every 0.01", "E_ARG"},
		{"every 1 0", "E_ARG"},
		{"compress lzw", "E_ARG"},
		{"on nothing-of-this-name", "E_SEL"},
		{"on nothing-of-this-name version", "E_SEL"},
		{"on ~(", "E_RE"},
		{"task name=[a", "E_RE"},
		{"on raw:sys/vm/*", "E_DENIED"},
		{"on sessions", "E_DENIED"},
		{"on cgroups", "E_DENIED"},
		{"task cmdline", "E_DENIED"},
		{"task io", "E_DENIED"},
		{"list sessions", "E_DENIED"},
		{"list nonsense", "E_SEL"},
		{"nul\x00byte", "E_ARG"},
		{"\x01", "E_ARG"},
		{"del\x7f", "E_ARG"},
		{"\xff\xfe", "E_VERB"},
		{"on \xff", "E_SEL"},
		{"<on>", "E_VERB"},
		{long, "E_LIMIT"},
		{"Get /", "E_VERB"},
	} {
		body := c.ask(tt.line + "\n")
		if got := code(t, body); got != tt.want {
			t.Errorf("%.40q: %s, want %s", tt.line, got, tt.want)
		}
		if want := fmt.Sprintf("<ack id=\"%d\">", 3+i); !strings.Contains(body, want) {
			t.Errorf("%.40q: no %s in %s", tt.line, want, body)
		}
	}
	// A message is the answer to its command; "ack off" has the last ack, init none
	// after it.
	if body := c.ask("send\n"); !strings.Contains(body, "<version>") {
		t.Errorf("send: %s", body)
	}
	if got := code(t, c.ask("ack off\n")); got != "ok" {
		t.Errorf("ack off: %s", got)
	}
	c.say("nonsense\nack on\n")
	if got := code(t, c.ask("init\n")); got != "ok" {
		t.Errorf("init: %s", got)
	}
	if body := c.ask("stop\nsend\n"); !strings.Contains(body, "<loadavg ") {
		t.Errorf("after init: %s", body)
	}
	c.say("ack on\n")
	if got := code(t, c.ask("bye\n")); got != "ok" || c.gone() != "" {
		t.Errorf("bye: %s", got)
	}
	if got := h.Refused.Commands.Load(); got != 27 {
		t.Errorf("%d refused commands are counted, want 27", got)
	}
}

func TestRules(t *testing.T) {
	c := start(t, Options{}).dial(t)
	var b strings.Builder
	b.WriteString("init\nack on\n")
	for i := range 300 {
		fmt.Fprintf(&b, "on interface[id=%d]\n", i)
	}
	c.say(b.String())
	codes := make(map[string]int)
	for range 300 {
		body, _ := c.frame()
		codes[code(t, string(body))]++
	}
	if codes["ok"] == 0 || codes["E_LIMIT"] == 0 || codes["ok"]+codes["E_LIMIT"] != 300 {
		t.Errorf("300 rules: %v", codes)
	}
}

func TestQuikAndJobs(t *testing.T) {
	c := start(t, Options{Expose: everything}).dial(t)
	c.say("init\noff all\non version\n")
	quik := kinds(leafPaths(t, []byte(c.ask("quik\n"))))
	if !quik["/xmlsysd/proc/stat/ctxt"] || !quik["/xmlsysd/proc/loadavg/load1"] {
		t.Errorf("quik: %v", quik)
	}
	for p := range quik {
		if !strings.HasPrefix(p, "/xmlsysd/proc/stat/") && !strings.HasPrefix(p, "/xmlsysd/proc/loadavg/") {
			t.Errorf("quik: %s", p)
		}
	}
	jobs := c.ask("task name=no-such-process\njobs\n")
	if !strings.Contains(jobs, "<tasks ") || !strings.Contains(jobs, "<total>") || strings.Contains(jobs, "<task ") {
		t.Errorf("jobs: %s", jobs)
	}
	if jobs = c.ask("task clear\nindent off\njobs\n"); !strings.Contains(jobs, "<task id=") || strings.Contains(jobs, "> <") || strings.Contains(jobs, ">\n<task") {
		t.Errorf("jobs: %.300s", jobs)
	}
	// The rules are what they were.
	if got := leafPaths(t, []byte(c.ask("send\n"))); len(got) != 1 || got[0] != "/xmlsysd/proc/version" {
		t.Errorf("send: %v", got)
	}
}

func TestList(t *testing.T) {
	h := start(t, Options{})
	c := h.dial(t)
	c.ask("init\nsend\nlist\n")
	body, _ := c.frame()
	d, err := xmlsysd.ParseDocument(body)
	if err != nil {
		t.Fatal(err)
	}
	all, err := d.All("/xmlsysd/sections/section")
	if err != nil || len(all) != len(h.engine.Sections()) {
		t.Errorf("%d sections, %v, want %d", len(all), err, len(h.engine.Sections()))
	}
	for path, want := range map[string]string{
		"[@id=\"proc/stat\"]/state": "on", "[@id=\"proc/vmstat\"]/state": "off", "[@id=\"proc/tasks\"]/class": "explicit",
		"[@id=\"proc/net/dev\"]/source": "/proc/net/dev, routing socket",
	} {
		if got, err := d.Text("/xmlsysd/sections/section" + path); got != want || err != nil {
			t.Errorf("%s: %q, %v, want %q", path, got, err, want)
		}
	}
	some := c.ask("list /proc/net/s*\n")
	if n := strings.Count(some, "<section "); n < 3 || strings.Contains(some, "proc/net/dev") {
		t.Errorf("list of a pattern: %s", some)
	}
}

func TestHelp(t *testing.T) {
	body := start(t, Options{}).dial(t).ask("HELP\n")
	for _, want := range []string{"<verb id=\"send\">", "<verb id=\"every\">SECONDS [COUNT]"} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in %s", want, body)
		}
	}
}

func TestCompression(t *testing.T) {
	c := start(t, Options{}).dial(t)
	plain := c.ask("init\noff all\non version identity\nsend\n")
	for encoding, open := range map[string]func(io.Reader) (io.Reader, error){
		"gzip": func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
		"zstd": func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r) },
	} {
		c.say("compress " + encoding + "\nsend\n")
		body, got := c.frame()
		if got != encoding {
			t.Errorf("%s: encoding %q", encoding, got)
		}
		r, err := open(bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(r); err != nil || string(text) != plain {
			t.Errorf("%s: %q, %v, want %q", encoding, text, err, plain)
		}
	}
	if got := c.ask("init\noff all\non version identity\nsend\n"); got != plain {
		t.Errorf("after init: %q", got)
	}
}

func TestRaw(t *testing.T) {
	h := start(t, Options{Expose: hoststat.Expose{Raw: true}})
	body := h.dial(t).ask("init\noff all\non raw:sys/kernel/ostype raw:self/stat raw:kcore raw:../etc/passwd raw:sys/fs/../../kmsg\nsend\n")
	if !strings.Contains(body, "<file path=\"/proc/sys/kernel/ostype\"") || !strings.Contains(body, ">Linux<") || strings.Count(body, "<file ") != 1 {
		t.Errorf("raw files: %s", body)
	}
}

// What no file can match is told.
func TestRawRefused(t *testing.T) {
	c := start(t, Options{Expose: hoststat.Expose{Raw: true}}).dial(t)
	c.say("ack on\n")
	for pattern, want := range map[string]string{
		"sys/vm/*": "ok", "net/dev": "ok", "/sys/class/net/*/mtu": "ok", "sys/**": "ok", "*": "ok", "meminfo": "ok", "sys/kernel/random/*": "ok",
		"/sys/devices/system/cpu/cpu[0-9]/online": "ok",
		"[": "E_RE", "sys/vm/[a": "E_RE",
		"../etc/passwd": "E_DENIED", "/etc/passwd": "E_DENIED", "sys/../kcore": "E_DENIED", "sys//vm": "E_DENIED",
		"self/environ": "E_DENIED", "self/*": "E_DENIED", "1/maps": "E_DENIED", "1/**": "E_DENIED", "thread-self/stat": "E_DENIED",
		"kcore": "E_DENIED", "sysrq-trigger": "E_DENIED", "net/tcp": "E_DENIED", "sys/kernel/core_pattern": "E_DENIED",
		"/sys/kernel/*": "E_DENIED", "/sys/kernel/debug/**": "E_DENIED", "/sys/bus/pci": "E_DENIED", "/sys/firmware/dmi/?": "E_DENIED",
	} {
		if got := code(t, c.ask("on raw:"+pattern+"\n")); got != want {
			t.Errorf("%s: %s, want %s", pattern, got, want)
		}
	}
}

// What a session may not see does not come by way of a group or an expression.
func TestHidden(t *testing.T) {
	c := start(t, Options{}).dial(t)
	body := c.ask("init\non all tasks ~. ~cmdline ~session /system/** /proc/tasks/task/cmdline /proc/tasks/task/cgroup\nsend\n")
	if !strings.Contains(body, "<task ") {
		t.Errorf("no tasks: %.500s", body)
	}
	for _, private := range []string{"<cmdline>", "<cgroup>", "<rchar>", "<sessions", "<cgroups", "<file "} {
		if strings.Contains(body, private) {
			t.Errorf("%s is shown", private)
		}
	}
}
