// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kernelsource

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/weir-io/weir/client/agent"
)

// changing is a program that becomes one thing after the other, makes a system call
// that nobody else makes as each, and says what it was then: as the kernel has it,
// or as it knows from what it has asked for.
const changing = `#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
static long ns(const char *name, int known) {
	char path[64]; struct stat st;
	snprintf(path, sizeof path, "/proc/self/ns/%s", name);
	return known && stat(path, &st) == 0 ? (long)st.st_ino : 0;
}
/* Outer ids are so much more than inner ones. */
static void mark(long number, const char *name, int o, int spaces) {
	uid_t r, e, s; gid_t gr, ge, gs;
	getresuid(&r, &e, &s); getresgid(&gr, &ge, &gs);
	int nice = getpriority(PRIO_PROCESS, 0);
	printf("%ld pid = %d, procname = \"%s\", prio = %d, nice = %d, uid = %u, euid = %u, suid = %u, gid = %u, egid = %u, sgid = %u, "
		"vuid = %u, veuid = %u, vsuid = %u, vgid = %u, vegid = %u, vsgid = %u, cgroup_ns = %ld, ipc_ns = %ld, mnt_ns = %ld, "
		"net_ns = %ld, pid_ns = %ld, time_ns = %ld, user_ns = %ld, uts_ns = %ld\n", number, getpid(), name, 20 + nice, nice, r + o, e + o, s + o, gr + o, ge + o, gs + o,
		r, e, s, gr, ge, gs, ns("cgroup", 1), ns("ipc", 1), ns("mnt", 1), ns("net", 1), ns("pid", 1), ns("time", 1), ns("user", spaces), ns("uts", spaces));
	fflush(stdout);
	syscall(SYS_lseek, -1, number, SEEK_SET);
}
static void put(const char *path, const char *text) {
	int fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, text, strlen(text)) < 0) { perror(path); exit(1); }
	close(fd);
}
int main(int argc, char **argv) { /* NUMBER [MARK, which a program makes that was started] */
	long base = atol(argv[1]);
	const char *name = strrchr(argv[0], '/') + 1;
	char c, path[256];
	if (argc > 2) {
		mark(base + atol(argv[2]), name, 0, 1);
		if (argv[2][0] == '6') read(0, &c, 1); /* whose it is can be seen only while it is there */
		return 0;
	}
	int status[3], go[2], ready[2];
	mark(base + 0, name, 0, 1);
	if (fork() == 0) {
		mark(base + 1, name, 0, 1);
		setpriority(PRIO_PROCESS, 0, 9);
		mark(base + 2, name, 0, 1);
		setresgid(2001, 2002, 2003);
		setresuid(1001, 1002, 1003);
		mark(base + 3, name, 0, 1);
		setuid(1001); /* the others follow at the program's start */
		mark(base + 4, name, 0, 1);
		execl(argv[0], argv[0], argv[1], "5", (char *)0);
		return 1;
	}
	wait(&status[0]);
	if (fork() == 0) { /* a program of somebody else's */
		setresuid(1001, 1001, 1001);
		snprintf(path, sizeof path, "%s.su", argv[0]);
		execl(path, path, argv[1], "6", (char *)0);
		return 1;
	}
	if (pipe(go) || pipe(ready)) return 1;
	pid_t child = fork();
	if (child == 0) { /* somebody else in a user name space of its own */
		if (unshare(CLONE_NEWUSER | CLONE_NEWUTS)) return 1;
		write(ready[1], "x", 1);
		read(go[0], &c, 1);
		setresgid(3, 4, 5);
		setresuid(6, 7, 8);
		mark(base + 7, name, 100000, 0);
		read(0, &c, 1);
		return 0;
	}
	read(ready[0], &c, 1);
	snprintf(path, sizeof path, "/proc/%d/uid_map", child); put(path, "0 100000 100\n");
	snprintf(path, sizeof path, "/proc/%d/gid_map", child); put(path, "0 100000 100\n");
	write(go[1], "x", 1);
	wait(&status[1]);
	wait(&status[2]);
	return status[0] || status[1] || status[2];
}
`

// ownerContexts are the contexts that tell whose a thread is, and what it is like.
var ownerContexts = []string{
	"pid", "procname", "prio", "nice", "uid", "euid", "suid", "gid", "egid", "sgid", "vuid", "veuid", "vsuid", "vgid", "vegid", "vsgid",
	"cgroup_ns", "ipc_ns", "mnt_ns", "net_ns", "pid_ns", "time_ns", "user_ns", "uts_ns",
}

// addContexts adds contexts to the channel.
func (h *host) addContexts(types ...string) {
	h.Helper()
	if _, err := h.daemon.AddContext(h.Context(), h.by, sessionName, agent.AddContext{Domain: Domain, Types: types}); err != nil {
		h.Fatal(err)
	}
}

// marks are the numbers of a program's marks, which no other test makes at the same
// time.
type marks int

func newMarks() marks { return marks(7_000_000 + os.Getpid()%100_000*10) }

// enable chooses the marks.
func (n marks) enable(h *host) {
	h.Helper()
	h.enable(agent.Syscall, "sys_enter_lseek", "", fmt.Sprintf("fd == 4294967295 && offset >= %d && offset < %d", n, n+10))
}

