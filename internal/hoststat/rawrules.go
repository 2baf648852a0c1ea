// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"os"
	"strconv"
	"strings"

	"github.com/weir-io/weir/xmlsysd"
)

// rawRules say which files may be read by path. What is denied is denied whatever
// is allowed.
type rawRules struct{ allow, deny []xmlsysd.Glob }

// rawAllow are the files that may be read unless they are denied.
var rawAllow = []string{
	"/proc/sys/fs/**", "/proc/sys/kernel/**", "/proc/sys/net/**", "/proc/sys/vm/**", "/proc/net/*", "/proc/fs/**", "/proc/*",
	"/sys/class/**", "/sys/block/**", "/sys/devices/system/**", "/sys/fs/**",
}

// rawDeny are files that tell secrets or the kernel's addresses, take the reader's
// time, or do something when they are read.
var rawDeny = []string{
	"/proc/kcore", "/proc/kmsg", "/proc/kallsyms", "/proc/kpage*", "/proc/iomem", "/proc/ioports", "/proc/vmallocinfo", "/proc/timer_list",
	"/proc/sched_debug", "/proc/slabinfo", "/proc/keys", "/proc/key-users", "/proc/modules", "/proc/sysrq-trigger", "/proc/config.gz",
	"/proc/latency_stats",
	"/proc/self", "/proc/self/**", "/proc/thread-self", "/proc/thread-self/**",
	"/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/kernel/hotplug", "/proc/sys/kernel/random/*seed*",
	"/proc/net/tcp", "/proc/net/tcp6", "/proc/net/udp", "/proc/net/udp6", "/proc/net/unix", "/proc/net/packet", "/proc/net/raw",
	"/proc/net/raw6", "/proc/net/nf_conntrack", "/proc/net/arp", "/proc/net/fib_trie",
	"/sys/kernel/**", "/sys/firmware/**",
}

func newRawRules(allow, deny []string) rawRules {
	return rawRules{rawGlobs(rawAllow, allow), rawGlobs(rawDeny, deny)}
}

// rawGlobs compiles patterns; further ones are written like those of selectors.
func rawGlobs(fixed, further []string) []xmlsysd.Glob {
	var list []xmlsysd.Glob
	for _, p := range further {
		if clean, ok := cleanRaw(p); ok {
			fixed = append(fixed[:len(fixed):len(fixed)], clean)
		}
	}
	for _, p := range fixed {
		if g, err := xmlsysd.ParseGlob(p); err == nil {
			list = append(list, g)
		}
	}
	return list
}

func matchesAny(globs []xmlsysd.Glob, path string) bool {
	for i := range globs {
		if globs[i].Match([]byte(path)) {
			return true
		}
	}
	return false
}

// denied reports whether nothing at or below a path may be read.
func (r *rawRules) denied(path string) bool {
	below, ok := strings.CutPrefix(path, "/proc/")
	if first, _, _ := strings.Cut(below, "/"); ok && digits([]byte(first)) {
		return true // a process
	}
	return matchesAny(r.deny, path)
}

func (r *rawRules) allowed(path string) bool { return !r.denied(path) && matchesAny(r.allow, path) }

// CheckRaw tells a client whose pattern of raw files can match nothing why that is. It
// refuses with a [*xmlsysd.CommandError].
func (e *Engine) CheckRaw(pattern string) error {
	refuse := func(code xmlsysd.Code, reason string) error {
		return &xmlsysd.CommandError{Code: code, Arg: "raw:" + pattern, Reason: reason}
	}
	path, ok := cleanRaw(pattern)
	if !ok {
		return refuse(xmlsysd.CodeDenied, "no path below /proc or /sys")
	}
	if _, err := xmlsysd.ParseGlob(path); err != nil {
		return refuse(xmlsysd.CodeRE, err.Error())
	}
	rules := newRawRules(e.o.RawAllow, e.o.RawDeny)
	wild := strings.IndexAny(path, "*?[")
	if wild < 0 && !rules.allowed(path) || wild >= 0 && rules.deniesBelow(path[:strings.LastIndexByte(path[:wild], '/')]) {
		return refuse(xmlsysd.CodeDenied, "not allowed")
	}
	return nil
}

// deniesBelow reports whether nothing in a directory may be read, or it is not entered.
func (r *rawRules) deniesBelow(dir string) bool {
	for at := len("/"); at < len(dir); {
		next := strings.IndexByte(dir[at:], '/')
		if next < 0 {
			break
		}
		if at += next; r.denied(dir[:at]) {
			return true
		}
		at++
	}
	return r.denied(dir) || r.denied(dir+"/any")
}

// allowsOpened reports whether the file that a path led to may be read: a link on
// the way may have led to what is denied. The links of /proc to the reader's own
// directory are the ones that may lead to a process.
func (r *rawRules) allowsOpened(fd int, path string, e *Engine) bool {
	real, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
	if err != nil {
		return true // without /proc: the fixture's links are the fixture's
	}
	if below, ok := strings.CutPrefix(real, strings.TrimRight(e.o.SysRoot, "/")+"/"); ok {
		return !matchesAny(r.deny, "/sys/"+below)
	}
	below, ok := strings.CutPrefix(real, strings.TrimRight(e.o.ProcRoot, "/")+"/")
	if !ok {
		return !matchesAny(r.deny, path)
	}
	if self, err := os.Readlink(e.proc("self")); err == nil {
		below = strings.TrimPrefix(below, self+"/")
	}
	return !r.denied("/proc/" + below)
}
