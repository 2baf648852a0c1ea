// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package fssource

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/filter"
)

// rule is an event rule: types of records, and directories.
type rule struct {
	of    *agent.EventRule
	types changelog.Mask
	dirs  []string
	off   bool // disabled
}

// maxExclusions bounds the exclusions of a rule.
const maxExclusions = 64

// newRule makes a rule of the session's. Without a directory it is for all file systems
// that are watched now.
func newRule(feeds Feeds, r *agent.EventRule) (*rule, error) {
	switch {
	case r.Type != agent.Tracepoint && r.Type != agent.AllEvents:
		return nil, agent.NewProblem(agent.CodeNotSupported, fmt.Sprintf("domain fs: event rule of type %s: want tracepoints", r.Type))
	case r.Filter != "":
		return nil, agent.NewProblem(agent.CodeNotSupported, "domain fs: events are not filtered while they are recorded")
	case len(r.Exclusions) > maxExclusions:
		return nil, agent.NewProblem(agent.CodeInvalid, fmt.Sprintf("%d exclusions: want at most %d", len(r.Exclusions), maxExclusions))
	case r.Location != "" && !filepath.IsAbs(r.Location):
		return nil, agent.NewProblem(agent.CodeInvalid, fmt.Sprintf("domain fs: directory %q: want an absolute path", r.Location))
	}
	made := &rule{of: r, dirs: []string{filepath.Clean(r.Location)}}
	for i := range layouts {
		if kind := layouts[i].kind; chosen(r, kind.String()) {
			made.types |= 1 << kind
			r.Matches++
		}
	}
	if made.types == 0 {
		return nil, agent.NewProblem(agent.CodeInvalid, fmt.Sprintf("no event %s: domain fs has %s", r.Pattern, strings.Join(names(), ", ")))
	}
	if r.Location == "" {
		dirs, err := feeds.Watched()
		if err != nil {
			return nil, agent.NewProblem(agent.CodeInvalid, fmt.Sprintf("domain fs: %v", err))
		}
		made.dirs = slices.Sorted(slices.Values(dirs))
	}
	if len(made.dirs) == 0 {
		return nil, agent.NewProblem(agent.CodeInvalid, "domain fs: no file system is watched for a feed: name a directory (--source)")
	}
	// What is asked for by name alone is made for all; opening and reading are not.
	if r.Pattern == "*" || r.Type == agent.AllEvents {
		made.types &= changelog.DefaultMask | 1<<changelog.Mark
	}
	return made, nil
}

// names are the events that there are.
func names() (all []string) {
	for i := range layouts {
		all = append(all, eventPrefix+layouts[i].kind.String())
	}
	return all
}

// chosen reports whether a rule chooses the events of a type: by their names, or by
// those of records.
func chosen(r *agent.EventRule, word string) bool {
	match := func(pattern string) bool {
		g := filter.NewGlob(pattern)
		return g.Match([]byte(eventPrefix+word)) || g.Match([]byte(word))
	}
	return match(r.Pattern) && !slices.ContainsFunc(r.Exclusions, match)
}

// is tells whether the rule was made of another one of the session's.
func (r *rule) is(of *agent.EventRule) bool {
	return r.of.Type == of.Type && r.of.Pattern == of.Pattern && r.of.Location == of.Location && slices.Equal(r.of.Exclusions, of.Exclusions)
}

// wanted is what rules choose in a directory. Marks tell of losses and go with all.
func wanted(rules []*rule, dir string) (types changelog.Mask) {
	for _, r := range rules {
		if !r.off && slices.Contains(r.dirs, dir) {
			types |= r.types | 1<<changelog.Mark
		}
	}
	return types
}
