// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kernelsource

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/kernel/tracefs"
	"github.com/weir-io/weir/internal/kerneltrace"
)

func TestNearestOfLong(t *testing.T) {
	long := strings.Repeat("a", maxMistyped)
	events := []tracefs.EventName{{System: "sched", Name: "sched_switch"}, {System: "x", Name: long}}
	for name, want := range map[string]string{
		"sched_swich": "; there are sched_switch", "nothing like it": "", long[1:] + "b": "; there are " + long, long + "b": "",
	} {
		if got := nearest(events, name, kerneltrace.LTTng); got != want {
			t.Errorf("nearest to %q: got %q, want %q", name, got, want)
		}
	}
}

// TestLongPatterns refuses names that are longer than any, before they are
// compared.
func TestLongPatterns(t *testing.T) {
	c := &channel{}
	long := strings.Repeat("*a", 128)
	for _, r := range []agent.EventRule{
		{Type: agent.Tracepoint, Pattern: long},
		{Type: agent.Tracepoint, Pattern: "*", Exclusions: []string{"a", long}},
		{Type: agent.Tracepoint, Pattern: "*", Exclusions: slices.Repeat([]string{"a"}, maxExclusions+1)},
	} {
		_, err := c.AddRule(&r)
		if p, ok := errors.AsType[*agent.Problem](err); !ok || p.Code != agent.CodeInvalid {
			t.Errorf("%.20s… without %d: got %v, want error %d", r.Pattern, len(r.Exclusions), err, agent.CodeInvalid)
		}
	}
}
