// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package repo

import (
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// unitLine is a line of a unit file: comment, section, key=value or nothing.
var unitLine = regexp.MustCompile(`^(#.*|\[[A-Z][a-z]+\]|[A-Z][A-Za-z]+=.*|)$`)

// unitValues returns the values of a key in a unit file.
func unitValues(text, key string) []string {
	var values []string
	for line := range strings.Lines(text) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), key+"="); ok {
			values = append(values, v)
		}
	}
	return values
}

func TestUnits(t *testing.T) {
	r := openRepository(t)
	var sockets []string
	services := 0
	for _, name := range r.files {
		ext := path.Ext(name)
		if path.Dir(name) != "packaging/systemd" || ext != ".service" && ext != ".socket" {
			continue
		}
		text := r.read(t, name)
		for i, line := range strings.Split(text, "\n") {
			if !unitLine.MatchString(line) {
				t.Errorf("%s:%d: %q is no line of a unit", name, i+1, line)
			}
		}
		if ext == ".socket" {
			sockets = append(sockets, unitValues(text, "FileDescriptorName")...)
			continue
		}
		services++
		if got := unitValues(text, "Type"); !slices.Equal(got, []string{"notify"}) {
			t.Errorf("%s: Type=%q, want notify", name, got)
		}
		for _, command := range append(unitValues(text, "ExecStart"), unitValues(text, "ExecStartPre")...) {
			words := strings.Fields(command)
			if words[0] != "/usr/bin/weir" {
				t.Errorf("%s: starts %s, want /usr/bin/weir", name, words[0])
			}
			weir(t, "help", words[1]) // fails for a command that does not exist
		}
	}
	slices.Sort(sockets)
	if want := []string{"control", "data", "live"}; !slices.Equal(sockets, want) {
		t.Errorf("socket names are %q, want %q", sockets, want)
	}
	if services != 2 {
		t.Errorf("found %d services, want 2", services)
	}
}

// TestShellScripts lets bash read the scripts without running them.
func TestShellScripts(t *testing.T) {
	for _, name := range []string{"../../test", "../../.ci/run"} {
		if out, err := exec.CommandContext(t.Context(), "bash", "-n", name).CombinedOutput(); err != nil {
			t.Errorf("bash -n %s: %v %s", name, err, out)
		}
	}
}
