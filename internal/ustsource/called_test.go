// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ustsource

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/weir-io/weir/client/agent"
)

// TestCalled has programs listed by what they were called, and by their short names while
// that is being found out, or is not.
func TestCalled(t *testing.T) {
	list := func(ctx context.Context, p *program) string {
		all := []agent.UserEvent{{PID: p.pid, Process: p.name}}
		c := make(callers)
		c.ask(p)
		c.tell(ctx, all, time.Hour)
		return all[0].Process
	}
	p := &program{pid: int32(os.Getpid()), name: "short"}
	if got := list(t.Context(), p); got != os.Args[0] {
		t.Errorf("got %q, want %q", got, os.Args[0])
	}
	if got := list(t.Context(), &program{pid: 1 << 30, name: "short"}); got != "short" {
		t.Errorf("of a program that is gone: got %q", got)
	}
	p.asking.Store(true) // and hangs
	if got := list(t.Context(), p); got != "short" {
		t.Errorf("of a program whose memory does not answer: got %q", got)
	}
}

// TestCalledInTime gives up on a program whose memory does not answer.
func TestCalledInTime(t *testing.T) {
	all := []agent.UserEvent{{PID: 1, Process: "one"}, {PID: 2, Process: "two"}}
	two := make(chan string, 1)
	two <- "/bin/two"
	callers{1: make(chan string), 2: two}.tell(t.Context(), all, time.Millisecond)
	if all[0].Process != "one" {
		t.Errorf("got %q", all[0].Process)
	}
}
