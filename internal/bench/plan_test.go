// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
)

// scripted are steps of which one fails.
func scripted() []Step {
	return []Step{
		{"good", func(context.Context) ([]Row, error) { return []Row{{Name: "a", Runs: 1}, {Name: "b", Runs: 1}}, nil }},
		{"bad", func(context.Context) ([]Row, error) { return []Row{{Name: "c", Runs: 1}}, errors.New("broken") }},
		{"nothing", func(context.Context) ([]Row, error) { return nil, nil }},
	}
}

func TestPlanMeasures(t *testing.T) {
	for _, tt := range []struct {
		only       []string
		steps, row []string
	}{
		{nil, []string{"good", "bad", "nothing"}, []string{"a", "b", "c", "bad"}},
		{[]string{"nothing", "good"}, []string{"good", "nothing"}, []string{"a", "b"}},
	} {
		var steps []string
		p, err := Plan{Only: tt.only, OnStep: func(name string) { steps = append(steps, name) }}.WithDefaults(3, scripted())
		if err != nil {
			t.Fatal(err)
		}
		report, err := p.Measure(t.Context(), scripted())
		if err != nil {
			t.Fatal(err)
		}
		var rows []string
		for _, r := range report.Rows {
			rows = append(rows, r.Name)
		}
		if !slices.Equal(steps, tt.steps) || !slices.Equal(rows, tt.row) {
			t.Errorf("only %v: steps %v and rows %v, want %v and %v", tt.only, steps, rows, tt.steps, tt.row)
		}
		if report.Runs != 3 || report.Machine == "" || report.Load == "" || report.LoadEnd == "" {
			t.Errorf("only %v: got %+v", tt.only, report)
		}
		if failed := report.Err() != nil; failed != slices.Contains(rows, "bad") {
			t.Errorf("only %v: got error %v", tt.only, report.Err())
		}
	}
}

func TestPlanEndsWithItsContext(t *testing.T) {
	p, err := Plan{}.WithDefaults(1, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	_, err = p.Measure(ctx, []Step{
		{"first", func(context.Context) ([]Row, error) { cancel(enough); return nil, nil }},
		{"second", func(context.Context) ([]Row, error) { t.Error("the second step is taken"); return nil, nil }},
	})
	if !errors.Is(err, enough) {
		t.Errorf("got %v, want %v", err, enough)
	}
}

func TestPlanWithDefaults(t *testing.T) {
	for _, tt := range []struct {
		plan Plan
		runs int
	}{
		{Plan{}, 5}, {Plan{Quick: true}, 1}, {Plan{Runs: 2}, 2}, {Plan{Runs: 2, Quick: true}, 2},
	} {
		got, err := tt.plan.WithDefaults(5, scripted())
		if err != nil || got.Runs != tt.runs || got.Dir != DefaultDir() || got.OnStep == nil {
			t.Errorf("%+v: got %+v, %v, want %d runs", tt.plan, got, err, tt.runs)
		}
	}
	if got, err := (Plan{Dir: "x"}).WithDefaults(5, nil); err != nil || got.Dir != "x" {
		t.Errorf("directory %q, %v, want x", got.Dir, err)
	}
	_, err := Plan{Only: []string{"good", "best"}}.WithDefaults(1, scripted())
	if err == nil || !strings.Contains(err.Error(), `"best": want some of good, bad, nothing`) {
		t.Errorf("got %v, want an error that names what there is", err)
	}
}
