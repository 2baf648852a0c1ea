// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/weir-io/weir/internal/flow/record"
	"github.com/weir-io/weir/internal/flow/topology"
)

// Who is told of records is told of each once, however often it comes, for whichever of
// its requests, and over the end of a hub.
func TestKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "flows.db")
	var got []string
	kept := func(records []record.Record) {
		for i := range records {
			got = append(got, records[i].Key())
		}
	}
	key := func(s *record.Scope, seq int) string {
		r := event(s, seq, "rule", "")
		return r.Key()
	}
	in, out := scope(1, near), scope(1, far)
	more := *in
	more.Requests = []topology.ID{{7}, request}
	for _, step := range []struct {
		batch []record.Record
		want  []string
	}{
		{[]record.Record{event(in, 0, "start", ""), event(in, 1, "rule", ""), event(in, 0, "start", "")}, []string{key(in, 0), key(in, 1)}},
		{[]record.Record{event(in, 1, "rule", ""), event(in, 2, "rule", ""), event(out, 1, "egress", "")}, []string{key(in, 2), key(out, 1)}},
		{[]record.Record{event(&more, 2, "rule", "")}, nil},
		{nil, nil},
	} {
		a := openTest(t, file, Options{Kept: kept})
		got = nil
		appendAll(t, a, step.batch)
		if !slices.Equal(got, step.want) {
			t.Errorf("told of %q, want %q", got, step.want)
		}
		bad := event(in, 9, "rule", "")
		bad.Event = []byte("no object")
		got = nil
		if err := a.Append(t.Context(), []record.Record{event(in, 8, "rule", ""), bad}); err == nil || got != nil {
			t.Errorf("a batch that is not kept: %v, told of %q", err, got)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
}
