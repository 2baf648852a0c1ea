// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// nested is a program that makes a system call in a function of a function; the
// kernel follows frame pointers.
const nested = `#include <stdlib.h>
#include <sys/syscall.h>
__attribute__((noinline)) long inner(void) {
	long r;
	__asm__ volatile("syscall" : "=a"(r) : "a"(SYS_getpriority), "D"(0), "S"(0) : "rcx", "r11", "memory");
	return r;
}
__attribute__((noinline)) long outer(void) { return inner() + 1; }
int main(int argc, char **argv) {
	long sum = 0;
	for (long i = 0, n = atol(argv[1]); i < n; i++) sum += outer();
	return sum < 0;
}
`

// TestCallstacks records the stacks of system calls, of the kernel and of the
// program.
func TestCallstacks(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		source, w, out := filepath.Join(m.dir, "nested.c"), filepath.Join(m.dir, "weirnested"), filepath.Join(m.dir, "trace")
		if err := os.WriteFile(source, []byte(nested), 0o600); err != nil {
			m.Fatal(err)
		}
		m.run("gcc", "-O0", "-fno-omit-frame-pointer", "-no-pie", "-o", w, source)
		a.do("create", "stacks", "-o", out)
		a.do("enable-event", "-k", "--syscall", "sys_enter_getpriority", "-f", `$ctx.procname == "weirnested"`)
		a.do("add-context", "-k", "-t", "callstack-kernel", "-t", "callstack-user")
		a.do("start")
		m.run(w, "300")
		// An event that comes while it is recorded has its stack, too.
		a.do("enable-event", "-k", "--syscall", "sys_exit_getpriority", "-f", `$ctx.procname == "weirnested"`)
		m.run(w, "200")
		a.do("stop")
		a.do("destroy")
		want := m.functions(w, "inner", "outer", "main")
		entries, exits, kernel, user := 0, 0, 0, 0
		for line := range strings.Lines(m.run("babeltrace2", out)) {
			switch {
			case strings.Contains(line, " syscall_entry_getpriority: "):
				entries++
			case strings.Contains(line, " syscall_exit_getpriority: "):
				exits++
			default:
				m.Errorf("another event: %s", line)
			}
			if frames(line, "callstack_kernel") != nil {
				kernel++
			}
			if found := frames(line, "callstack_user"); len(found) >= len(want) && inFunctions(found, want) {
				user++
			}
		}
		if n := entries + exits; entries != 500 || exits != 200 || kernel != n || user != n {
			m.Errorf("%d entries, %d exits, %d with stacks of the kernel, %d with those of the program; want 500, 200, all, all", entries, exits, kernel, user)
		}
		a.end()
	})
}

// functions returns the addresses of functions of a program.
func (m *machine) functions(path string, names ...string) (found []elf.Symbol) {
	m.Helper()
	f, err := elf.Open(path)
	if err != nil {
		m.Fatal(err)
	}
	defer f.Close()
	all, err := f.Symbols()
	if err != nil {
		m.Fatal(err)
	}
	for _, name := range names {
		for _, s := range all {
			if s.Name == name {
				found = append(found, s)
			}
		}
	}
	if len(found) != len(names) {
		m.Fatalf("%s: functions %v, want %v", path, found, names)
	}
	return found
}

// inFunctions reports whether a stack begins in these functions, innermost first.
func inFunctions(stack []uint64, functions []elf.Symbol) bool {
	for i, f := range functions {
		if stack[i] < f.Value || stack[i] >= f.Value+f.Size {
			return false
		}
	}
	return true
}

// frames returns the addresses of a context that is a stack, as babeltrace2 prints
// it; nil without any.
func frames(line, name string) (addresses []uint64) {
	found := regexp.MustCompile(fmt.Sprintf(`\b%s = \[([^]]*\][^\]]*)*?\](?:,| \})`, name)).FindString(line)
	for _, m := range regexp.MustCompile(`0x([0-9A-Fa-f]+)`).FindAllStringSubmatch(found, -1) {
		if a, err := strconv.ParseUint(m[1], 16, 64); err == nil {
			addresses = append(addresses, a)
		}
	}
	return addresses
}
