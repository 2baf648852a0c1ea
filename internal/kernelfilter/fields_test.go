// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kernelfilter

import (
	"strings"
	"testing"

	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/ctf/tsdl"
	"github.com/weir-io/weir/internal/kernel/ftrace"
	"github.com/weir-io/weir/internal/kerneltrace"
)

// allFormats returns the declarations of the tests, and those of the kernel where
// there is one to ask.
func allFormats(t testing.TB) []*ftrace.Format {
	t.Helper()
	var all []*ftrace.Format
	for event := range declarations {
		all = append(all, format(t, event))
	}
	fs := mounted(t)
	events, err := fs.Events()
	check(t, err)
	for _, n := range events {
		all = append(all, kernelFormat(t, fs, n))
	}
	return all
}

// condition is one that a field of a class can be in.
func condition(m *schema.Member) string {
	name := m.Name
	switch c := m.Class.(type) {
	case *schema.Integer:
		return name + " == 1"
	case *schema.Array:
		if _, integers := c.Element.(*schema.Integer); integers {
			return name + "[0] == 1"
		}
		return name + ` == "x*"`
	default:
		return name + ` == "x*"`
	}
}

// An expression must know each field that the trace has, and as what it is there.
func TestFieldsOfTrace(t *testing.T) {
	formats := allFormats(t)
	for _, naming := range []kerneltrace.Naming{kerneltrace.LTTng, kerneltrace.Tracefs} {
		table, err := kerneltrace.NewTable(kerneltrace.Options{Naming: naming})
		check(t, err)
		ids := map[uint64]*ftrace.Format{}
		for _, f := range formats {
			id, err := table.Declare(f)
			check(t, err)
			ids[uint64(id)] = f
		}
		trace, err := tsdl.Parse(table.Metadata())
		check(t, err)
		fields := 0
		for _, e := range trace.Streams[0].Events {
			payload := e.Payload
			if payload == nil {
				continue
			}
			for i := range payload.Members {
				m := &payload.Members[i]
				if strings.HasSuffix(m.Spelled, "_length") && strings.HasPrefix(m.Spelled, "__") {
					continue // of the sequence behind it
				}
				_, err := Source{Tasks: new(kerneltrace.Tasks)}.Compile(parse(t, condition(m)), ids[e.ID], naming)
				if err != nil {
					t.Errorf("%s, field %s: %v", e.Name, m.Name, err)
				}
				fields++
			}
		}
		t.Logf("naming %v: %d fields of %d events", naming, fields, len(formats))
	}
}
