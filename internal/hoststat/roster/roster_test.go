// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package roster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/xmlsysd"
)

// place knows the two values that alarms of the tests name.
func place(name string) (int, bool) { return 0, name == "load1" || name == "up" }

// stall knows triggers of memory.
func stall(t xmlsysd.Trigger) (string, error) {
	if t.Resource != "memory" {
		return "", errors.New("nothing is kept of " + t.Resource)
	}
	return "up > " + fmt.Sprint(t.Percent()), nil
}

// texts are hosts as name=address/group!tls.
func texts(hosts []Host) string {
	var all []string
	for _, h := range hosts {
		text := h.Name + "=" + h.Address
		if h.Group != "" {
			text += "/" + h.Group
		}
		if h.TLS {
			text += "!"
		}
		all = append(all, text)
	}
	return strings.Join(all, " ")
}

func TestParseList(t *testing.T) {
	for text, want := range map[string]string{
		"a":                      "a=a:7887",
		"a,b c":                  "a=a:7887 b=b:7887 c=c:7887",
		"a:1,b:7887":             "a:1=a:1 b=b:7887",
		"n[01-03]":               "n01=n01:7887 n02=n02:7887 n03=n03:7887",
		"n[8-10,20]x:99":         "n8x:99=n8x:99 n9x:99=n9x:99 n10x:99=n10x:99 n20x:99=n20x:99",
		"r[1-2]n[1-2]":           "r1n1=r1n1:7887 r1n2=r1n2:7887 r2n1=r2n1:7887 r2n2=r2n2:7887",
		"[::1],[::1]:99,fe80::1": "::1=[::1]:7887 [::1]:99=[::1]:99 fe80::1=[fe80::1]:7887",
		"/run/x.sock":            "/run/x.sock=/run/x.sock",
		"a,a,a:7887":             "a=a:7887",
		"":                       "",
		"n[1-0]":                 "error: \"n[1-0]\": the range 1-0 goes down",
		"n[1-70000]":             "error: \"n[1-70000]\": the range 1-70000 has more than 65536 hosts",
		"n[1-60000]x[1-60000]":   "error: \"n[1-60000]x[1-60000]\" is more than 65536 hosts",
		"n[1-2":                  "error: \"n[1-2\": [ without ]",
		"n1]":                    "error: \"n1]\": ] without [",
		"n[]":                    "error: \"n[]\": no range: \"\"",
		"n[a]":                   "error: \"n[a]\": no range: \"a\"",
		"a:0":                    "error: no port: \"0\"",
		"a:x":                    "error: no port: \"x\"",
		"a;b":                    "error: no name of a host: \"a;b\"",
		":5":                     "error: a host without a name",
		strings.Repeat("a", 300): "error: a name of more than 253 bytes: \"aaaaaaaaaaaaaaaaaaaa…\"",
	} {
		hosts, err := ParseList(text)
		got := texts(hosts)
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != want {
			t.Errorf("%.30q: %s, want %s", text, got, want)
		}
	}
}

// write puts files into a directory and returns the path of the first one.
func write(t testing.TB, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i, text := range files {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("f%d", i)), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "f0")
}

func TestLoad(t *testing.T) {
	path := write(t, `<?xml version="1.0"?>
<!-- the cluster -->
<wulfstat>
  <host><name>a</name></host>
  <host><name>b</name><ip>10.0.0.2</ip><port>99</port><group>g</group><tls>1</tls></host>
  <host><label>sock</label><socket>/run/x</socket></host>
  <hostrange><hostfmt>node%02d</hostfmt><imin>9</imin><imax>10</imax><group>n</group></hostrange>
  <iprange><ipmin>10.0.0.254</ipmin><ipmax>10.0.1.1</ipmax><port>1</port></iprange>
  <hostlist>gpu[1-2],a<group>gpus</group></hostlist>
  <include>f1</include>
  <task>worker*</task><user>alice</user><root>1</root>
  <delay>2.5</delay><view>load</view>
  <alarm id="busy"><when>load1 &gt; 2 &amp;&amp; up</when><for>60</for><clear>load1 &lt; 1</clear><level>crit</level><note>too much</note></alarm>
  <colour>red</colour><colour>blue</colour>
</wulfstat>
`, `<more><host><name>c</name></host></more>`)
	f, err := Load(path, Values{Place: place, Stall: stall})
	if err != nil {
		t.Fatal(err)
	}
	want := "a=a:7887 b=10.0.0.2:99/g! sock=/run/x node09=node09:7887/n node10=node10:7887/n " +
		"10.0.0.254:1=10.0.0.254:1 10.0.0.255:1=10.0.0.255:1 10.0.1.0:1=10.0.1.0:1 10.0.1.1:1=10.0.1.1:1 gpu1=gpu1:7887/gpus gpu2=gpu2:7887/gpus c=c:7887"
	if got := texts(f.Hosts); got != want {
		t.Errorf("hosts\n%s, want\n%s", got, want)
	}
	if f.Delay != 2500*time.Millisecond || f.View != "load" || !f.Root || f.Mask() != "name=worker* user=alice user=root" || len(f.Paths) != 2 {
		t.Errorf("%+v", f)
	}
	if len(f.Alarms) != 1 || f.Alarms[0].ID != "busy" || f.Alarms[0].For != time.Minute || f.Alarms[0].Clear == nil || f.Alarms[0].Level != "crit" || f.Alarms[0].Note != "too much" {
		t.Errorf("alarms %+v", f.Alarms)
	}
	if len(f.Warnings) != 1 || !strings.HasSuffix(f.Warnings[0], "f0:14: unknown element colour") {
		t.Errorf("warnings %q", f.Warnings)
	}
}

