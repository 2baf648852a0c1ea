// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kernelfilter

import (
	"github.com/weir-io/weir/internal/filter"
	"github.com/weir-io/weir/internal/kernel/ftrace"
	"github.com/weir-io/weir/internal/kerneltrace"
)

// Source is what is known of events beside their records. The zero value knows
// nothing.
type Source struct {
	CPU      int                // whose ring the records are from, plus 1; 0: not known
	Tasks    *kerneltrace.Tasks // for $ctx.pid, procname and the like
	Hostname string
}

// Translate returns the kernel's filter for an event that says what an expression
// says. When it is not exact it is weaker: what it keeps has to be decided by
// what [Compile] returns. An empty one keeps all.
func Translate(e *filter.Expr, f *ftrace.Format, n kerneltrace.Naming) (kernel string, exact bool, err error) {
	return Source{}.Translate(e, f, n)
}

// Compile returns the function that tells which records of an event an expression
// keeps. It reads nothing outside of the record and allocates nothing, and it
// belongs to one goroutine.
func Compile(e *filter.Expr, f *ftrace.Format, n kerneltrace.Naming) (func(record []byte) bool, error) {
	return Source{}.Compile(e, f, n)
}

// Translate is the function of that name, with what the source knows.
func (s Source) Translate(e *filter.Expr, f *ftrace.Format, n kerneltrace.Naming) (kernel string, exact bool, err error) {
	b, _, err := s.bind(e, f, n)
	if err != nil {
		return "", false, err
	}
	d := b.divide(e)
	return d.kernel, len(d.rest) == 0, nil
}

// Compile is the function of that name, with what the source knows.
func (s Source) Compile(e *filter.Expr, f *ftrace.Format, n kerneltrace.Naming) (func(record []byte) bool, error) {
	b, program, err := s.bind(e, f, n)
	if err != nil {
		return nil, err
	}
	return b.predicate(program)
}

// Split is an expression in two parts. An event is kept if both keep it.
type Split struct {
	Kernel string                   // the kernel's filter; "": it keeps all
	Keep   func(record []byte) bool // the rest, see [Compile]; nil: there is none
}

// Split divides an expression between the kernel and a function.
func (s Source) Split(e *filter.Expr, f *ftrace.Format, n kerneltrace.Naming) (Split, error) {
	b, _, err := s.bind(e, f, n)
	if err != nil {
		return Split{}, err
	}
	d := b.divide(e)
	if len(d.rest) == 0 {
		return Split{Kernel: d.kernel}, nil
	}
	rest := d.rest[0]
	for _, more := range d.rest[1:] {
		rest = &filter.Binary{Op: filter.LogicalAnd, X: rest, Y: more}
	}
	keep, err := s.Compile(e.Part(rest), f, n)
	if err != nil {
		return Split{}, err
	}
	return Split{Kernel: d.kernel, Keep: keep}, nil
}
