// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaydopt

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// lookUp is a name service of two names.
func lookUp(_ context.Context, network, host string) ([]netip.Addr, error) {
	addrs := map[string][]netip.Addr{
		"ip4 both": {netip.MustParseAddr("192.0.2.1")},
		"ip6 both": {netip.MustParseAddr("2001:db8::1")},
		"ip6 six":  {netip.MustParseAddr("2001:db8::6")},
	}[network+" "+host]
	if addrs == nil {
		return nil, errors.New("no such host")
	}
	return addrs, nil
}

// input is an Input on an empty home directory.
func input(t *testing.T, args ...string) Input {
	t.Helper()
	home := t.TempDir()
	return Input{
		Args: args, Env: []string{"HOME=" + home}, Dir: "/start", FileLimit: 1024,
		SystemINI: filepath.Join(home, "no-system.conf"), Resolve: lookUp,
	}
}

// defaults are the options of an empty command line, with $HOME for the home.
func defaults() Options {
	return Options{
		Control: listen("0.0.0.0:5342"), Data: listen("0.0.0.0:5343"), Live: listen("127.0.0.1:5344"),
		OutputDir: "$HOME/lttng-traces", GroupBy: GroupByHost, AllowClear: true, FDPoolSize: 1014,
		Home: "$HOME", TracingGroup: "tracing", RunDir: "$HOME/.lttng", HTTP: "127.0.0.1:9347",
	}
}

func listen(addr string) Listen { return Listen{netip.MustParseAddrPort(addr)} }

// hide replaces the test's home directory by $HOME.
func hide(o Options, home string) Options {
	for _, p := range []*string{&o.Home, &o.OutputDir, &o.RunDir, &o.HealthSocket, &o.PIDFile, &o.WeirConfig, &o.WorkingDir} {
		if rest, ok := strings.CutPrefix(*p, home); ok {
			*p = "$HOME" + rest
		}
	}
	for i := range o.Warnings {
		o.Warnings[i] = strings.ReplaceAll(o.Warnings[i], home, "$HOME")
	}
	return o
}

