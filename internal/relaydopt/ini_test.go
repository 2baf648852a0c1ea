// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaydopt

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestParseINI(t *testing.T) {
	entry := func(line int, key, value string) iniEntry { return iniEntry{line, key, value} }
	tests := []struct {
		name, text string
		want       []iniEntry
		complaints int
	}{
		{"empty", "", nil, 0},
		{"pairs", "[relayd]\na=1\nb : 2\nc = x:y\nd:x=y\n", []iniEntry{entry(2, "a", "1"), entry(3, "b", "2"), entry(4, "c", "x:y"), entry(5, "d:x", "y")}, 0},
		{"no newline at the end", "[relayd]\na=1", []iniEntry{entry(2, "a", "1")}, 0},
		{"returns", "[relayd]\r\na=1\r\n", []iniEntry{entry(2, "a", "1")}, 0},
		{"byte order mark", "\xef\xbb\xbf[relayd]\na=1\n", []iniEntry{entry(2, "a", "1")}, 0},
		{"indented", "  [relayd]\n  a=1\n\tb=2\n", []iniEntry{entry(2, "a", "1"), entry(3, "b", "2")}, 0},
		{"comments", "; x\n# y\n[relayd] ; z\n;a=1\n  # a=2\na=3 ; why\nb=x;y\nc=;\n", []iniEntry{entry(6, "a", "3"), entry(7, "b", "x;y"), entry(8, "c", ";")}, 0},
		{"separator in a comment", "[relayd]\na ; b=1\n", nil, 1},
		{"other sections", "a=0\n[sessiond]\na=1\n[relayd]\na=2\n[ relayd ]\na=3\n[Relayd]\na=4\n[relayd]\na=5\n", []iniEntry{entry(5, "a", "2"), entry(11, "a", "5")}, 0},
		{"empty parts", "[relayd]\n=x\na=\n=\n", []iniEntry{entry(2, "", "x"), entry(3, "a", ""), entry(4, "", "")}, 0},
		{"rubbish", "[relayd\nx\n[relayd]\ny\n]\na=1\n", []iniEntry{entry(6, "a", "1")}, 4},
		{"quotes stand for themselves", "[relayd]\na=\"1\"\n", []iniEntry{entry(2, "a", `"1"`)}, 0},
		{"long line", "[relayd]\na=" + strings.Repeat("x", 70000) + "\nb=1\n", []iniEntry{entry(2, "a", strings.Repeat("x", 70000)), entry(3, "b", "1")}, 0},
	}
	for _, tt := range tests {
		got, complaints := parseINI([]byte(tt.text), "relayd")
		if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(iniEntry{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: entries (-want +got):\n%s", tt.name, diff)
		}
		if len(complaints) != tt.complaints {
			t.Errorf("%s: complaints %q, want %d", tt.name, complaints, tt.complaints)
		}
	}
}

func TestParseSwitch(t *testing.T) {
	tests := []struct {
		text string
		want int
		ok   bool
	}{
		{"yes", 1, true},
		{"TRUE", 1, true},
		{"On", 1, true},
		{"1", 1, true},
		{"3", 3, true},
		{" 2", 2, true},
		{"no", 0, true},
		{"False", 0, true},
		{"OFF", 0, true},
		{"0", 0, true},
		{"00", 0, true},
		{"", 0, false},
		{"y", 0, false},
		{"-1", 0, false},
		{"2x", 0, false},
		{"99999999999", 0, false},
	}
	for _, tt := range tests {
		if got, ok := parseSwitch(tt.text); got != tt.want || ok != tt.ok {
			t.Errorf("parseSwitch(%q) = %d, %v, want %d, %v", tt.text, got, ok, tt.want, tt.ok)
		}
	}
}

func TestConfigurationFiles(t *testing.T) {
	tests := []struct {
		name, ini, args string
		want            func(*Options)
		err             string
	}{
		{
			name: "all keys", ini: "control-port=tcp://127.0.0.2:1\ndata-port=tcp://127.0.0.2:2\nlive-port=tcp://127.0.0.2:3\noutput=/o\n" +
				"group-output-by-session=yes\nworking-directory=/\ndisallow-clear=on\nfd-pool-size=0200\ngroup=g\ndaemonize=1\npid-file=p\nsig-parent=true\nverbose=2\n" +
				"http=none\nweir-config=/w\ndynamic-port-allocation=no\nbackground=off",
			want: func(o *Options) {
				o.Control, o.Data, o.Live = listen("127.0.0.2:1"), listen("127.0.0.2:2"), listen("127.0.0.2:3")
				o.OutputDir, o.GroupBy, o.WorkingDir, o.AllowClear, o.FDPoolSize, o.TracingGroup = "/o", GroupBySession, "/", false, 128, "g"
				o.Start, o.PIDFile, o.SignalParent, o.Verbosity, o.HTTP, o.WeirConfig = Daemonize, "/start/p", true, 2, "", "/w"
			},
		},
		{
			name: "command line wins", ini: "output=/o\ncontrol-port=tcp://127.0.0.2:1\nverbose=7\nfd-pool-size=200", args: "-o /p -C tcp://127.0.0.2:2 -v --fd-pool-size 300",
			want: func(o *Options) {
				o.OutputDir, o.Control, o.Verbosity, o.FDPoolSize = "/p", listen("127.0.0.2:2"), 3, 300
			},
		},
		{name: "ignored keys", ini: "version=yes\nhelp=yes\nconfig=/nowhere\nVERSION=yes", want: func(o *Options) {
			o.Warnings = []string{`line 5: unrecognized option "VERSION" in daemon configuration file`}
		}},
		{
			name: "lenient", ini: "nosuch=1\ndisallow-clear=maybe\nlive-port=tcp://127.0.0.2:3\nlive-port=tcp://127.0.0.1:99999\ncontrol-port=\nrubbish\nfd-pool-size=abc\nhttp=x",
			want: func(o *Options) {
				o.Live = listen("127.0.0.2:3")
				o.Warnings = []string{
					"line 7: neither section, comment nor key=value",
					`line 2: unrecognized option "nosuch" in daemon configuration file`,
					`line 3: invalid configuration value "maybe" for option disallow-clear`,
					`line 8: wrong value in --fd-pool-size parameter: "abc"`,
					`line 9: wrong value in --http parameter: "x", want HOST:PORT or none`,
					`--control-port: lttng: URL "": unrecognized URL format`,
					`--live-port: lttng: URL "tcp://127.0.0.1:99999": invalid port number "99999"`,
				}
			},
		},
		{name: "keys are not abbreviated", ini: "out=/o", want: func(o *Options) {
			o.Warnings = []string{`line 2: unrecognized option "out" in daemon configuration file`}
		}},
		{name: "group twice in the file", ini: "group-output-by-session=1\ngroup-output-by-host=1", err: "line 3: cannot set --group-output-by-host"},
		{name: "group in file and command line", ini: "group-output-by-session=1", args: "-s", err: "cannot set --group-output-by-session"},
		{name: "group off", ini: "group-output-by-session=0\ngroup-output-by-host=no", args: "-s", want: func(o *Options) { o.GroupBy = GroupBySession }},
		{name: "pool below its least", ini: "fd-pool-size=5", err: "must be set to at least 100, got 5"},
		{name: "relative output", ini: "output=rel", err: "please specify an absolute path"},
		{name: "relative output overridden", ini: "output=rel", args: "-o /o", want: func(o *Options) { o.OutputDir = "/o" }},
		{name: "bad working directory", ini: "working-directory=/nowhere", err: "working directory: stat /nowhere"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := input(t, strings.Fields(tt.args)...)
			home := writeINI(t, in, "[relayd]\n"+tt.ini)
			got, err := Parse(in)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("Parse: %v, want an error with %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := defaults()
			tt.want(&want)
			got = hide(got, home)
			for i := range got.Warnings {
				got.Warnings[i] = strings.TrimPrefix(got.Warnings[i], "$HOME/.lttng/lttng.conf: ")
			}
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Options{}, "Given"), cmpopts.EquateEmpty(), cmp.Comparer(func(a, b Listen) bool { return a == b })); diff != "" {
				t.Errorf("options (-want +got):\n%s", diff)
			}
		})
	}
}

