// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// writeFile writes a configuration file and returns its path.
func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "weir.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoadLayers(t *testing.T) {
	path := writeFile(t, `
[hub]
state_dir = "/srv/weir"
log_level = "debug"
[relay]
workers = 3
control_url = "tcp://[::1]:5342"
data_url = ["tcp://127.0.0.1:1", "tcp6://[::1]:2"]
max_packet_size = "64 MiB"
reserve = 4096
idle_timeout = "1h"
allow_clear = false
`)
	environ := []string{"PATH=/bin", "WEIR_RELAY_WORKERS=4", "WEIR_RELAY_LIVE_URL=tcp://a:1, tcp://b:2,", "WEIR_HUB_LOG_FORMAT=json", "WEIR_RELAY_TCP_KEEP_ALIVE=0"}
	c, err := Load(path, environ,
		Override{"relay.workers", "5", "--workers"}, Override{"http.listen", "[::1]:0", "--http"})
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Hub = Hub{StateDir: "/srv/weir", OutputDir: "/srv/weir/traces", LogLevel: "debug", LogFormat: "json"}
	want.Relay.Workers = 5
	want.Relay.ControlURL = []string{"tcp://[::1]:5342"}
	want.Relay.DataURL = []string{"tcp://127.0.0.1:1", "tcp6://[::1]:2"}
	want.Relay.LiveURL = []string{"tcp://a:1", "tcp://b:2"}
	want.Relay.MaxPacketSize = 64 * MiB
	want.Relay.Reserve = 4096
	want.Relay.IdleTimeout = time.Hour
	want.Relay.AllowClear, want.Relay.TCPKeepAlive = false, false
	want.HTTP.Listen = "[::1]:0"
	if diff := cmp.Diff(want.Values(), c.Values()); diff != "" {
		t.Errorf("Load: (-want +got)\n%s", diff)
	}
	origins := map[string]string{"relay.workers": "--workers", "hub.log_level": path + ":4", "relay.live_url": "WEIR_RELAY_LIVE_URL", "relay.fsync": ""}
	for key, want := range origins {
		if got := c.origins[key]; got != want {
			t.Errorf("origin of %s = %q, want %q", key, got, want)
		}
	}
}

