// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kernelsource

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/weir-io/weir/client/agent"
)

// threaded is a program of which four threads there are already, one that is
// made later and a child call a function, 10 times each, after its input has
// ended.
const threaded = `#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>
__attribute__((noinline)) long hit(long n) { __asm__ volatile("" : "+r"(n)); return n; }
static pthread_barrier_t go;
static void hits(void) { for (long i = 0; i < 10; i++) hit(i); }
static void *wait_and_hit(void *p) { pthread_barrier_wait(&go); hits(); return p; }
static void *only_hit(void *p) { hits(); return p; }
int main(void) {
	pthread_t t[3], later;
	pthread_barrier_init(&go, 0, 4);
	for (int i = 0; i < 3; i++) pthread_create(&t[i], 0, wait_and_hit, 0);
	char c;
	write(1, ".", 1);
	read(0, &c, 1);
	wait_and_hit(0);
	for (int i = 0; i < 3; i++) pthread_join(t[i], 0);
	pthread_create(&later, 0, only_hit, 0);
	pthread_join(later, 0);
	pid_t child = fork();
	if (child == 0) { hits(); _exit(0); }
	waitpid(child, 0, 0);
	return 0;
}
`

// waiting is a program that waits for the end of its input.
type waiting struct {
	*exec.Cmd

	end func()
}

// begin starts a program that says when it waits.
func (h *host) begin(path string, args ...string) *waiting {
	h.Helper()
	cmd := exec.CommandContext(h.Context(), path, args...)
	in, err := cmd.StdinPipe()
	if err != nil {
		h.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		h.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		h.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		h.Fatal(err)
	}
	return &waiting{cmd, func() {
		h.Helper()
		in.Close()
		if err := cmd.Wait(); err != nil {
			h.Error(err)
		}
	}}
}

func (w *waiting) pid() int32 { return int32(w.Process.Pid) }

// TestTrackThreads records all threads of a process that is tracked, and what it
// starts; also where the session does not leave weir's own threads out.
func TestTrackThreads(t *testing.T) {
	h := newHost(t, nil)
	path := h.compile("threaded", threaded)
	h.enable(agent.UserspaceProbe, "hits", "elf:"+path+":hit", "")
	track := func(pid int32) {
		t.Helper()
		if _, err := h.daemon.Track(t.Context(), h.by, sessionName, agent.Track{Domain: Domain, PIDs: []int32{pid}}); err != nil {
			t.Fatal(err)
		}
	}
	before, later, other := h.begin(path), h.begin(path), h.begin(path)
	track(before.pid())
	h.start()
	track(later.pid())
	for _, p := range []*waiting{before, later, other} {
		p.end()
	}
	h.stop()
	if n := strings.Count(h.destroy(), " hits: "); n != 2*6*10 {
		t.Errorf("%d events of two processes, want %d", n, 2*6*10)
	}
}