func TestParse(t *testing.T) {
	tests := []struct {
		name string
		args string // separated by blanks
		env  []string
		root bool
		want func(o *Options)
	}{
		{name: "nothing", want: func(*Options) {}},
		{name: "non-options", args: "a - b -- -Z --nothing", want: func(*Options) {}},
		{
			name: "all long", args: "--control-port=tcp://127.0.0.2:1 --data-port tcp4://both:2 --live-port=tcp6://both:3 " +
				"--output=/o --group-output-by-session --working-directory=/ --disallow-clear --fd-pool-size=200 --group=g " +
				"--background --pid-file=run/p --sig-parent --verbose --http=:80 --weir-config=w.toml --data-udp --hop-listen=:5350 --hop-allow=a:1,b:2",
			want: func(o *Options) {
				o.Control, o.Data, o.Live = listen("127.0.0.2:1"), listen("192.0.2.1:2"), listen("[2001:db8::1]:3")
				o.OutputDir, o.GroupBy, o.WorkingDir, o.AllowClear, o.FDPoolSize = "/o", GroupBySession, "/", false, 200
				o.TracingGroup, o.Start, o.PIDFile, o.SignalParent, o.Verbosity = "g", Background, "/start/run/p", true, 1
				o.HTTP, o.WeirConfig = ":80", "/start/w.toml"
				o.DataUDP = true
				o.HopListen, o.HopAllow = ":5350", "a:1,b:2"
			},
		},
		{
			name: "all short", args: "-Ctcp://127.0.0.2 -D net://127.0.0.3:7:8 -L TCP6://[::1]:9 -o/o -p -w / -x -gg -d -P /p -S -vv",
			want: func(o *Options) {
				o.Control, o.Data, o.Live = listen("127.0.0.2:5342"), listen("127.0.0.3:7"), listen("[::1]:9")
				o.OutputDir, o.WorkingDir, o.AllowClear, o.TracingGroup = "/o", "/", false, "g"
				o.Start, o.PIDFile, o.SignalParent, o.Verbosity = Daemonize, "/p", true, 2
			},
		},
		{name: "abbreviated", args: "--con tcp://127.0.0.2:1", want: nil},
		{
			name: "abbreviations", args: "--cont tcp://127.0.0.2:1 --dat=tcp://127.0.0.2:2 --l tcp://127.0.0.2:3 --o /o --w / --dis --f 150 --b --verb --ht none --we /w",
			want: func(o *Options) {
				o.Control, o.Data, o.Live = listen("127.0.0.2:1"), listen("127.0.0.2:2"), listen("127.0.0.2:3")
				o.OutputDir, o.WorkingDir, o.AllowClear, o.FDPoolSize, o.Start, o.Verbosity = "/o", "/", false, 150, Background, 1
				o.HTTP, o.WeirConfig = "", "/w"
			},
		},
		{name: "cluster", args: "-vxvSo/o -vv", want: func(o *Options) {
			o.Verbosity, o.AllowClear, o.SignalParent, o.OutputDir = 3, false, true, "/o"
		}},
		{name: "the last one counts", args: "-o /a -o /b -g a -g b -d -b -d", want: func(o *Options) {
			o.OutputDir, o.TracingGroup, o.Start = "/b", "b", Background
		}},
		{name: "dynamic ports", args: "--dyn -C tcp://127.0.0.2 -D tcp://127.0.0.2:0 -L tcp://127.0.0.2:8", want: func(o *Options) {
			o.Control, o.Data, o.Live = listen("127.0.0.2:0"), listen("127.0.0.2:0"), listen("127.0.0.2:8")
		}},
		{name: "dynamic defaults", args: "--dynamic-port-allocation", want: func(o *Options) {
			o.Control, o.Data, o.Live = listen("0.0.0.0:0"), listen("0.0.0.0:0"), listen("127.0.0.1:0")
		}},
		{name: "URLs", args: "-C tcp://[::1]:1/sub/dir -D tcp6://six:2 -L tcp://six", want: func(o *Options) {
			o.Control, o.Data, o.Live = listen("[::1]:1"), listen("[2001:db8::6]:2"), listen("[2001:db8::6]:5344")
		}},
		{name: "octal and hexadecimal pool", args: "--fd-pool-size=0x80", want: func(o *Options) { o.FDPoolSize = 128 }},
		{name: "version", args: "-V --output relative", want: func(o *Options) { *o = Options{Action: ShowVersion} }},
		{name: "help", args: "-xh -V", want: func(o *Options) { *o = Options{Action: ShowHelp} }},
		{name: "POSIX order", args: "-x a -Z", env: []string{"POSIXLY_CORRECT=1"}, want: func(o *Options) { o.AllowClear = false }},
		{name: "root", root: true, want: func(o *Options) { o.RunDir = "/var/run/lttng" }},
		{
			name: "environment", env: []string{
				"LTTNG_HOME=rel", "LTTNG_RUNDIR=run", "LTTNG_RELAYD_HEALTH=h", "LTTNG_RELAYD_DISALLOW_CLEAR=yes",
				"LTTNG_RELAYD_WORKING_DIRECTORY=/", "LTTNG_NETWORK_SOCKET_TIMEOUT=1500", "LTTNG_RELAYD_TCP_KEEP_ALIVE=1",
				"LTTNG_RELAYD_TCP_KEEP_ALIVE_IDLE_TIME=60", "LTTNG_RELAYD_TCP_KEEP_ALIVE_PROBE_INTERVAL=-1", "LTTNG_RELAYD_TCP_KEEP_ALIVE_MAX_PROBE_COUNT=5",
			},
			want: func(o *Options) {
				o.Home, o.OutputDir, o.RunDir, o.HealthSocket = "/start/rel", "/start/rel/lttng-traces", "/start/run", "/start/h"
				o.AllowClear, o.WorkingDir, o.SocketTimeout = false, "/", 1500*time.Millisecond
				o.KeepAlive = KeepAlive{Given: true, Enabled: true, Idle: time.Minute, Probes: 5}
			},
		},
		{
			name: "options win over environment", args: "-x -w /tmp", env: []string{"LTTNG_RELAYD_DISALLOW_CLEAR=nonsense", "LTTNG_RELAYD_WORKING_DIRECTORY=/nowhere"},
			want: func(o *Options) { o.AllowClear, o.WorkingDir = false, "/tmp" },
		},
		{
			name: "clear allowed", env: []string{"LTTNG_RELAYD_DISALLOW_CLEAR=0", "LTTNG_RELAYD_TCP_KEEP_ALIVE=off"},
			want: func(o *Options) { o.KeepAlive.Given = true },
		},
		{
			name: "bad environment", env: []string{
				"LTTNG_RELAYD_TCP_KEEP_ALIVE=2", "LTTNG_RELAYD_TCP_KEEP_ALIVE_IDLE_TIME=x",
				"LTTNG_RELAYD_TCP_KEEP_ALIVE_PROBE_INTERVAL=-2", "LTTNG_RELAYD_TCP_KEEP_ALIVE_MAX_PROBE_COUNT=128", "LTTNG_NETWORK_SOCKET_TIMEOUT=-5",
			},
			want: func(o *Options) {
				o.Warnings = []string{
					`invalid value "2" of LTTNG_RELAYD_TCP_KEEP_ALIVE, want 0 or 1`,
					`invalid value "x" of LTTNG_RELAYD_TCP_KEEP_ALIVE_IDLE_TIME, want a number from -1 to 32767`,
					`invalid value "-2" of LTTNG_RELAYD_TCP_KEEP_ALIVE_PROBE_INTERVAL, want a number from -1 to 32767`,
					`invalid value "128" of LTTNG_RELAYD_TCP_KEEP_ALIVE_MAX_PROBE_COUNT, want a number from -1 to 127`,
					`invalid value "-5" of LTTNG_NETWORK_SOCKET_TIMEOUT, want a number from -1 to 1073741824`,
				}
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := input(t, strings.Fields(tt.args)...)
			home := strings.TrimPrefix(in.Env[0], "HOME=")
			in.Env, in.Root = append(in.Env, tt.env...), tt.root
			got, err := Parse(in)
			if tt.want == nil {
				if err == nil {
					t.Fatal("no error")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := defaults()
			tt.want(&want)
			if diff := cmp.Diff(want, hide(got, home), cmpopts.IgnoreFields(Options{}, "Given"), cmpopts.EquateEmpty(), cmp.Comparer(func(a, b Listen) bool { return a == b })); diff != "" {
				t.Errorf("options (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	tests := []struct {
		args, want string
		env        []string
		limit      uint64
	}{
		{args: "--verbos=1", want: "option '--verbose' doesn't allow an argument"},
		{args: "--ver", want: "option '--ver' is ambiguous; possibilities: '--verbose' '--version'"},
		{args: "--d", want: "option '--d' is ambiguous; possibilities: '--data-port' '--dynamic-port-allocation' '--disallow-clear' '--daemonize'"},
		{args: "--=x", want: "option '--' is ambiguous"},
		{args: "--nosuch", want: "unrecognized option '--nosuch'"},
		{args: "--output", want: "option '--output' requires an argument"},
		{args: "--controlport x", want: "unrecognized option '--controlport'"},
		{args: "-o", want: "option requires an argument -- 'o'"},
		{args: "-vo", want: "option requires an argument -- 'o'"},
		{args: "-vZ", want: "invalid option -- 'Z'"},
		{args: "-v=1", want: "invalid option -- '='"},
		{args: "-V -Z", want: "invalid option -- 'Z'"},
		{args: "-p -p", want: "cannot set --group-output-by-host, another --group-output-by argument is present"},
		{args: "-s -p", want: "cannot set --group-output-by-host, another"},
		{args: "-p -s -V", want: "cannot set --group-output-by-session, another"},
		{args: "-o relative", want: `please specify an absolute path for -o, --output PATH, got "relative"`},
		{args: "-o=/x", want: `got "=/x"`},
		{args: "--output=", want: `got ""`},
		{args: "-w /nowhere/at/all", want: "working directory: stat /nowhere/at/all: no such file or directory"},
		{args: "-w /dev/null", want: "working directory /dev/null is no directory"},
		{args: "--working-directory=", want: "empty path for -w, --working-directory"},
		{args: "--fd-pool-size 99", want: "must be set to at least 100, got 99"},
		{args: "--fd-pool-size 1025", want: "file descriptor pool size 1025 exceeds the process' soft limit of open files 1024"},
		{args: "--fd-pool-size 100x", want: `wrong value in --fd-pool-size parameter: "100x"`},
		{args: "--fd-pool-size -100", want: `wrong value in --fd-pool-size parameter: "-100"`},
		{args: "--fd-pool-size 1_000", want: `wrong value in --fd-pool-size parameter: "1_000"`},
		{args: "--fd-pool-size=", want: `wrong value in --fd-pool-size parameter: ""`},
		{args: "--fd-pool-size=99999999999999999999", want: "wrong value in --fd-pool-size parameter"},
		{args: "-x", limit: 99, want: "the process' limit of open files is 99, must be at least 100"},
		{args: "-C tcp://127.0.0.1:65536", want: `--control-port: lttng: URL "tcp://127.0.0.1:65536": invalid port number "65536"`},
		{args: "-D tcp://127.0.0.1:-1", want: `--data-port: lttng: URL "tcp://127.0.0.1:-1": invalid port number "-1"`},
		{args: "-L tcp://127.0.0.1:0", want: `--live-port: URL "tcp://127.0.0.1:0": invalid port number 0 without --dynamic-port-allocation`},
		{args: "-C tcp://127.0.0.1:x", want: `invalid port number "x"`},
		{args: "-C tcp://127.0.0.1:5x", want: `invalid port number "5x"`},
		{args: "-C tcp://127.0.0.1:1:2", want: `trailing characters not recognized ":2"`},
		{args: "-C net://127.0.0.1:1:2:3", want: `trailing characters not recognized ":2:3"`},
		{args: "-C net://127.0.0.1:1:99999", want: `invalid port number "99999"`},
		{args: "-C 5342", want: `unrecognized URL format "5342"`},
		{args: "-C /tmp/socket", want: `unknown protocol "file"`},
		{args: "-C file:///tmp", want: `unknown protocol "file"`},
		{args: "-C udp://127.0.0.1:5", want: `unknown protocol "udp"`},
		{args: "-C tcp://:5342", want: "invalid host"},
		{args: "-C tcp://user@both:5342", want: `invalid host "user@both"`},
		{args: "-C tcp://[::1", want: `invalid host "[::1"`},
		{args: "-C tcp://[::1]5342", want: `trailing characters not recognized "5342"`},
		{args: "-C tcp://[::1%lo]:5342", want: "address ::1%lo has a zone"},
		{args: "-C tcp://[both]:5342", want: `invalid host "both"`},
		{args: "-C tcp4://[::1]:5342", want: `address family mismatch "::1"`},
		{args: "-C tcp6://127.0.0.1:5342", want: `address family mismatch "127.0.0.1"`},
		{args: "-C tcp://nosuch:5342", want: `bad host name "nosuch": no such host`},
		{args: "-C tcp4://six:5342", want: `bad host name "six": no such host`},
		{args: "-C tcp://nosuch -C tcp://both", want: `bad host name "nosuch"`},
		{args: "-f /nowhere/at/all", want: "open daemon configuration file: open /nowhere/at/all: no such file or directory"},
		{args: "-f / -V", want: "read daemon configuration file: read /: is a directory"},
		{args: "-f nosuch", want: "open /start/nosuch: no such file"},
		{args: "--http 9347", want: `wrong value in --http parameter: "9347"`},
		{args: "--http :99999", want: `wrong value in --http parameter: ":99999"`},
		{want: `invalid value "2x" of LTTNG_RELAYD_DISALLOW_CLEAR, want 0 or 1`, env: []string{"LTTNG_RELAYD_DISALLOW_CLEAR=2x"}},
		{want: `invalid value "" of LTTNG_RELAYD_DISALLOW_CLEAR`, env: []string{"LTTNG_RELAYD_DISALLOW_CLEAR="}},
		{want: "working directory: stat /nowhere", env: []string{"LTTNG_RELAYD_WORKING_DIRECTORY=/nowhere"}},
		{want: "no home directory for the output: set LTTNG_HOME", env: []string{"HOME="}},
		{args: "-o /o", want: "no home directory for the run directory: set LTTNG_HOME", env: []string{"HOME="}},
	}
	for _, tt := range tests {
		in := input(t, strings.Fields(tt.args)...)
		in.Env = append(in.Env, tt.env...)
		if tt.limit != 0 {
			in.FileLimit = tt.limit
		}
		got, err := Parse(in)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Parse(%q, %q) = %v, want an error with %q", tt.args, tt.env, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("Parse(%q): error of several lines: %q", tt.args, err)
		}
		if got.Action != Run || got.OutputDir != "" {
			t.Errorf("Parse(%q) returns options beside the error: %+v", tt.args, got)
		}
	}
}

func TestParseGiven(t *testing.T) {
	in := input(t, "-C", "tcp://127.0.0.1", "-p", "-x", "--verb", "--http", "none")
	o, err := Parse(in)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{"control-port": true, "group-output-by-host": true, "disallow-clear": true, "verbose": true, "http": true}
	if diff := cmp.Diff(want, o.Given); diff != "" {
		t.Errorf("Given (-want +got):\n%s", diff)
	}
}

func TestParseUnknownLimit(t *testing.T) {
	in := input(t, "--fd-pool-size", "100000")
	in.FileLimit = 0
	if o, err := Parse(in); err != nil || o.FDPoolSize != 100000 {
		t.Errorf("Parse with an unknown limit = %d, %v, want 100000", o.FDPoolSize, err)
	}
	in = input(t)
	in.FileLimit = 1<<64 - 1 // unlimited
	if o, err := Parse(in); err != nil || o.FDPoolSize != 1<<30-10 {
		t.Errorf("Parse without a limit = %d, %v, want %d", o.FDPoolSize, err, 1<<30-10)
	}
}

func TestLocalhostWithoutNameService(t *testing.T) {
	o, err := Parse(input(t, "-C", "tcp6://localhost", "-D", "tcp://LocalHost"))
	if err != nil {
		t.Fatal(err)
	}
	if o.Control != listen("[::1]:5342") || o.Data != listen("127.0.0.1:5343") {
		t.Errorf("control %v, data %v, want the loopback addresses", o.Control, o.Data)
	}
}

func TestListenURL(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1:5342": "tcp4://127.0.0.1:5342", "0.0.0.0:0": "tcp4://0.0.0.0:0",
		"[::1]:1": "tcp6://[::1]:1", "[::]:1": "tcp://[::]:1",
	} {
		if got := listen(addr).URL(); got != want {
			t.Errorf("URL of %s = %q, want %q", addr, got, want)
		}
	}
}

func TestHelp(t *testing.T) {
	help := Help()
	seen := map[string]bool{}
	for _, f := range Flags() {
		if !strings.Contains(help, "--"+f.Long) {
			t.Errorf("help lacks --%s", f.Long)
		}
		if seen[f.Long] || (f.Short != 0 && seen[string(f.Short)]) {
			t.Errorf("--%s or -%c is there twice", f.Long, f.Short)
		}
		seen[f.Long], seen[string(f.Short)] = true, f.Short != 0
		if !strings.HasSuffix(f.Usage, ".") {
			t.Errorf("usage of --%s is no sentence", f.Long)
		}
	}
	for i, line := range strings.Split(help+Long(), "\n") {
		if len(line) > 82 {
			t.Errorf("help line %d has %d columns: %q", i+1, len(line), line)
		}
	}
	for _, v := range variables() {
		if !strings.Contains(help, v[0]) || !strings.Contains(Long(), v[0]) {
			t.Errorf("help or manual lacks %s", v[0])
		}
	}
}

// writeINI makes the user's configuration file of an Input.
func writeINI(t *testing.T, in Input, text string) string {
	t.Helper()
	home := strings.TrimPrefix(in.Env[0], "HOME=")
	path := filepath.Join(home, homeINI)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return home
}
