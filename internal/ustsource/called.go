// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ustsource

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"time"

	"github.com/weir-io/weir/client/agent"
)

const (
	maxCalled     = 4096        // bytes of how a program was called
	calledTimeout = time.Second // beside the time that programs take to list events
)

// callers finds out how programs were called, as lttng list shows it: the first words of
// their command lines, from their memory, and thus as they are now.
type callers map[int32]<-chan string

// ask asks for one. The kernel may wait for the program's memory, which can be of a file
// system that does not answer: then one goroutine waits for as long as that takes.
func (c callers) ask(p *program) {
	if !p.asking.CompareAndSwap(false, true) {
		return // its short name does
	}
	called := make(chan string, 1)
	c[p.pid] = called
	go func() {
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.pid)) // none of one that has ended
		p.asking.Store(false)
		first, _, _ := bytes.Cut(line, []byte{0})
		called <- string(first[:min(len(first), maxCalled)])
	}()
}

// tell writes what is known by now, or soon, into a list that has short names.
func (c callers) tell(ctx context.Context, all []agent.UserEvent, patience time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	known := make(map[int32]string)
	for pid, called := range c {
		select {
		case known[pid] = <-called:
		case <-ctx.Done():
		}
	}
	for i := range all {
		all[i].Process = cmp.Or(known[all[i].PID], all[i].Process)
	}
}
