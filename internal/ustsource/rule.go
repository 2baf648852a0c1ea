// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ustsource

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/filter"
	"github.com/weir-io/weir/internal/ust/bytecode"
	"github.com/weir-io/weir/internal/ust/wire"
)

// rule chooses events. It is immutable.
type rule struct {
	agent      *agent.EventRule
	pattern    string
	exclusions []string
	levelType  int32
	level      int32
	filter     *bytecode.Program // nil: all
	sequence   uint64            // of the filter, in the order of filters
}

// sequence numbers filters.
var sequence atomic.Uint64

func (r *rule) event() *wire.Event {
	return &wire.Event{Pattern: r.pattern, LevelType: r.levelType, Level: r.level}
}

// newRule makes a rule, or says why there is none such.
func newRule(r *agent.EventRule) (*rule, error) {
	switch {
	case r.Type != agent.Tracepoint && r.Type != agent.AllEvents:
		return nil, agent.NewProblem(agent.CodeNotSupported, "domain ust: event rule "+r.Pattern+": applications have tracepoints only")
	case len(r.Pattern) >= wire.NameLen || len(r.Exclusions) > wire.MaxExclusions:
		return nil, agent.NewProblem(agent.CodeInvalid, "domain ust: event rule "+r.Pattern+": the name is too long, or too many are left out")
	}
	if err := checkExclusions(r); err != nil {
		return nil, agent.NewProblem(agent.CodeInvalid, fmt.Sprintf("domain ust: event rule %s: %v", r.Pattern, err))
	}
	made := &rule{agent: r, pattern: r.Pattern, exclusions: slices.Clone(r.Exclusions), level: -1}
	if err := made.setFilter(r.Filter); err != nil {
		return nil, agent.NewProblem(agent.CodeFilter, fmt.Sprintf("domain ust: event rule %s: %v", r.Pattern, err))
	}
	if r.LogLevel == "" {
		return made, nil
	}
	if made.level = parseLevel(r.LogLevel); made.level < 0 {
		return nil, agent.NewProblem(agent.CodeInvalid, fmt.Sprintf("domain ust: event rule %s: log level %q, want one of %q", r.Pattern, r.LogLevel, levels()))
	}
	made.levelType = wire.LevelRange
	if r.LogLevelOnly {
		made.levelType = wire.LevelSingle
	}
	return made, nil
}

// checkExclusions refuses, as LTTng does, what cannot be meant: to leave something out of one
// name, or everything out.
func checkExclusions(r *agent.EventRule) error {
	if _, one := filter.NewGlob(r.Pattern).Plain(); one && len(r.Exclusions) > 0 {
		return errors.New("it is one name, of which nothing can be left out: want one with a *, or no exclusions")
	}
	for _, x := range r.Exclusions {
		switch {
		case len(x) >= wire.NameLen:
			return fmt.Errorf("a name of %d bytes that is left out: want less than %d", len(x), wire.NameLen)
		case strings.Contains(x, `\`): // what that stands for is no pattern
		case filter.NewGlob(x).Match([]byte(r.Pattern)):
			return fmt.Errorf("%s is left out, which is everything", x)
		}
	}
	return nil
}

// setFilter makes the program of a filter, which applications run.
func (r *rule) setFilter(text string) error {
	if text == "" {
		return nil
	}
	e, err := filter.ParseOrdered(text)
	if err != nil {
		return err
	}
	for _, f := range e.Fields() {
		if f.Root == filter.Context {
			if err := checkContext(f.Path[0].Name); err != nil {
				return err
			}
		}
	}
	r.filter, err = bytecode.Compile(e)
	r.sequence = sequence.Add(1)
	return err
}

// checkContext refuses a context that applications do not have for filters.
func checkContext(name string) error {
	if strings.HasPrefix(name, "perf_") { // a filter of one would match nothing, silently
		return fmt.Errorf("context %s: applications do not compare counters", name)
	}
	if _, ok := wire.ParseContextName(name); !ok {
		return fmt.Errorf("context %s: want one of %q", name, wire.ContextNames())
	}
	return nil
}