func TestLoadErrors(t *testing.T) {
	tests := []struct {
		name, file string
		environ    []string
		override   Override
		want       string // after the file's name
	}{
		{name: "unknown key", file: "[relay]\nworkers = 1\nworkerz = 2\n", want: ":3: relay.workerz: unknown key"},
		{name: "letter case", file: "[relay]\nWorkers = 1\n", want: ":2: relay.Workers: unknown key"},
		{name: "first of two", file: "[relay]\nzz = 1\naa = 1\n", want: ":2: relay.zz: unknown key"},
		{name: "unknown section", file: "\n[relays]\nworkers = 1\n", want: ":2: relays: unknown section"},
		{name: "array of tables", file: "[[relay]]\nworkers = 1\n", want: ":1: relay: want one table, got an array of tables"},
		{name: "no section", file: "workers = 1\n", want: ":1: workers: unknown key outside of any section"},
		{name: "table for a value", file: "[relay.workers]\nx = 1\n", want: ":1: relay.workers: want an integer, got a table"},
		{name: "string for integer", file: "[relay]\nworkers = \"2\"\n", want: `:2: relay.workers: want an integer, got string "2"`},
		{name: "integer for string", file: "[hub]\nlog_level = 3\n", want: ":2: hub.log_level: want a string, got 3"},
		{name: "integer for duration", file: "[relay]\n\nidle_timeout = 5\n", want: ":3: relay.idle_timeout: want a duration, got 5"},
		{name: "bad duration", file: "[relay]\nidle_timeout = \"5\"\n", want: `:2: relay.idle_timeout: want a duration such as 5s, 10ms or 24h, got "5"`},
		{name: "bad size", file: "[relay]\nreserve = \"5 lots\"\n", want: `:2: relay.reserve: want a size such as 64MiB, 500kB or 4096, got "5 lots"`},
		{name: "mixed list", file: "[relay]\ncontrol_url = [\n\"tcp://a:1\",\n2]\n", want: ":2: relay.control_url: want a list of strings, got an array"},
		{name: "list for a size", file: "[relay]\nreserve = [\"1\"]\n", want: ":2: relay.reserve: want a size, got an array"},
		{name: "float", file: "[relay]\nworkers = 1.5\n", want: ":2: relay.workers: want an integer, got 1.5"},
		{name: "bool", file: "[relay]\nallow_clear = \"yes\"\n", want: `:2: relay.allow_clear: want true or false, got string "yes"`},
		{name: "syntax", file: "[relay]\nworkers = = 2\n", want: ":2: expected value but found '=' instead"},
		{name: "range", file: "[relay]\nworkers = -1\n", want: ":2: relay.workers: want 0 to 1024, got -1"},
		{name: "range of a default's neighbour", file: "[relay]\nfsync = \"often\"\n", want: `:2: relay.fsync: want never, chunk or interval, got "often"`},

		{name: "variable", environ: []string{"WEIR_RELAY_WORKERS=x"}, want: `WEIR_RELAY_WORKERS: relay.workers: want an integer, got "x"`},
		{name: "variable's range", environ: []string{"WEIR_RELAY_FD_POOL_SIZE=99"}, want: "WEIR_RELAY_FD_POOL_SIZE: relay.fd_pool_size: want 0 or 100 and more, got 99"},
		{name: "unknown variable", environ: []string{"WEIR_RELAY_WORKERZ=1"}, want: "WEIR_RELAY_WORKERZ: unknown variable: no key of section relay has this name"},
		{name: "variable bool", environ: []string{"WEIR_RELAY_ALLOW_CLEAR=maybe"}, want: `WEIR_RELAY_ALLOW_CLEAR: relay.allow_clear: want true or false, got "maybe"`},
		{name: "flag", override: Override{"relay.control_url", "udp://x:1", "--control"}, want: `--control: relay.control_url: want tcp://HOST:PORT, tcp4:// or tcp6://, got "udp://x:1"`},
		{name: "empty list", override: Override{"relay.data_url", "", "--data"}, want: "--data: relay.data_url: want at least 1 URL, got none"},
		{name: "override of nothing", override: Override{"relay.nope", "", "--nope"}, want: "--nope: relay.nope: unknown key"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path, overrides := "", []Override(nil)
			if tt.file != "" {
				path = writeFile(t, tt.file)
			}
			if tt.override.Key != "" {
				overrides = append(overrides, tt.override)
			}
			_, err := Load(path, append(tt.environ, "HOME=/home/u"), overrides...)
			if err == nil || err.Error() != path+tt.want {
				t.Fatalf("Load: %v, want %s%s", err, path, tt.want)
			}
			if _, ok := errors.AsType[*Error](err); !ok {
				t.Errorf("Load: error of type %T, want *Error", err)
			}
		})
	}
}

