// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package statsource

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/xmlsysd"
)

// rule is an event rule: what it selects, and how often.
type rule struct {
	of     *agent.EventRule
	period uint64 // ns
	raw    []xmlsysd.RawRule
	off    bool // disabled

	// Owned by the sampler while the rule is in its list, else by who makes it.
	sel  *xmlsysd.Selection
	next uint64 // when it is due, by the trace's clock; 0: at once
}

// maxExclusions bounds the exclusions of a rule.
const maxExclusions = 64

// newRule makes a rule of the session's.
func newRule(host Host, r *agent.EventRule) (*rule, error) {
	switch {
	case r.Type != agent.Tracepoint && r.Type != agent.AllEvents:
		return nil, agent.NewProblem(agent.CodeNotSupported, fmt.Sprintf("domain stat: event rule of type %s: want tracepoints", r.Type))
	case r.Filter != "":
		return nil, agent.NewProblem(agent.CodeNotSupported, "domain stat: events are not filtered while they are recorded")
	case len(r.Exclusions) > maxExclusions:
		return nil, agent.NewProblem(agent.CodeInvalid, fmt.Sprintf("%d exclusions: want at most %d", len(r.Exclusions), maxExclusions))
	}
	sel := xmlsysd.NewSelection(host.Model())
	sel.Hide(host.Hidden()...)
	if err := add(sel, true, r.Pattern); err != nil {
		return nil, ruleProblem("event "+r.Pattern, err)
	}
	for _, x := range r.Exclusions {
		if err := add(sel, false, x); err != nil {
			return nil, ruleProblem("exclusion "+x, err)
		}
	}
	return &rule{of: r, period: uint64(cmp.Or(r.Period, defaultPeriod)), raw: sel.Raw(), sel: sel}, nil
}

// add adds a selector, which may also be a path from any element on: net/* is all
// below an element net. A single word is not, as the kernel may name anything so.
func add(sel *xmlsysd.Selection, on bool, pattern string) error {
	err := sel.Add(on, pattern)
	ce, refused := errors.AsType[*xmlsysd.CommandError](err)
	if !refused || ce.Code != xmlsysd.CodeSel || !strings.Contains(pattern, "/") || strings.ContainsAny(pattern[:1], "/~") {
		return err
	}
	if sel.Add(on, "**/"+pattern) == nil {
		return nil
	}
	return err
}

// ruleProblem says what is wrong with a selector.
func ruleProblem(what string, err error) error {
	code, hint := agent.CodeInvalid, ""
	if ce, ok := errors.AsType[*xmlsysd.CommandError](err); ok && ce.Code == xmlsysd.CodeDenied {
		code, hint = agent.CodePermission, ", see --xmlsysd-expose of weir agent"
	}
	return agent.NewProblem(code, fmt.Sprintf("domain stat: %s: %v%s", what, err, hint))
}

// is tells whether the rule was made of another one of the session's.
func (r *rule) is(of *agent.EventRule) bool {
	return r.of.Type == of.Type && r.of.Pattern == of.Pattern && r.of.Period == of.Period && slices.Equal(r.of.Exclusions, of.Exclusions)
}

// age is how old a sample may be that others have read.
func (r *rule) age() time.Duration { return time.Duration(r.period / 2) }

// anyWants tells whether a rule of some wants something at or below an element.
func anyWants(rules []*rule, id xmlsysd.NodeID) bool {
	for _, r := range rules {
		if r.sel.Wants(id) {
			return true
		}
	}
	return false
}

// anySelects tells whether a rule of some selects a leaf on a tape.
func anySelects(rules []*rule, t *xmlsysd.Tape, open []int32, leaf int) bool {
	for _, r := range rules {
		if r.sel.Selects(t, open, leaf) {
			return true
		}
	}
	return false
}
