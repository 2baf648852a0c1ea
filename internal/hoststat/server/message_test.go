// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/hoststat"
	"github.com/weir-io/weir/internal/peer"
)

const schema = "../../../xmlsysd/testdata/xmlsysd.xsd"

// sample2002 is the body of the message in the document of 2002.
func sample2002(t testing.TB) []byte {
	t.Helper()
	message, err := os.ReadFile("../../../xmlsysd/testdata/sample2002.msg")
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := bytes.Cut(message, []byte("\n\n"))
	return body
}

// leafPaths returns the XPath of each leaf of a document, in its order, with what
// tells elements apart: id, or of interfaces devtype and devid.
func leafPaths(t testing.TB, body []byte) []string {
	t.Helper()
	var paths, open []string
	leaf := false
	d := xml.NewDecoder(bytes.NewReader(body))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return paths
		}
		if err != nil {
			t.Fatal(err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			step := e.Name.Local
			for _, a := range e.Attr {
				switch name := a.Name.Local; {
				case name == "devtype", name == "devid", name == "path", name == "id" && step != "interface" && !strings.HasPrefix(step, "interface["):
					step += fmt.Sprintf("[@%s=%q]", name, a.Value)
				}
			}
			open, leaf = append(open, step), true
		case xml.EndElement:
			if leaf {
				paths = append(paths, "/"+strings.Join(open, "/"))
			}
			open, leaf = open[:len(open)-1], false
		}
	}
}

// kinds are paths without predicates, each once.
func kinds(paths []string) map[string]bool {
	all := make(map[string]bool)
	for _, p := range paths {
		var b strings.Builder
		for part := range strings.SplitSeq(p, "[") {
			if _, rest, cut := strings.Cut(part, "]"); cut {
				part = rest
			}
			b.WriteString(part)
		}
		all[b.String()] = true
	}
	return all
}

func TestInitSendIsTheMessageOf2002(t *testing.T) {
	want := leafPaths(t, sample2002(t))
	if len(want) != 88 {
		t.Fatalf("the sample has %d leaves, want 88", len(want))
	}
	h := start(t, Options{Engine: newEngine(t, hoststat.Options{ProcRoot: twoInterfaces(t), MinInterval: -1})})
	c := h.dial(t)
	body := c.ask("init\nsend\n")
	if !strings.HasPrefix(body, "<?xml version=\"1.0\"?>\n<xmlsysd init=\"1\">\n  <system>\n    <time tv_sec=") {
		t.Errorf("body begins %.100q", body)
	}
	got := leafPaths(t, []byte(body))
	count := make(map[string]int)
	for _, p := range got {
		count[p]++
	}
	for _, p := range want {
		if count[p] != 1 {
			t.Errorf("%s: %d nodes, want 1", p, count[p])
		}
	}
	wanted := kinds(want)
	for p := range kinds(got) {
		if !wanted[p] {
			t.Errorf("%s is not of 2002", p)
		}
	}
	askXPath(t, body, want)
}

// askXPath lets xmllint count the nodes of paths.
func askXPath(t *testing.T, body string, paths []string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "message.xml")
	if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	counts := make([]string, len(paths))
	for i, p := range paths {
		counts[i] = "count(" + p + ")"
	}
	out, err := exec.CommandContext(t.Context(), peer.Need(t, "xmllint"), "--xpath", "concat("+strings.Join(counts, ",' ',")+")", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Fields(string(out))
	if len(got) != len(paths) {
		t.Fatalf("xmllint counts %d paths, want %d: %q", len(got), len(paths), out)
	}
	for i, n := range got {
		if n != "1" {
			t.Errorf("xmllint: %s: %s nodes, want 1", paths[i], n)
		}
	}
}

