// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package xmlsysd

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestDocument(t *testing.T) {
	_, body := sample(t)
	d, err := ParseDocument(body)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		`/xmlsysd/proc/net/dev/interface[@devtype="eth" and @devid="0"]/receive/bytes`,
		`/xmlsysd/proc/net/dev/interface[@devtype="eth" @devid="0"/receive/bytes`, // as the description of 2002 has it
		`/xmlsysd/proc/net/dev/interface[@devtype="eth" @devid="0"]/receive/bytes`,
		`proc/net/dev/interface[@devtype='eth'][@devid='0']/receive/bytes`,
		`proc/net/dev/interface[devtype=eth][devid=0]/receive/bytes`,
		`/proc/net/dev/interface[id=1]/receive/bytes`,
		`/proc/net/dev/interface[ @id = "1" ]/receive/bytes`,
	} {
		if got, err := d.Uint(path); err != nil || got != 762887796 {
			t.Errorf("%s = %d, %v, want 762887796", path, got, err)
		}
	}
	if got, err := d.Float("proc/cpuinfo/processor[id=0]/clock"); err != nil || got != 801.824 {
		t.Errorf("clock %v, %v", got, err)
	}
	if got, err := d.Int("proc/sysvipc/shmtot"); err != nil || got != 786432 {
		t.Errorf("shmtot %v, %v", got, err)
	}
	if got, err := d.Text("system/time"); err != nil || got != "2:34:21 pm" {
		t.Errorf("time %q, %v", got, err)
	}
	if got, err := d.Time("proc/stat"); err != nil || !got.Equal(time.Unix(1016048061, 789464000)) {
		t.Errorf("time of stat %v, %v", got, err)
	}
	all, err := d.All("proc/net/dev/interface")
	if err != nil || len(all) != 2 {
		t.Fatalf("%d interfaces, %v", len(all), err)
	}
	if name, err := all[1].Text("name"); err != nil || name != "eth0" {
		t.Errorf("second interface %q, %v", name, err)
	}
	if _, err := all[1].Text("proc"); err == nil || !strings.Contains(err.Error(), "path proc below /proc/net/dev/interface: no proc") {
		t.Errorf("error %v", err)
	}
	if v, ok := all[0].Attr("devid"); !ok || v != "" {
		t.Errorf("devid %q, %v", v, ok)
	}
	if _, ok := all[0].Attr("colour"); ok {
		t.Error("an attribute that is not there")
	}
}

func TestDocumentErrors(t *testing.T) {
	_, body := sample(t)
	d, err := ParseDocument(body)
	if err != nil {
		t.Fatal(err)
	}
	text := func(path string) error { _, err := d.Text(path); return err }
	number := func(path string) error { _, err := d.Uint(path); return err }
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"missing", text("proc/none/x"), "path proc/none/x: no none"},
		{"no such row", text("proc/stat/cpu[id=7]/user"), "no cpu[id=7]"},
		{"several", text("proc/net/dev/interface/name"), "there are 2 of it"},
		{"no leaf", text("proc/stat"), "no leaf"},
		{"no number", number("system/identity/hostname"), "no number without sign: golem"},
		{"no time", func() error { _, err := d.Time("proc/version"); return err }(), "no time"},
		{"no float", func() error { _, err := d.Float("system/time"); return err }(), "no number: 2:34"},
		{"no integer", func() error { _, err := d.Int("proc/loadavg/load1"); return err }(), "no integer: 0.21"},
	} {
		if _, ok := errors.AsType[*PathError](tt.err); !ok || !strings.Contains(tt.err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q", tt.name, tt.err, tt.want)
		}
	}
	for _, path := range []string{"//", "proc/", "proc//stat", "proc/stat[", "proc/stat[id", "proc/stat[id=", "proc/stat[id='0", "proc/stat[id=0]x", "proc/*", "proc/stat[]", "proc[=1]", "a]"} {
		if err := text(path); err == nil || !strings.Contains(err.Error(), "no path") {
			t.Errorf("%q: error %v", path, err)
		}
	}
}

func FuzzXPath(f *testing.F) {
	f.Add(`/xmlsysd/proc/net/dev/interface[@devtype="eth" @devid="0"/receive/bytes`)
	f.Add(`proc/net/dev/interface[@devtype='eth' and devid=0][id=1]`)
	_, body := sample(f)
	d, err := ParseDocument(body)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, path string) {
		all, err := d.All(path)
		if _, ok := errors.AsType[*PathError](err); err != nil && !ok || err == nil && len(all) == 0 {
			t.Fatalf("%d elements, error %v", len(all), err)
		}
	})
}