func TestLoadErrors(t *testing.T) {
	loop := `<a><include>f0</include></a>`
	for _, tt := range []struct{ text, want string }{
		{"<a>\n<host></host></a>", "f0:2: a host without a name"},
		{"<a>\n\n<host><name>x y</name></host></a>", `f0:3: no name of a host: "x y"`},
		{"<a><host><name>a</name>\n<port>x</port></host></a>", `f0:2: no port: "x"`},
		{"<a>\n<b>\n</a>", "f0:3: not well formed: want the end of b"},
		{"<a>\n", "f0:2: ends too early: want the end of a"},
		{"", "f0:1: ends too early: want an element"},
		{"<!DOCTYPE x>\n<a></a>", "f0:1: not well formed"},
		{"<a>&x;</a>", "f0:1: not well formed"},
		{"<a><hostrange><hostfmt>n</hostfmt><imin>1</imin><imax>2</imax></hostrange></a>", `f0:1: the format "n" has no %d`},
		{"<a><hostrange><hostfmt>n%d%d</hostfmt><imin>1</imin><imax>2</imax></hostrange></a>", `f0:1: the format "n%d%d" has not exactly one %d`},
		{"<a><hostrange><hostfmt>n%s</hostfmt><imin>1</imin><imax>2</imax></hostrange></a>", `f0:1: the format "n%s" has not exactly one %d`},
		{"<a><hostrange><hostfmt>n%d</hostfmt><imin>1</imin><imax>70000</imax></hostrange></a>", "has more than 65536 hosts"},
		{"<a><hostrange><hostfmt>n%d</hostfmt>\n<imin>x</imin><imax>7</imax></hostrange></a>", `f0:2: imin: no number: "x"`},
		{"<a><iprange><ipmin>10.0.0.9</ipmin><ipmax>10.0.0.1</ipmax></iprange></a>", "f0:1: the range 10.0.0.9 to 10.0.0.1 goes down"},
		{"<a><iprange><ipmin>::1</ipmin><ipmax>::2</ipmax></iprange></a>", "f0:1: no range of addresses"},
		{"<a><iprange><ipmin>0.0.0.0</ipmin><ipmax>255.255.255.255</ipmax></iprange></a>", "has more than 65536 hosts"},
		{"<a><delay>0.1</delay></a>", `f0:1: delay "0.1": want 0.5 to 60 seconds`},
		{"<a><delay>NaN</delay></a>", `f0:1: delay "NaN": want 0.5 to 60 seconds`},
		{"<a><alarm><when>up</when></alarm></a>", "f0:1: an alarm without an id"},
		{"<a><alarm id='x'>\n<when>up +</when></alarm></a>", "f0:2: alarm x: when: got the end, want a value (at column 5)"},
		{"<a><alarm id='x'><when>up</when></alarm>\n<alarm id='x'><when>up</when></alarm></a>", "f0:2: alarm x is there twice"},
		{"<a><alarm id='x'><when>up</when><level>bad</level></alarm></a>", `level "bad": want info, warn or crit`},
		{"<a><alarm id='x'><when>up</when>\n<psi>memory some 1 2</psi></alarm></a>", "f0:2: alarm x: it has both when and psi"},
		{"<a><alarm id='x'><psi>memory some 1</psi></alarm></a>", "f0:1: alarm x: psi: want a resource, some or full, and seconds of stall and window"},
		{"<a><alarm id='x'><psi>cpu some 1 2</psi></alarm></a>", "alarm x: psi: nothing is kept of cpu"},
		{"<a>" + manyTriggers(9) + "</a>", "alarm x8: psi: more than 8 triggers"},
		{loop, "f0:1: files include others more than 4 deep"},
		{"<a>\n<include>none</include></a>", "f0:2: open"},
	} {
		_, err := Load(write(t, tt.text), Values{Place: place, Stall: stall})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v, want %s", tt.text, err, tt.want)
		}
	}
}

