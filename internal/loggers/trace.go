// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package loggers

import (
	"slices"
	"sync"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/loggers/wire"
)

// Trace is what one session wants of the loggers of a domain. It implements
// source.LoggersTrace.
type Trace struct {
	// Immutable.
	s       *Source
	d       wire.Domain
	session string
	owner   uint32

	mu       sync.Mutex        // guards what follows
	rules    map[wire.Rule]int // that are enabled, how many times
	contexts []wire.Context
	closed   bool
}

// SetRule implements source.LoggersTrace.
func (t *Trace) SetRule(r *agent.EventRule, on bool) {
	l, kind, err := levelOf(t.d, r)
	if err != nil {
		return // Rule has refused it
	}
	w := wire.Rule{Name: r.Pattern, Level: l, LevelType: kind, Filter: hostFilter(r, l, kind)}
	t.mu.Lock()
	if t.rules == nil {
		t.rules = make(map[wire.Rule]int)
	}
	if on {
		t.rules[w]++
	} else if t.rules[w]--; t.rules[w] <= 0 {
		delete(t.rules, w)
	}
	t.mu.Unlock()
	t.bring()
}

// AddContext implements source.LoggersTrace. Agents of Python programs do not know such.
func (t *Trace) AddContext(provider, name string) {
	if t.d == wire.Python {
		return
	}
	c := wire.Context{Provider: provider, Name: name}
	t.mu.Lock()
	if !slices.Contains(t.contexts, c) {
		t.contexts = append(t.contexts, c)
	}
	t.mu.Unlock()
	t.bring()
}

// Close implements source.LoggersTrace.
func (t *Trace) Close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.s.mu.Lock()
	t.s.traces = slices.DeleteFunc(t.s.traces, func(o *Trace) bool { return o == t })
	t.s.mu.Unlock()
	t.bring()
}

// bring has all agents follow, and waits for them: no longer than one may take.
func (t *Trace) bring() {
	var waits []<-chan struct{}
	for _, p := range t.s.all(t.d) {
		if permits(t.owner, p.uid) {
			waits = append(waits, p.do(func() { p.follow(t) }))
		}
	}
	for _, w := range waits {
		<-w
	}
}

// wants are the rules and contexts that an agent of a user is to know; none once the
// session is gone.
func (t *Trace) wants(uid uint32) (rules []wire.Rule, contexts []wire.Context) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || !permits(t.owner, uid) {
		return nil, nil
	}
	for r := range t.rules {
		rules = append(rules, r)
	}
	slices.SortFunc(rules, compareRules)
	return rules, slices.Clone(t.contexts)
}