// TestConfigurationOrder gives the same key in all places.
func TestConfigurationOrder(t *testing.T) {
	in := input(t)
	home := writeINI(t, in, "[relayd]\ngroup=user\noutput=/user\n")
	in.SystemINI = filepath.Join(home, "system.conf")
	extra := filepath.Join(home, "extra.conf")
	for path, text := range map[string]string{
		in.SystemINI: "[relayd]\ngroup=system\noutput=/system\npid-file=/system\nhttp=none\n",
		extra:        "[relayd]\ngroup=extra\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct{ args, group string }{
		{"", "user"},
		{"-f " + extra, "extra"},
		{"--config=" + extra + " -g line", "line"},
		{"-g line -f" + extra, "line"},
		{"-f /nowhere -f " + extra, "extra"},
	} {
		in.Args = strings.Fields(tt.args)
		o, err := Parse(in)
		if err != nil {
			t.Fatal(err)
		}
		if o.TracingGroup != tt.group || o.OutputDir != "/user" || o.PIDFile != "/system" || o.HTTP != "" {
			t.Errorf("%q: group %q, output %q, pid file %q, HTTP %q, want %q, /user, /system, none", tt.args, o.TracingGroup, o.OutputDir, o.PIDFile, o.HTTP, tt.group)
		}
	}
}

// TestUnusableFiles: what is wrong with a default file is a warning, with a
// named one an error.
func TestUnusableFiles(t *testing.T) {
	in := input(t)
	in.SystemINI = t.TempDir()
	o, err := Parse(in)
	if err != nil || len(o.Warnings) != 1 {
		t.Errorf("Parse with a directory for the system file: %v, warnings %q, want one", err, o.Warnings)
	}
	big := filepath.Join(t.TempDir(), "big.conf")
	if err := os.WriteFile(big, make([]byte, maxINIBytes+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{t.TempDir(), big} {
		in = input(t, "-f", path)
		if _, err := Parse(in); err == nil {
			t.Errorf("Parse with -f %s: no error", path)
		}
	}
}