func TestFind(t *testing.T) {
	t.Chdir(t.TempDir())
	home := t.TempDir()
	env := ""
	getenv := func(string) string { return env }
	if got := Find(getenv, home); got != "" && got != "/etc/wulfhosts" {
		t.Errorf("found %q where nothing is", got)
	}
	for _, path := range []string{filepath.Join(home, ".wulfhosts"), "./wulfhosts"} {
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if got := Find(getenv, home); got != path {
			t.Errorf("found %q, want %q", got, path)
		}
	}
	env = "/named" // an error tells that it is not there
	if got := Find(getenv, home); got != "/named" {
		t.Errorf("found %q, want what is named", got)
	}
}

func TestWatch(t *testing.T) {
	path := write(t, "<a></a>")
	w := NewWatch([]string{path})
	if w.Changed() {
		t.Error("changed at once")
	}
	if err := os.WriteFile(path, []byte("<a> </a>"), 0o644); err != nil {
		t.Fatal(err)
	}
	if !w.Changed() || w.Changed() {
		t.Error("a change was not noticed once")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if !w.Changed() {
		t.Error("a removal was not noticed")
	}
}

// Whatever a file holds, it is refused with a line that it has, or its hosts can
// be dialled.
// manyTriggers are alarms with a trigger each.
func manyTriggers(n int) string {
	text := ""
	for i := range n {
		text += fmt.Sprintf("<alarm id='x%d'><psi>memory some 0.%d 2</psi></alarm>", i, i+1)
	}
	return text
}

// An alarm about stalls has the condition that its trigger stands for; two of one
// trigger have it once.
func TestStallAlarms(t *testing.T) {
	f, err := Load(write(t, "<a><alarm id='x'><psi> memory  some 0.15 2 </psi><level>crit</level></alarm><alarm id='y'><psi>memory some .15 2.0</psi><for>5</for></alarm></a>"), Values{Place: place, Stall: stall})
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Alarms) != 2 || f.Alarms[0].When.String() != "up > 7.5" || f.Alarms[0].Level != "crit" || f.Alarms[1].For != 5*time.Second {
		t.Errorf("%+v", f.Alarms)
	}
	if len(f.Triggers) != 1 || f.Triggers[0].String() != "memory some 0.15 2" {
		t.Errorf("%v", f.Triggers)
	}
	if _, err := Load(write(t, "<a><alarm id='x'><psi>memory some 1 2</psi></alarm></a>"), Values{}); err == nil || !strings.Contains(err.Error(), "there are no triggers here") {
		t.Errorf("without triggers: %v", err)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("<a><host><name>a</name></host></a>")
	f.Add("<a><hostrange><hostfmt>n%03d</hostfmt><imin>1</imin><imax>2</imax></hostrange></a>")
	f.Add("<a><hostlist>a[1-3,5]b[1-2],c:5</hostlist><delay>5</delay></a>")
	f.Add("<a><iprange><ipmin>1.2.3.4</ipmin><ipmax>1.2.3.5</ipmax></iprange></a>")
	f.Add("<a>\n<alarm id=\"x\"><when>load1 &gt; 2</when><for>1</for></alarm></a>")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "include") {
			return // reads other files
		}
		file, err := Load(write(t, text), Values{Place: place, Stall: stall})
		if err != nil {
			if e, ok := err.(*Error); ok && (e.Line < 1 || e.Line > 1+strings.Count(text, "\n")) {
				t.Errorf("%q: error in line %d: %v", text, e.Line, err)
			}
			return
		}
		seen := make(map[string]bool)
		for _, h := range file.Hosts {
			if h.Name == "" || h.Address == "" || seen[h.Address] || len(file.Hosts) > maxHosts {
				t.Fatalf("%q: host %+v", text, h)
			}
			seen[h.Address] = true
		}
	})
}
