// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaydopt

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzParseINI: entries lie on their lines, in order, and written down again
// they read the same.
func FuzzParseINI(f *testing.F) {
	for _, seed := range []string{
		"", "[relayd]\na=1\n", "[relayd]\na : 1 ; c\n", "\xef\xbb\xbf[relayd]\r\na=1", "[relayd\n=\n", "[relayd]\na;b=c ;d", "[relayd]\n  a\t=\tb",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		entries, complaints := parseINI([]byte(text), "relayd")
		lines := strings.Count(text, "\n") + 1
		if len(entries)+len(complaints) > lines {
			t.Fatalf("%d entries and %d complaints of %d lines", len(entries), len(complaints), lines)
		}
		last := 0
		for _, e := range entries {
			if e.line <= last || e.line > lines {
				t.Fatalf("entry on line %d after %d, of %d", e.line, last, lines)
			}
			last = e.line
			again, _ := parseINI([]byte("[relayd]\n"+e.key+"="+e.value+"\n"), "relayd")
			// A key that holds a ':' of its own or looks like something
			// else cannot be written down with '='.
			if e.key == "" || strings.IndexByte("[;#\xef", e.key[0]) >= 0 || strings.Contains(e.key, "=") {
				continue
			}
			want := []iniEntry{{2, e.key, e.value}}
			if diff := cmp.Diff(want, again, cmp.AllowUnexported(iniEntry{})); diff != "" {
				t.Fatalf("second reading (-want +got):\n%s", diff)
			}
		}
	})
}

// FuzzParse: no command line, file or environment makes Parse panic or return
// options outside of their limits.
func FuzzParse(f *testing.F) {
	for _, seed := range [][3]string{
		{"", "", ""},
		{"-vxo\x00/o\x00--cont\x00tcp://[::1]:5", "group=x\nverbose=9\n", "LTTNG_RELAYD_DISALLOW_CLEAR=1"},
		{"--live-port=net6://both::3\x00--dyn", "fd-pool-size=0x100", "LTTNG_RELAYD_TCP_KEEP_ALIVE_IDLE_TIME=-1\x00LTTNG_HOME=x"},
		{"-p\x00-s", "", "POSIXLY_CORRECT="},
		{"-f\x00x\x00-V", "daemonize=yes", "HOME="},
		{"--http\x00none\x00-h\x00--", "control-port=tcp://:1", "LTTNG_NETWORK_SOCKET_TIMEOUT=5"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, args, ini, env string) {
		in := input(t, strings.Split(args, "\x00")...)
		writeINI(t, in, "[relayd]\n"+ini)
		in.Env = append(in.Env, strings.Split(env, "\x00")...)
		o, err := Parse(in)
		if err != nil {
			if o.OutputDir != "" {
				t.Fatalf("options beside the error %v: %+v", err, o)
			}
			return
		}
		if o.Action != Run {
			return
		}
		for name, path := range map[string]string{"output": o.OutputDir, "run": o.RunDir} {
			if !filepath.IsAbs(path) {
				t.Errorf("%s directory %q is not absolute", name, path)
			}
		}
		if o.FDPoolSize < minFDPool || o.FDPoolSize > 1024 || o.Verbosity < 0 || o.Verbosity > 3 {
			t.Errorf("pool %d, verbosity %d out of their limits", o.FDPoolSize, o.Verbosity)
		}
		for _, l := range []Listen{o.Control, o.Data, o.Live} {
			if !l.Addr.IsValid() {
				t.Errorf("invalid listener address %v", l.Addr)
			}
		}
	})
}