// Each selection gives a document of the schema with paths that are unique.
func TestSelectionsAreValid(t *testing.T) {
	lint := peer.Need(t, "xmllint")
	h := start(t, Options{Expose: everything})
	selections := []string{"legacy", "default", "all", "all tasks cgroups sessions /proc/interrupts/irq/cpu raw:sys/vm/*", "errors"}
	for _, s := range h.engine.Sections() {
		if s.Name != "" {
			selections = append(selections, s.Name)
		}
	}
	c := h.dial(t)
	dir := t.TempDir()
	args := []string{"--noout", "--schema", schema}
	for i, sel := range selections {
		body := c.ask("init\noff all\non " + sel + "\nsend\n")
		seen := make(map[string]bool)
		for _, p := range leafPaths(t, []byte(body)) {
			if seen[p] {
				t.Errorf("on %s: %s twice", sel, p)
			}
			seen[p] = true
		}
		file := filepath.Join(dir, fmt.Sprintf("%d.xml", i))
		if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, file)
	}
	if out, err := exec.CommandContext(t.Context(), lint, args...).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func TestNothingSelected(t *testing.T) {
	c := start(t, Options{}).dial(t)
	const want = "<?xml version=\"1.0\"?>\n<xmlsysd init=\"1\">\n</xmlsysd>\n"
	if got := c.ask("init\noff all\nsend\n"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	const compact = "<?xml version=\"1.0\"?>\n<xmlsysd init=\"1\"></xmlsysd>\n"
	if got := c.ask("indent off\nsend\n"); got != compact {
		t.Errorf("got %q, want %q", got, compact)
	}
}

// What makes a message too long is left out from its end, and told.
func TestMessageOverTheLimit(t *testing.T) {
	for _, limit := range []int{1 << 20, 20000, 9000, 3000, 700, 100} {
		h := start(t, Options{MaxMessage: limit})
		c := h.dial(t)
		body := c.ask("init\noff all\non all\nsend\n")
		if len(body) > max(limit, len("<?xml version=\"1.0\"?>\n<xmlsysd init=\"1\">\n</xmlsysd>\n")) {
			t.Errorf("limit %d: %d bytes", limit, len(body))
		}
		leafPaths(t, []byte(body)) // it is well formed
		whole := limit == 1<<20
		if said := strings.Contains(body, "<code>E_LIMIT</code>"); said == whole && limit >= 20000 {
			t.Errorf("limit %d: told %v:\n%s", limit, said, body)
		}
		if !whole && limit >= 20000 && !strings.Contains(body, "<path>proc/sys</path>") {
			t.Errorf("limit %d: the last section is not named:\n%s", limit, body)
		}
		if has := strings.Contains(body, "<vmstat "); has != whole {
			t.Errorf("limit %d: vmstat is there: %v", limit, has)
		}
		if err := h.stop(); err != nil {
			t.Error(err)
		}
	}
}

func TestNoProc(t *testing.T) {
	h := start(t, Options{Engine: newEngine(t, hoststat.Options{ProcRoot: t.TempDir(), MinInterval: -1})})
	body := h.dial(t).ask("init\non errors\nsend\n")
	for _, want := range []string{"<hostname>", "<path>proc/stat</path>", "<code>ENOENT</code>"} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
	if strings.Contains(body, "<stat ") {
		t.Errorf("a section without a file:\n%s", body)
	}
}

// The scanner tries its probe for xmlsysd at that port only, so the test has a
// network of its own.
func TestScannerKnowsIt(t *testing.T) {
	nmap := peer.Need(t, "nmap")
	address := outside(t)
	access, err := ParseAccess("any")
	if err != nil {
		t.Fatal(err)
	}
	listeners, err := Listen(t.Context(), access, DefaultPort, address)
	if err != nil {
		t.Fatal(err)
	}
	startOn(t, Options{Access: access, Engine: newEngine(t, hoststat.Options{})}, listeners[0])
	// The process is in the network of the thread that starts it, which is this one.
	out, err := exec.CommandContext(t.Context(), nmap, "-n", "-Pn", "-sV", "-p", strconv.Itoa(DefaultPort), address).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "xmlsysd daemon") {
		t.Errorf("%v: %s", err, out)
	}
}

// oddName is such as people and programs give to make trouble.
const oddName = "a)\n<\x01&\xff]]>"

// What is named oddly gives documents all the same.
func TestOddNames(t *testing.T) {
	before, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("/proc/self/comm", []byte(oddName), 0o600); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := os.WriteFile("/proc/self/comm", before, 0o600); err != nil {
			t.Error(err)
		}
	}()
	root := twoInterfaces(t)
	dev := filepath.Join(root, "net", "dev")
	text, err := os.ReadFile(dev)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dev, bytes.Replace(text, []byte("  eth0:"), []byte("]]>\x01&\xff<7:"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	h := start(t, Options{Expose: everything, Engine: newEngine(t, hoststat.Options{ProcRoot: root, Expose: everything, MinInterval: -1})})
	c := h.dial(t)
	body := c.ask("init\noff all\non tasks dev\ntask name=a)*]]>\nsend\n")
	for _, want := range []string{
		fmt.Sprintf("<task id=\"%d\">\n        <name>a)\n&lt;\ufffd&amp;\ufffd]]&gt;</name>", os.Getpid()),
		"<name>]]&gt;\ufffd&amp;\ufffd&lt;7</name>", "devtype=\"]]>\ufffd&amp;\ufffd&lt;\" devid=\"7\"",
	} {
		if !strings.Contains(body, want) && !strings.Contains(body, strings.ReplaceAll(want, "]]>", "]]&gt;")) {
			t.Errorf("no %q in\n%s", want, body)
		}
	}
	leafPaths(t, []byte(body)) // it is well formed
	file := filepath.Join(t.TempDir(), "message.xml")
	if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), peer.Need(t, "xmllint"), "--noout", "--schema", schema, file).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// A pipe in the place of a file is an error of its section.
func TestPipeInRoot(t *testing.T) {
	root := twoInterfaces(t)
	loadavg := filepath.Join(root, "loadavg")
	if err := os.Remove(loadavg); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(loadavg, 0o600); err != nil {
		t.Fatal(err)
	}
	h := start(t, Options{Engine: newEngine(t, hoststat.Options{ProcRoot: root, MinInterval: -1})})
	body := h.dial(t).ask("init\non errors\nsend\n")
	if strings.Contains(body, "<loadavg ") || !strings.Contains(body, "<path>proc/loadavg</path>\n        <code>EINVAL</code>") {
		t.Errorf("got\n%s", body)
	}
	if !strings.Contains(body, "<cpuinfo ") {
		t.Errorf("the rest is missing:\n%s", body)
	}
}
