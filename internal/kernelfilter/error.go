// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kernelfilter

import (
	"fmt"
	"strings"

	"github.com/weir-io/weir/internal/filter"
)

// FieldError is an expression that keeps no event of a type, because it names a
// field that this does not have or that is of another kind. LTTng records
// nothing then; for other types of events the same expression may be good.
type FieldError struct {
	Event    string // in the trace
	Problems []filter.Problem
}

func (e *FieldError) Error() string {
	var reasons []string
	for _, p := range e.Problems {
		reasons = append(reasons, p.String())
	}
	return fmt.Sprintf("filter of %s keeps no event: %s", e.Event, strings.Join(reasons, ", "))
}

// ValueError is an expression that depends on something that a record does not
// have and that the kernel's language cannot say.
type ValueError struct {
	Event  string // in the trace
	Field  string // as the expression names it
	Reason string
}

func (e *ValueError) Error() string {
	return fmt.Sprintf("filter of %s: %s: %s", e.Event, e.Field, e.Reason)
}
