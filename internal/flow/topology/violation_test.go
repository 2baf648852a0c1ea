// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// properties returns what an error says is wrong, sorted.
func properties(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	bad, ok := errors.AsType[*Invalid](err)
	if !ok {
		t.Fatalf("error = %v (%T), want an *Invalid", err, err)
	}
	var names []string
	for _, v := range bad.Violations {
		if v.Message == "" {
			t.Errorf("violation of %q without a message", v.Property)
		}
		names = append(names, v.Property)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

func TestInvalidNamesEveryViolation(t *testing.T) {
	err := &Invalid{Violations: []Violation{{"name", "got none"}, {"", "got an array"}}}
	if got, want := err.Error(), "name: got none; got an array"; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
}

// TestViolationsAreBounded: a document with a million faults has a short error.
func TestViolationsAreBounded(t *testing.T) {
	bad := make([]Violation, MaxViolations+5)
	for i := range bad {
		bad[i] = Violation{"name", "got none"}
	}
	for n, want := range map[int]int{1: 1, MaxViolations: MaxViolations, MaxViolations + 5: MaxViolations + 1} {
		err, ok := errors.AsType[*Invalid](invalid(bad[:n]))
		if !ok || len(err.Violations) != want {
			t.Fatalf("%d violations: %v", n, err)
		}
		if last := err.Violations[want-1].Message; (last == "and 5 more") != (n > MaxViolations) {
			t.Errorf("%d violations: the last says %q", n, last)
		}
	}
}
