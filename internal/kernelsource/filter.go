// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kernelsource

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/filter"
	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/kernel/tracefs"
	"github.com/weir-io/weir/internal/kernelfilter"
	"github.com/weir-io/weir/internal/kerneltrace"
)

// filters of a rule's events: what the kernel decides is set there, the rest is
// for the consumer.
//
// An event that several rules choose is recorded if one of their expressions is
// true. An event that lacks a field of the expression is not recorded, as with
// LTTng; it leaves the rule, and the user is told.
func (c *channel) filter(ru *rule) (warnings []error, err error) {
	if ru.of.Filter != "" {
		if _, err := parseFilter(ru.of.Filter); err != nil {
			return nil, err
		}
	}
	var lacking []*lack
	kernel, consumer := false, false
	ru.events = slices.DeleteFunc(slices.Clone(ru.events), func(n tracefs.EventName) bool {
		if err != nil {
			return false
		}
		var split kernelfilter.Split
		split, err = c.split(n, c.expression(n, ru))
		var field *kernelfilter.FieldError
		if errors.As(err, &field) {
			lacking, err = append(lacking, &lack{n, field}), nil
			return true
		}
		if err == nil {
			err = c.setFilter(n, split, c.expression(n, ru))
			kernel, consumer = kernel || split.Kernel != "", consumer || split.Keep != nil
		}
		return false
	})
	switch {
	case err != nil:
		return nil, filterProblem(err)
	case len(ru.events) == 0:
		return nil, agent.NewProblem(agent.CodeFilter, fmt.Sprintf("no event has what the filter names: %v", lacking[0].err))
	}
	for _, l := range lacking {
		if !slices.Contains(ru.events, counterpart(l.event)) {
			warnings = append(warnings, l.err)
		}
	}
	var by []string
	if kernel {
		by = append(by, "kernel")
	}
	if consumer {
		by = append(by, "consumer")
	}
	ru.of.FilteredBy = strings.Join(by, ", ")
	return warnings, nil
}

// lack is an event that lacks a field of a filter.
type lack struct {
	event tracefs.EventName
	err   error
}

// counterpart is the exit of a system call's entry, and the other way round: few
// fields are in both, so that an expression is as a rule about one of them.
func counterpart(n tracefs.EventName) tracefs.EventName {
	if name, ok := strings.CutPrefix(n.Name, entryPrefix); ok {
		return tracefs.EventName{System: n.System, Name: exitPrefix + name}
	}
	return tracefs.EventName{System: n.System, Name: entryPrefix + strings.TrimPrefix(n.Name, exitPrefix)}
}

// parseFilter reads an expression; the error shows the place.
func parseFilter(text string) (*filter.Expr, error) {
	e, err := filter.Parse(text)
	if err == nil {
		err = e.Check(filter.LTTng)
	}
	if err == nil {
		return e, nil
	}
	var bad *filter.Error
	if errors.As(err, &bad) {
		return nil, agent.NewProblem(agent.CodeFilter, bad.Error()+"\n"+bad.Caret())
	}
	return nil, agent.NewProblem(agent.CodeFilter, err.Error())
}

func filterProblem(err error) error {
	var refused *tracefs.FilterError
	var p *agent.Problem
	switch {
	case errors.As(err, &p):
		return err
	case errors.As(err, &refused):
		return agent.NewProblem(agent.CodeFilter, refused.Error()+"\n"+refused.Caret())
	}
	return agent.NewProblem(agent.CodeFilter, err.Error())
}

// expression is what all rules that choose an event ask of it, with one that is
// about to; "" keeps all.
func (c *channel) expression(n tracefs.EventName, ru *rule) string {
	text := ru.of.Filter
	for _, o := range c.rules {
		if o == ru || !o.of.Enabled || !slices.Contains(o.events, n) {
			continue
		}
		if o.of.Filter == "" {
			return ""
		}
		if text != "" {
			text = "(" + text + ") || (" + o.of.Filter + ")"
		}
	}
	return text
}

// split divides an expression between kernel and consumer.
func (c *channel) split(n tracefs.EventName, expression string) (kernelfilter.Split, error) {
	if expression == "" {
		return kernelfilter.Split{}, nil
	}
	e, err := parseFilter(expression)
	if err != nil {
		return kernelfilter.Split{}, err
	}
	f, err := c.t.s.format(n)
	if err != nil {
		return kernelfilter.Split{}, err
	}
	// CPU and tasks stand for what the consumer knows: the function itself is
	// made there.
	know := kernelfilter.Source{CPU: 1, Tasks: new(kerneltrace.Tasks), Hostname: c.t.info.Hostname}
	return know.Split(e, f, c.t.naming)
}

// setFilter sets the kernel's part, and notes that of the consumer.
func (c *channel) setFilter(n tracefs.EventName, split kernelfilter.Split, expression string) error {
	delete(c.kept, n)
	if split.Keep != nil {
		c.kept[n] = expression
	}
	had := c.filtered[n]
	delete(c.filtered, n)
	if split.Kernel != "" {
		err := c.instance.SetFilter(n, split.Kernel)
		var refused *tracefs.FilterError
		if !errors.As(err, &refused) {
			c.filtered[n] = had || err == nil
			return err
		}
		c.t.s.log.Info("kernel refuses a filter: the consumer decides", "event", n, "filter", split.Kernel, "err", refused)
		c.kept[n], had = expression, true
	}
	if !had {
		return nil // an instance is made without any
	}
	return c.instance.ClearFilter(n)
}

// unfilter has the events of a rule that was disabled keep what the rules ask for
// that still want them. An event that none wants loses its filter: who enables it
// next may ask for another, or none.
func (c *channel) unfilter(left *rule) error {
	changed := false
	for _, n := range left.events {
		text := ""
		if i := slices.IndexFunc(c.rules, func(o *rule) bool { return o != left && o.of.Enabled && slices.Contains(o.events, n) }); i >= 0 {
			text = c.expression(n, c.rules[i])
		}
		before := c.kept[n]
		split, err := c.split(n, text)
		if err == nil {
			err = c.setFilter(n, split, text)
		}
		if err != nil && !errors.Is(err, tracefs.ErrNoEvent) { // its module is gone
			return filterProblem(err)
		}
		changed = changed || c.kept[n] != before
	}
	if !changed || c.table == nil || c.t.info.Publish == nil {
		return nil
	}
	return c.t.info.Publish()
}

// filters are those of the consumer, by expression.
func (c *channel) filters() []handover.Filter {
	var all []handover.Filter
	for id := uint32(0); ; id++ {
		f, ok := c.table.Format(id)
		if !ok && int(id) >= c.table.Len()+maxOwnEvents {
			return all
		}
		if !ok {
			continue
		}
		expression := c.kept[tracefs.EventName{System: f.System, Name: f.Name}]
		if expression == "" {
			continue
		}
		i := slices.IndexFunc(all, func(h handover.Filter) bool { return h.Expression == expression })
		if i < 0 {
			i = len(all)
			all = append(all, handover.Filter{Expression: expression})
		}
		all[i].Events = append(all[i].Events, id)
	}
}

// maxOwnEvents is more than the events of a table that are not the kernel's.
const maxOwnEvents = 64
