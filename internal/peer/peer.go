// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package peer finds what tests need beside Go: the original programs that weir
// talks to, and capabilities of the machine. It is for tests only.
//
// A test that lacks something is skipped and names it. With CI=true in the
// environment it fails instead: there everything has to be tested. No test
// decides that for itself.
package peer

import (
	"os"
	"os/exec"
	"testing"
)

// packages are the Debian packages of the programs that tests use.
var packages = map[string]string{
	"babeltrace":               "babeltrace",
	"babeltrace2":              "babeltrace2",
	"chromium":                 "chromium",
	"dbench":                   "dbench",
	"gcc":                      "gcc",
	"go":                       "golang",
	"groff":                    "groff-base",
	"java":                     "zookeeper",
	"ip":                       "iproute2",
	"lttng":                    "lttng-tools",
	"lttng-relayd":             "lttng-tools",
	"lttng-sessiond":           "lttng-tools",
	"mkfs.btrfs":               "btrfs-progs",
	"mkfs.ext4":                "e2fsprogs",
	"mkfs.xfs":                 "xfsprogs",
	"nc":                       "netcat-openbsd",
	"nft":                      "nftables",
	"nmap":                     "nmap",
	"ovn-nbctl":                "ovn-common",
	"ovn-northd":               "ovn-central",
	"ovn-trace":                "ovn-common",
	"ovsdb-server":             "openvswitch-common",
	"ovsdb-tool":               "openvswitch-common",
	"prometheus-node-exporter": "prometheus-node-exporter",
	"promtool":                 "prometheus",
	"postgres":                 "postgresql",
	"printf":                   "coreutils",
	"rsync":                    "rsync",
	"sh":                       "dash",
	"stress-ng":                "stress-ng",
	"sysctl":                   "procps",
	"systemd-analyze":          "systemd",
	"systemd-socket-activate":  "systemd",
	"trace-cmd":                "trace-cmd",
	"xmllint":                  "libxml2-utils",

	"/usr/share/zookeeper/bin/zkCli.sh": "zookeeper",
}

// Need returns the path of a program. Without it the test ends here.
func Need(t testing.TB, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		Lack(t, "%s", named(program))
	}
	return path
}

// Find is Need for a part of a test that the rest can do without: ok is false
// when the program is missing.
func Find(t testing.TB, program string) (path string, ok bool) {
	t.Helper()
	path, err := exec.LookPath(program)
	switch {
	case err == nil:
		return path, true
	case inCI():
		Lack(t, "%s", named(program))
	}
	t.Logf("a part is left out: needs %s", named(program))
	return "", false
}

// Root ends the test here unless it runs as root, which it needs for a purpose.
func Root(t testing.TB, purpose string) {
	t.Helper()
	if os.Geteuid() != 0 {
		Lack(t, "root %s", purpose)
	}
}

// Lack ends a test that cannot be made here for want of something.
func Lack(t testing.TB, format string, args ...any) {
	t.Helper()
	if inCI() {
		t.Fatalf("needs "+format, args...)
	}
	t.Skipf("needs "+format, args...)
}

// Consent ends the test here unless a variable allows what it does to the whole
// machine. That is nobody's duty, also in continuous integration.
func Consent(t testing.TB, variable, does string) {
	t.Helper()
	if os.Getenv(variable) == "" {
		t.Skipf("%s: %s=1 allows that", does, variable)
	}
}

func inCI() bool { return os.Getenv("CI") == "true" }

// named returns a program with its package, for whoever has to install it.
func named(program string) string {
	if p, known := packages[program]; known {
		return program + " (package " + p + ")"
	}
	return program
}
