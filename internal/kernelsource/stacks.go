// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kernelsource

import (
	"errors"
	"fmt"
	"slices"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/kernel/tracefs"
	"github.com/weir-io/weir/internal/kerneltrace"
)

// stack is a stack that the kernel records after each event, as an event of its
// own that the converter makes a context of.
type stack struct {
	context kerneltrace.Context
	option  string // of an instance
	event   tracefs.EventName
}

// ftraceSystem has the kernel's own records; they cannot be chosen.
const ftraceSystem = "ftrace"

func stacks() []stack {
	return []stack{
		{kerneltrace.ContextCallstackKernel, "stacktrace", tracefs.EventName{System: ftraceSystem, Name: "kernel_stack"}},
		{kerneltrace.ContextCallstackUser, "userstacktrace", tracefs.EventName{System: ftraceSystem, Name: "user_stack"}},
	}
}

// recordStack has the kernel record the stack that a context is, if it is one.
func (c *channel) recordStack(x kerneltrace.Context) error {
	for _, k := range stacks() {
		if k.context != x {
			continue
		}
		err := c.instance.SetOption(k.option, true)
		var missing *tracefs.MissingError
		if errors.As(err, &missing) {
			return agent.NewProblem(agent.CodeContextUnavailable, fmt.Sprintf("context %s: %v", x, err))
		}
		return err
	}
	return nil
}

// declareStacks declares the records of the stacks that contexts ask for.
func (c *channel) declareStacks(t *kerneltrace.Table) error {
	for _, k := range stacks() {
		if !slices.Contains(c.contexts, k.context) {
			continue
		}
		if err := c.declareIn(t, []tracefs.EventName{k.event}); err != nil {
			return err
		}
	}
	return nil
}
