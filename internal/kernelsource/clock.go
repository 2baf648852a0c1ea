// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kernelsource

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/internal/traceclock"
)

// defaultClock is the one clock that all sources have: CLOCK_MONOTONIC.
const defaultClock = traceclock.Mono

// localClock is each processor's own: for kernels that have no other.
const localClock = "local"

// chooseClock is the trace clock to use: the one asked for, which the kernel must
// have; or the best that it has.
func chooseClock(asked string, have []string) (string, error) {
	switch asked {
	case "":
		for _, name := range []string{defaultClock, traceclock.Boot, localClock} {
			if slices.Contains(have, name) {
				return name, nil
			}
		}
		asked = defaultClock
	case traceclock.Mono, traceclock.Boot:
	default:
		return "", agent.NewProblem(agent.CodeInvalid, fmt.Sprintf("clock %q: want mono or boot", asked))
	}
	if !slices.Contains(have, asked) {
		return "", agent.NewProblem(agent.CodeNotSupported, fmt.Sprintf("the kernel has no trace clock %s, but %s", asked, strings.Join(have, ", ")))
	}
	return asked, nil
}

// now reads the trace's clock.
func (t *trace) now() uint64 { return traceclock.Now(traceclock.ID(t.clock)) }

// traceClock declares the trace's clock with its offset as it is now.
func (t *trace) traceClock() *schema.Clock {
	o := t.s.clock(traceclock.ID(t.clock))
	t.offset = o.NS
	c := traceclock.Declare(t.clock, o)
	if t.clock == localClock { // comparable with no other trace's
		c.Name, c.Description, c.UUID = localClock, "Clock of each processor", nil
	}
	return c
}

// Warnings implements source.Warner.
func (t *trace) Warnings() []string {
	if t.clock != localClock {
		return nil
	}
	return []string{"the kernel's only trace clock is that of each processor: times are not comparable across CPUs"}
}
