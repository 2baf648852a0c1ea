// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package loggers

import (
	"fmt"
	"math"
	"strings"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/filter"
	"github.com/weir-io/weir/internal/loggers/wire"
	"github.com/weir-io/weir/internal/source"
)

// hostDomain is that of applications.
const hostDomain = "ust"

// all is the name that stands for all loggers.
const all = "*"

var domains = [...]wire.Domain{wire.Python, wire.JUL, wire.Log4j}

// level is a level of messages: the higher the more severe.
type level struct {
	name  string
	value int32
}

// levels are those of the domains, the most severe first.
var levels = map[wire.Domain][]level{
	wire.Python: {{"CRITICAL", 50}, {"ERROR", 40}, {"WARNING", 30}, {"INFO", 20}, {"DEBUG", 10}, {"NOTSET", 0}},
	wire.JUL: {
		{"OFF", math.MaxInt32},
		{"SEVERE", 1000},
		{"WARNING", 900},
		{"INFO", 800},
		{"CONFIG", 700},
		{"FINE", 500},
		{"FINER", 400},
		{"FINEST", 300},
		{"ALL", math.MinInt32},
	},
	wire.Log4j: {
		{"OFF", math.MaxInt32},
		{"FATAL", 50000},
		{"ERROR", 40000},
		{"WARN", 30000},
		{"INFO", 20000},
		{"DEBUG", 10000},
		{"TRACE", 5000},
		{"ALL", math.MinInt32},
	},
}

// LevelName is the name of a level of a domain; false if it has none.
func LevelName(domain string, value int32) (string, bool) {
	for d, all := range levels {
		if d.String() != domain {
			continue
		}
		for _, l := range all {
			if l.value == value {
				return l.name, true
			}
		}
	}
	return "", false
}

// Domain is the loggers of one kind. It implements source.Loggers.
type Domain struct {
	s *Source
	d wire.Domain
}

// Domain implements source.Loggers.
func (d *Domain) Domain() string { return d.d.String() }

// Check implements source.Loggers.
func (d *Domain) Check() error { return d.s.Check() }

// Host implements source.Loggers. The channel's name is LTTng's.
func (d *Domain) Host() (domain, channel string) {
	return hostDomain, "lttng_" + d.d.String() + "_channel"
}

// Open implements source.Loggers.
func (d *Domain) Open(session string, owner uint32) source.LoggersTrace {
	t := &Trace{s: d.s, d: d.d, session: session, owner: owner}
	d.s.mu.Lock()
	defer d.s.mu.Unlock()
	d.s.traces = append(d.s.traces, t)
	return t
}

// Rule implements source.Loggers: the events of the domain's provider that the logger's
// name, the level and the filter choose, as LTTng has it.
func (d *Domain) Rule(r *agent.EventRule) (agent.EventRule, error) {
	made := agent.EventRule{Type: agent.Tracepoint, Pattern: "lttng_" + d.d.String() + ":*", Enabled: true}
	refuse := func(c agent.Code, text string) (agent.EventRule, error) {
		return made, agent.NewProblem(c, fmt.Sprintf("domain %s: event rule %s: %s", d.d, r.Pattern, text))
	}
	switch {
	case r.Type != agent.Tracepoint && r.Type != agent.AllEvents:
		return refuse(agent.CodeNotSupported, "there are loggers only")
	case len(r.Exclusions) > 0:
		return refuse(agent.CodeNotSupported, "loggers are not left out")
	case r.Pattern == "" || len(r.Pattern) >= wire.NameLen:
		return refuse(agent.CodeInvalid, fmt.Sprintf("want the name of a logger, of 1 to %d bytes", wire.NameLen-1))
	case strings.ContainsAny(r.Pattern, "\x00\""):
		return refuse(agent.CodeInvalid, "a name of a logger has no quotation mark")
	}
	if r.Filter != "" {
		if _, err := filter.ParseOrdered(r.Filter); err != nil {
			return refuse(agent.CodeFilter, err.Error())
		}
	}
	l, kind, err := levelOf(d.d, r)
	if err != nil {
		return refuse(agent.CodeInvalid, err.Error())
	}
	made.Filter = hostFilter(r, l, kind)
	return made, nil
}

// hostFilter is the filter by which the host records what a rule chooses.
func hostFilter(r *agent.EventRule, l int32, kind uint32) string {
	text := r.Filter
	and := func(condition string) {
		if text == "" {
			text = condition
			return
		}
		text = "(" + text + ") && (" + condition + ")"
	}
	if r.Pattern != all {
		and(`logger_name == "` + r.Pattern + `"`)
	}
	switch kind {
	case wire.LevelRange:
		and(fmt.Sprintf("int_loglevel >= %d", l))
	case wire.LevelSingle:
		and(fmt.Sprintf("int_loglevel == %d", l))
	}
	return text
}

// levelOf is the level of a rule, and how it is compared.
func levelOf(d wire.Domain, r *agent.EventRule) (value int32, kind uint32, err error) {
	if r.LogLevel == "" {
		return math.MinInt32, wire.LevelAll, nil
	}
	kind = wire.LevelRange
	if r.LogLevelOnly {
		kind = wire.LevelSingle
	}
	name := strings.TrimPrefix(strings.ToUpper(r.LogLevel), strings.ToUpper(d.String())+"_")
	var names []string
	for _, l := range levels[d] {
		if l.name == name {
			return l.value, kind, nil
		}
		names = append(names, l.name)
	}
	return 0, 0, fmt.Errorf("log level %q, want one of %q", r.LogLevel, names)
}
