// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"fmt"
	"slices"
	"strings"
)

// Violation says what is wrong with one property of an object.
type Violation struct {
	Property string `json:"property"`
	Message  string `json:"message"`
}

// Invalid is the error of an object, or of a document, that breaks rules.
type Invalid struct {
	Violations []Violation
}

// MaxViolations is how many violations an Invalid names, which may be of a document with
// a million objects. One more says how many others there are.
const MaxViolations = 100

// Error names every violation.
func (e *Invalid) Error() string {
	var b strings.Builder
	for i, v := range e.Violations {
		if i > 0 {
			b.WriteString("; ")
		}
		if v.Property != "" {
			b.WriteString(v.Property)
			b.WriteString(": ")
		}
		b.WriteString(v.Message)
	}
	return b.String()
}

// invalid returns the error of violations, and nil for none.
func invalid(v []Violation) error {
	if len(v) == 0 {
		return nil
	}
	if more := len(v) - MaxViolations; more > 0 {
		v = append(slices.Clone(v[:MaxViolations]), Violation{Message: fmt.Sprintf("and %d more", more)})
	}
	return &Invalid{Violations: v}
}