// contexts are those of the marks in a trace, by number.
func (n marks) contexts(trace string) map[string]string {
	told := make(map[string]string)
	for line := range strings.Lines(trace) {
		if found := markLine.FindStringSubmatch(line); found != nil {
			told[found[2]] = found[1]
		}
	}
	return told
}

// markLine finds the contexts of a mark, and its number.
var markLine = regexp.MustCompile(`syscall_entry_lseek: .*common_preempt_count = \d+, (.*) \}, \{ fd = \d+, offset = (\d+),`)

// begin makes one mark, and waits until it is recorded: behind the host's state, which
// is counted with it.
func (n marks) begin(h *host, program string) {
	h.Helper()
	h.run(program, fmt.Sprint(int(n)), "9")
	h.until("the host's state is recorded", func() bool { return h.events() > 0 })
}

// change runs the program until its marks are in the trace; events come beside them.
// It returns what it said of each.
func (n marks) change(h *host, program string, events uint64) []string {
	h.Helper()
	cmd := exec.CommandContext(h.Context(), program, fmt.Sprint(int(n)))
	in, err := cmd.StdinPipe()
	if err != nil {
		h.Fatal(err)
	}
	said := new(strings.Builder)
	cmd.Stdout, cmd.Stderr = said, said
	before := h.events()
	if err := cmd.Start(); err != nil {
		h.Fatal(err)
	}
	h.until("the marks are recorded", func() bool { return h.events() >= before+8+events })
	in.Close()
	if err := cmd.Wait(); err != nil {
		h.Fatalf("%s: %v\n%s", program, err, said)
	}
	return strings.Split(strings.TrimSpace(said.String()), "\n")
}

// events is how many are recorded.
func (h *host) events() (n uint64) {
	h.Helper()
	for _, st := range h.channel().Streams {
		n += st.Events
	}
	return n
}

// changer compiles the program, and a copy of it that makes who starts it its owner.
func (h *host) changer(name string) string {
	h.Helper()
	path := h.compile(name, changing)
	h.run("install", "-o", "1005", "-g", "2005", "-m", "6755", path, path+".su")
	return path
}

// TestOwners records a program that becomes another user, in another way, and
// another program. No rule chooses the events that tell so.
func TestOwners(t *testing.T) {
	h := newHost(t, nil)
	w := h.changer("weirowner")
	n := newMarks()
	n.enable(h)
	h.addContexts(ownerContexts...)
	h.start()
	n.begin(h, w)
	made := n.change(h, w, 0)
	h.stop()
	trace := h.destroy()
	told := n.contexts(trace)
	if len(made) != 8 || len(told) != 9 {
		t.Errorf("%d marks made, %d recorded, want 8, and the first", len(made), len(told))
	}
	for _, mark := range made {
		number, want, _ := strings.Cut(mark, " ")
		if got := told[number]; got != want {
			t.Errorf("mark %s\n got %s\nwant %s", number, got, want)
		}
	}
	if strings.Contains(trace, "sched_process_exec") || strings.Contains(trace, "syscall_exit") {
		t.Error("events that no rule has chosen are in the trace")
	}
}

// TestFeedsAndRules has rules choose events that tell of threads, with a filter and
// none, and no more: they are in the trace as the rules say, and tell all the time.
func TestFeedsAndRules(t *testing.T) {
	h := newHost(t, nil)
	w := h.changer("weirfeeds")
	first := newMarks()
	h.enable(agent.Syscall, "sys_enter_lseek", "", fmt.Sprintf("fd == 4294967295 && offset >= %d && offset < %d", first, first+30))
	h.addContexts("procname", "euid")
	h.enable(agent.Tracepoint, "sched_process_exec", "", `filename == "*weirfeeds*" && $ctx.tid == 1`)
	h.start()
	first.begin(h, w)
	first.change(h, w, 0) // no program's start is that of the first process
	h.enable(agent.Tracepoint, "sched_process_exec", "", `filename == "*weirfeeds*"`)
	(first + 10).change(h, w, 3)
	if _, err := h.daemon.DisableEvents(t.Context(), h.by, sessionName, agent.DisableEvents{Domain: Domain, Type: agent.Tracepoint, Patterns: []string{"sched_process_exec"}}); err != nil {
		t.Fatal(err)
	}
	(first + 20).change(h, w, 0)
	h.stop()
	trace := h.destroy()
	if n := strings.Count(trace, "sched_process_exec: "); n != 3 {
		t.Errorf("%d starts of programs are in the trace, want the 3 of the second run", n)
	}
	told := first.contexts(trace)
	for i, euid := range []int{0, 0, 0, 1002, 1001, 1001, 1005, 100007} {
		for run := range marks(3) {
			number, want := fmt.Sprint(int(first+10*run)+i), fmt.Sprintf(`procname = "weirfeeds", euid = %d`, euid)
			if i == 6 {
				want = strings.Replace(want, "weirfeeds", "weirfeeds.su", 1)
			}
			if told[number] != want {
				t.Errorf("mark %s: %s, want %s", number, told[number], want)
			}
		}
	}
}
