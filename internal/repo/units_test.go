// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package repo

import (
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/weir-io/weir/internal/peer"
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
	sockets := make(map[string][]string) // names by service
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
			for _, service := range unitValues(text, "Service") {
				sockets[service] = append(sockets[service], unitValues(text, "FileDescriptorName")...)
				checkSocketOf(t, name, r.read(t, "packaging/systemd/"+service))
			}
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
	for service, want := range map[string][]string{
		"weir.service":        {"control", "data", "http", "live"},
		"weir-relayd.service": {"control", "data", "live"},
	} {
		if got := slices.Sorted(slices.Values(sockets[service])); !slices.Equal(got, want) {
			t.Errorf("sockets of %s are %q, want %q", service, got, want)
		}
	}
	if services != 4 {
		t.Errorf("found %d services, want 4", services)
	}
}

// checkSocketOf checks that a service takes a socket, is started after it and
// enabled with it.
func checkSocketOf(t *testing.T, name, service string) {
	t.Helper()
	for _, key := range []string{"Sockets", "Wants", "After", "Also"} {
		if !slices.ContainsFunc(unitValues(service, key), func(v string) bool {
			return slices.Contains(strings.Fields(v), path.Base(name))
		}) {
			t.Errorf("%s is not among %s= of its service", name, key)
		}
	}
}

// systemd itself reads the units, with a program in the place of weir that is
// there.
func TestUnitsForSystemd(t *testing.T) {
	verify := peer.Need(t, "systemd-analyze")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := openRepository(t)
	dir := t.TempDir()
	args := []string{"verify", "--man=no", "--recursive-errors=yes"}
	for _, name := range r.files {
		if ext := path.Ext(name); path.Dir(name) != "packaging/systemd" || ext != ".service" && ext != ".socket" {
			continue
		}
		text := strings.ReplaceAll(r.read(t, name), "/usr/bin/weir", self)
		file := filepath.Join(dir, path.Base(name))
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, file)
	}
	cmd := exec.CommandContext(t.Context(), verify, args...)
	// Nothing of this machine but systemd's own units.
	cmd.Env = append(os.Environ(), "SYSTEMD_UNIT_PATH="+dir+":/usr/lib/systemd/system:/lib/systemd/system")
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
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