func TestLoadMissingFile(t *testing.T) {
	if _, err := Load(filepath.Join(t.TempDir(), "absent.toml"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Load(absent) = %v, want os.ErrNotExist", err)
	}
}

func TestDefaultStateDir(t *testing.T) {
	tests := []struct {
		environ []string
		root    bool
		want    string
	}{
		{[]string{"HOME=/root", "XDG_STATE_HOME=/x"}, true, "/var/lib/weir"},
		{[]string{"HOME=/home/u", "XDG_STATE_HOME=/x"}, false, "/x/weir"},
		{[]string{"HOME=/home/u", "XDG_STATE_HOME=relative"}, false, "/home/u/.local/state/weir"},
		{[]string{"HOME=/home/u"}, false, "/home/u/.local/state/weir"},
	}
	for _, tt := range tests {
		if got, err := defaultStateDir(tt.environ, tt.root); got != tt.want || err != nil {
			t.Errorf("defaultStateDir(%q, %v) = %q, %v, want %q", tt.environ, tt.root, got, err, tt.want)
		}
	}
	if got, err := defaultStateDir(nil, false); err == nil {
		t.Errorf("defaultStateDir without HOME = %q, want an error", got)
	}
}

func TestUsualFiles(t *testing.T) {
	tests := []struct {
		environ []string
		root    bool
		want    string
	}{
		{[]string{"HOME=/root"}, true, "/etc/weir/weir.toml"},
		{[]string{"HOME=/home/u"}, false, "/home/u/.config/weir/weir.toml /etc/weir/weir.toml"},
		{[]string{"HOME=/home/u", "XDG_CONFIG_HOME=/c"}, false, "/c/weir/weir.toml /etc/weir/weir.toml"},
		{nil, false, "/etc/weir/weir.toml"},
	}
	for _, tt := range tests {
		if got := strings.Join(usualFiles(tt.environ, tt.root), " "); got != tt.want {
			t.Errorf("usualFiles(%q, %v) = %s, want %s", tt.environ, tt.root, got, tt.want)
		}
	}
}

func TestFindFile(t *testing.T) {
	if got := FindFile([]string{"WEIR_CONFIG=/a/b.toml"}); got != "/a/b.toml" {
		t.Errorf("FindFile = %q, want what WEIR_CONFIG says", got)
	}
}

// Each key must change the effective configuration through the file and
// through the environment: a key that is read but not stored would be found.
func TestEveryKeyIsSettable(t *testing.T) {
	samples := map[string]string{"string": "x", "integer": "7", "true or false": "", "duration": "7s", "size": "7MiB", "list of strings": "tcp://h:7"}
	for key, s := range Default().settings() {
		text := samples[s.kind()]
		if text == "" {
			text = map[string]string{"true": "false", "false": "true"}[s.text()]
		}
		c := Default()
		c.origins = map[string]string{}
		if err := c.applyEnviron([]string{s.env() + "=" + text}); err != nil {
			t.Errorf("%s: %v", s.env(), err)
			continue
		}
		fromEnv := c.settings()[key].text()
		if fromEnv == s.text() {
			t.Errorf("%s=%s left %s at %s", s.env(), text, key, fromEnv)
		}
		fromFile := Default()
		fromFile.origins = map[string]string{}
		if err := fromFile.applyFile("f", "["+s.section+"]\n"+s.name+" = "+fromEnv+"\n"); err != nil {
			t.Errorf("%s = %s: %v", key, fromEnv, err)
			continue
		}
		if !reflect.DeepEqual(fromFile.Values(), c.Values()) {
			t.Errorf("%s: file and environment differ", key)
		}
	}
}

func TestWriteTOMLIsReadBack(t *testing.T) {
	path := writeFile(t, "[hub]\nstate_dir = \"/s\\\"t\\u0001\\\\a\"\n[relay]\nlive_url = []\nidle_timeout = \"90m\"\nreserve = \"1500B\"\n")
	c, err := Load(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	writers := map[string]func(*bytes.Buffer) error{
		"WriteTOML":     func(b *bytes.Buffer) error { return c.WriteTOML(b) },
		"WriteTemplate": func(b *bytes.Buffer) error { return c.WriteTemplate(b) },
	}
	for name, write := range writers {
		var text bytes.Buffer
		if err := write(&text); err != nil {
			t.Fatal(err)
		}
		back, err := Load(writeFile(t, text.String()), nil)
		if err != nil {
			t.Fatalf("%s wrote what Load refuses: %v\n%s", name, err, &text)
		}
		if diff := cmp.Diff(c.Values(), back.Values()); diff != "" {
			t.Errorf("%s: read back differs (-want +got)\n%s", name, diff)
		}
		if name == "WriteTOML" && !strings.Contains(text.String(), `idle_timeout = "1h30m" # `+path+":5\n") {
			t.Errorf("WriteTOML does not say where idle_timeout was set:\n%s", &text)
		}
	}
}

func FuzzLoad(f *testing.F) {
	var template bytes.Buffer
	if err := Default().WriteTemplate(&template); err != nil {
		f.Fatal(err)
	}
	f.Add(template.String())
	f.Add("[relay]\ncontrol_url = [\"tcp://[::1]:0\"]\nreserve = 9223372036854775807\n")
	f.Add("[hub]\nstate_dir = '''/x'''\n")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<14 {
			return
		}
		c := Default()
		c.origins = map[string]string{}
		if err := c.applyFile("f", text); err != nil {
			return
		}
		if c.fillDirectories([]string{"HOME=/h"}, false) != nil || c.Validate() != nil {
			return
		}
		var out bytes.Buffer
		if err := c.WriteTOML(&out); err != nil {
			t.Fatal(err)
		}
		back := Default()
		back.origins = map[string]string{}
		if err := back.applyFile("f", out.String()); err != nil {
			t.Fatalf("WriteTOML wrote what is refused: %v\n%s", err, &out)
		}
		if diff := cmp.Diff(c.Values(), back.Values()); diff != "" {
			t.Fatalf("read back differs: %s", diff)
		}
	})
}
