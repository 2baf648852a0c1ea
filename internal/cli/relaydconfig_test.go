// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/config"
	"github.com/weir-io/weir/internal/relaydopt"
)

// parsedRelayd returns the options of a command line on an empty home, and the
// environment they were read in.
func parsedRelayd(t *testing.T, args string, env ...string) (relaydopt.Options, []string) {
	t.Helper()
	home := t.TempDir()
	env = append([]string{"HOME=" + home}, env...)
	opts, err := relaydopt.Parse(relaydopt.Input{
		Args: strings.Fields(args), Env: env, Dir: home, FileLimit: 1024, SystemINI: filepath.Join(home, "none"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return opts, env
}

func TestRelaydConfig(t *testing.T) {
	file := filepath.Join(t.TempDir(), "weir.toml")
	text := `[relay]
control_url = ["tcp://127.0.0.1:5342"]
allow_clear = false
max_sessions = 7
tcp_keep_alive_probes = 9
[hub]
output_dir = "/from/file"
log_level = "error"
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, args string
		env        []string
		want       func(c *config.Config)
	}{
		{name: "defaults are lttng-relayd's", want: func(*config.Config) {}},
		{
			name: "options", args: "-C tcp://127.0.0.2:1 -D tcp6://[::]:2 -L tcp6://[::1]:3 -o /o -s -x --fd-pool-size 200 --http :80 -vv",
			want: func(c *config.Config) {
				c.Relay.ControlURL, c.Relay.DataURL, c.Relay.LiveURL = []string{"tcp4://127.0.0.2:1"}, []string{"tcp://[::]:2"}, []string{"tcp6://[::1]:3"}
				c.Hub.OutputDir, c.Relay.GroupOutputBy, c.Relay.AllowClear, c.Relay.FDPoolSize = "/o", "session", false, 200
				c.HTTP.Listen, c.Hub.LogLevel = ":80", "debug"
			},
		},
		{name: "file wins over defaults", args: "--weir-config " + file, want: func(c *config.Config) {
			c.Relay.ControlURL, c.Relay.AllowClear, c.Relay.MaxSessions = []string{"tcp://127.0.0.1:5342"}, false, 7
			c.Relay.TCPKeepAliveProbes, c.Hub.OutputDir, c.Hub.LogLevel = 9, "/from/file", "error"
		}},
		{
			name: "options win over file", args: "-o /o -v --cont tcp://127.0.0.2:1", env: []string{"WEIR_CONFIG=" + file, "LTTNG_RELAYD_DISALLOW_CLEAR=0"},
			want: func(c *config.Config) {
				c.Relay.ControlURL, c.Relay.MaxSessions = []string{"tcp4://127.0.0.2:1"}, 7
				c.Relay.TCPKeepAliveProbes, c.Hub.OutputDir, c.Hub.LogLevel = 9, "/o", "info"
			},
		},
		{name: "variables of weir", env: []string{"WEIR_RELAY_CONTROL_URL=tcp://127.0.0.1:7", "WEIR_RELAY_WORKERS=3"}, want: func(c *config.Config) {
			c.Relay.ControlURL, c.Relay.Workers = []string{"tcp://127.0.0.1:7"}, 3
		}},
		{
			name: "keep-alive of the environment", env: []string{"LTTNG_RELAYD_TCP_KEEP_ALIVE=1", "LTTNG_RELAYD_TCP_KEEP_ALIVE_IDLE_TIME=90"},
			want: func(c *config.Config) {
				c.Relay.TCPKeepAliveIdle, c.Relay.TCPKeepAliveInterval, c.Relay.TCPKeepAliveProbes = 90*time.Second, 0, 0
			},
		},
		{name: "keep-alive off", env: []string{"LTTNG_RELAYD_TCP_KEEP_ALIVE=0"}, want: func(c *config.Config) {
			c.Relay.TCPKeepAlive, c.Relay.TCPKeepAliveIdle, c.Relay.TCPKeepAliveInterval, c.Relay.TCPKeepAliveProbes = false, 0, 0, 0
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			opts, env := parsedRelayd(t, tt.args, tt.env...)
			got, err := relaydConfig(opts, env)
			if err != nil {
				t.Fatal(err)
			}
			want, err := config.Load("", []string{env[0]})
			if err != nil {
				t.Fatal(err)
			}
			want.Relay.ControlURL, want.Relay.DataURL, want.Relay.LiveURL = []string{"tcp4://0.0.0.0:5342"}, []string{"tcp4://0.0.0.0:5343"}, []string{"tcp4://127.0.0.1:5344"}
			want.Hub.OutputDir, want.Hub.LogLevel, want.Relay.FDPoolSize = opts.Home+"/lttng-traces", "warn", 1014
			tt.want(want)
			compareConfig(t, got, want)
		})
	}
}

// compareConfig compares as a person would: the text without the origins.
func compareConfig(t *testing.T, got, want *config.Config) {
	t.Helper()
	var texts [2]strings.Builder
	for i, c := range []*config.Config{got, want} {
		if err := c.WriteTOML(&texts[i]); err != nil {
			t.Fatal(err)
		}
	}
	gotLines, wantLines := strings.Split(texts[0].String(), "\n"), strings.Split(texts[1].String(), "\n")
	for i, w := range wantLines {
		g, _, _ := strings.Cut(gotLines[i], " # ")
		if w, _, _ = strings.Cut(w, " # "); g != w {
			t.Errorf("got %s, want %s", g, w)
		}
	}
}

func TestRelaydConfigErrors(t *testing.T) {
	opts, env := parsedRelayd(t, "--weir-config /nowhere/weir.toml")
	if _, err := relaydConfig(opts, env); err == nil {
		t.Error("no error for a missing file")
	}
	opts, env = parsedRelayd(t, "", "WEIR_RELAY_NOSUCH=1")
	if _, err := relaydConfig(opts, env); err == nil {
		t.Error("no error for an unknown variable")
	}
}

// TestRelaydConfigWithoutHome: init systems start daemons without HOME.
func TestRelaydConfigWithoutHome(t *testing.T) {
	opts := relaydopt.Options{Home: "/somewhere", OutputDir: "/o", GroupBy: relaydopt.GroupByHost}
	loopback := netip.MustParseAddrPort("127.0.0.1:1")
	opts.Control.Addr, opts.Data.Addr, opts.Live.Addr = loopback, loopback, loopback
	c, err := relaydConfig(opts, nil)
	if err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() != 0 && !strings.HasPrefix(c.Hub.StateDir, "/somewhere/") {
		t.Errorf("state directory %q, want it below /somewhere", c.Hub.StateDir)
	}
}
