// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/weir-io/weir/client/agent"
)

// eventTypeFlags choose a kind of events.
type eventTypeFlags struct {
	tracepoint, syscall             bool
	probe, function, userspaceProbe string
}

func (f *eventTypeFlags) add(fl *pflag.FlagSet) {
	fl.BoolVar(&f.tracepoint, "tracepoint", false, "tracepoints (default of names)")
	fl.BoolVar(&f.syscall, "syscall", false, "system calls")
}

func (f *eventTypeFlags) addProbes(fl *pflag.FlagSet) {
	fl.StringVar(&f.probe, "probe", "", "a kprobe at `LOCATION`: SYMBOL, SYMBOL+OFFSET or ADDRESS")
	fl.StringVar(&f.function, "function", "", "kprobes at entry and exit of the function at `LOCATION`")
	fl.StringVar(&f.userspaceProbe, "userspace-probe", "", "a uprobe at `LOCATION`: elf:PATH:SYMBOL or PATH:SYMBOL")
}

// one returns the kind that was chosen, "" for none, and the location of probes.
func (f *eventTypeFlags) one() (kind agent.EventType, location string, err error) {
	chosen := 0
	for _, o := range []struct {
		given    bool
		kind     agent.EventType
		location string
	}{
		{f.tracepoint, agent.Tracepoint, ""},
		{f.syscall, agent.Syscall, ""},
		{f.probe != "", agent.Probe, f.probe},
		{f.function != "", agent.Function, f.function},
		{f.userspaceProbe != "", agent.UserspaceProbe, f.userspaceProbe},
	} {
		if o.given {
			chosen++
			kind, location = o.kind, o.location
		}
	}
	if chosen > 1 {
		return "", "", usageErrorf("--tracepoint, --syscall, --probe, --function and --userspace-probe exclude each other")
	}
	return kind, location, nil
}

// enableEventFlags are the flags of "weir enable-event".
type enableEventFlags struct {
	domain                 domainFlags
	types                  eventTypeFlags
	all                    bool
	channel, filter        string
	exclude                []string
	loglevel, loglevelOnly string
	preset                 string
	period                 time.Duration
	source                 string
}

// newEnableEventCommand returns "weir enable-event".
func newEnableEventCommand() *cobra.Command {
	var f enableEventFlags
	c := &cobra.Command{
		Use:   "enable-event [NAME[,NAME]...]...",
		Short: "Choose events to record",
		Long: `Add event rules to a channel of a session, or enable those that were disabled.
Events are named as LTTng names them (irq_softirq_entry), as tracefs does
(irq:softirq_entry) or plainly (softirq_entry); * stands for anything, and
sched:* is all of a system. -a is all events, or all of a kind.

A filter (-f) is an expression of LTTng's filter language over fields and
contexts: 'prev_prio < 100 && $ctx.procname != "swapper*"'.

Events of applications (-u) are tracepoints of programs that are linked with
LTTng-UST, or that come later: app:request, app:*. Each has a log level; --loglevel
takes TRACE_WARNING and the like, also without TRACE_.

Loggers of Python and Java programs with LTTng's agents (--python, --jul, --log4j)
are named as the programs name them: app.db, app.*. --loglevel takes the levels of
the library (WARNING, SEVERE, FATAL), and a filter (-f) sees msg, logger_name,
int_loglevel and the other fields of such events. They are recorded in a channel of
the applications' domain that is called lttng_python_channel and so on.

Samples of the host's statistics (--stat) are named by selectors of xmlsysd: a
section (meminfo), a path or its end (net/*), an element with conditions
('interface[devtype=eth]'), an expression ('~^proc/net/'). Each is taken every
second, or as often as --period says.

Changes of file systems (--fs) are named as records of feeds are: CREAT, UNLNK,
RENME, SATTR and so on, see "weir feed create". They are those of a directory
(--source), which is watched from then on; default: of all file systems that a feed
has watched.

Presets (--preset) choose events for a purpose:
` + presetTable(),
		Example: `  weir enable-event -k -a
  weir enable-event -k 'sched_*' -x sched_stat_runtime
  weir enable-event -k --syscall openat,close -f 'ret < 0'
  weir enable-event -k --preset net
  weir enable-event -u 'app:*' --loglevel TRACE_INFO
  weir enable-event --python app.db --loglevel WARNING
  weir enable-event --stat stat meminfo 'net/*' --period 100ms
  weir enable-event --fs 'CREAT,UNLNK,R*' --source /srv`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completeEvents,
	}
	fl := c.Flags()
	f.domain.add(fl)
	f.domain.addLoggers(fl)
	f.types.add(fl)
	f.types.addProbes(fl)
	fl.BoolVarP(&f.all, "all", "a", false, "all events, or all of the kind chosen")
	fl.StringVarP(&f.channel, "channel", "c", "", "add to this `CHANNEL`, which is made if need be; default: the only one, or channel0")
	fl.StringVarP(&f.filter, "filter", "f", "", "only events for which `EXPR` is true")
	fl.StringSliceVarP(&f.exclude, "exclude", "x", nil, "but not these `NAME,...`")
	fl.StringVar(&f.loglevel, "loglevel", "", "events of this `LEVEL` and more severe; of -u and of loggers")
	fl.StringVar(&f.loglevelOnly, "loglevel-only", "", "events of this `LEVEL`; of -u and of loggers")
	fl.StringVar(&f.preset, "preset", "", "events for a `PURPOSE`: "+strings.Join(presetNames(), ", "))
	fl.DurationVar(&f.period, "period", 0, "take a sample each `TIME`, 10ms at least, at multiples of it; of --stat; default: 1s")
	fl.StringVar(&f.source, "source", "", "changes at or below `DIR`; of --fs")
	c = agentCommand(c, true, f.run)
	mustComplete(c, "channel", completeChannels)
	mustComplete(c, "preset", cobra.FixedCompletions(presetNames(), cobra.ShellCompDirectiveNoFileComp))
	return c
}

// choices are flags that choose among events: an empty one, as of a shell's variable
// that is not set, does not stand for all.
var choices = []string{"filter", "loglevel", "loglevel-only"}

func (f *enableEventFlags) run(c *agentCall) error {
	for _, name := range choices {
		if flag := c.cmd.Flags().Lookup(name); flag.Changed && flag.Value.String() == "" {
			return usageErrorf("--%s: it is empty", name)
		}
	}
	if f.preset != "" && f.domain == (domainFlags{}) {
		f.domain.kernel = true // no other domain has presets
	}
	rules, err := f.rules(c.args)
	if err != nil {
		return err
	}
	domain, err := f.domain.one()
	if err != nil {
		return err
	}
	name, err := c.current()
	if err != nil {
		return err
	}
	if f.domain.loggers() && f.channel != "" {
		c.warn("--channel has no effect: loggers have one of their own")
		f.channel = ""
	}
	done, err := c.api.EnableEvents(c.ctx, name, agent.EnableEvents{Domain: domain, Channel: f.channel, Rules: rules})
	if err != nil {
		return err
	}
	c.did(name, done)
	s, err := c.api.Session(c.ctx, name)
	if err != nil {
		return err
	}
	made, channel := madeRules(s, domain, f.channel, rules)
	c.set("rules", made)
	c.set("channel", channel)
	f.tell(c, domain, channel, made)
	return nil
}

// madeRules returns which of the rules the session has now, and in which channel:
// what could not be enabled has a warning and is not there.
func madeRules(s agent.Session, domain, channel string, rules []agent.EventRule) ([]agent.EventRule, string) {
	made := []agent.EventRule{}
	for _, d := range s.Domains {
		for _, ch := range d.Channels {
			if d.Name != domain || channel != "" && ch.Name != channel {
				continue
			}
			for _, r := range rules {
				if i := slices.IndexFunc(ch.Events, func(e agent.EventRule) bool {
					return e.Type == r.Type && e.Pattern == r.Pattern && e.Period == r.Period && e.Location == r.Location
				}); i >= 0 {
					made = append(made, ch.Events[i])
				}
			}
			if len(made) > 0 {
				return made, ch.Name
			}
		}
	}
	return made, channel
}

// tell says what was made, in LTTng's words.
func (f *enableEventFlags) tell(c *agentCall, domain, channel string, rules []agent.EventRule) {
	if len(rules) == 0 {
		return // the warnings say why
	}
	if f.preset != "" {
		c.say("Preset %s enabled in channel %s: %d rules", f.preset, channel, len(rules))
	}
	if f.all && f.domain.loggers() {
		c.say("All %s events are enabled in channel %s", domain, channel)
		return
	}
	if f.all {
		what := map[agent.EventType]string{agent.AllEvents: "events", agent.Tracepoint: "tracepoints", agent.Syscall: "system calls"}[rules[0].Type]
		c.say("All %s %s are enabled in channel %s", domain, what, channel)
		return
	}
	if f.preset != "" {
		return
	}
	if f.domain.loggers() {
		for _, r := range rules {
			c.say("%s event %s enabled", domain, r.Pattern)
		}
		return
	}
	for _, r := range rules {
		c.say("%s event %s created in channel %s", domainTitle(domain), r.Pattern, channel)
	}
}

// rules makes the rules of the flags and names.
func (f *enableEventFlags) rules(args []string) ([]agent.EventRule, error) {
	kind, location, err := f.types.one()
	if err != nil {
		return nil, err
	}
	source := f.source
	if source != "" {
		if source, err = filepath.Abs(source); err != nil {
			return nil, err
		}
	}
	switch {
	case f.loglevel != "" && f.loglevelOnly != "":
		return nil, usageErrorf("--loglevel and --loglevel-only exclude each other")
	case (f.loglevel != "" || f.loglevelOnly != "") && !f.domain.user && !f.domain.loggers():
		return nil, usageErrorf("--loglevel and --loglevel-only are of -u, --python, --jul and --log4j")
	case f.domain.loggers() && (kind != "" || len(f.exclude) > 0):
		return nil, usageErrorf("--python, --jul and --log4j have no kinds of events and no exclusions")
	case kind != "" && kind != agent.Tracepoint && f.domain.user:
		return nil, usageErrorf("-u has tracepoints only")
	case f.all && len(args) > 0:
		return nil, usageErrorf("-a and names of events exclude each other")
	case f.period != 0 && !f.domain.stat:
		return nil, usageErrorf("--period is of --stat")
	case f.preset != "" && (f.domain.user || f.domain.stat || f.domain.fs || f.domain.loggers()):
		return nil, usageErrorf("--preset: -u, --stat, --fs and loggers have none")
	case f.source != "" && (!f.domain.fs || kind != ""):
		return nil, usageErrorf("--source is of --fs")
	case f.preset != "" && (f.all || len(args) > 0 || kind != ""):
		return nil, usageErrorf("--preset excludes -a, names and kinds of events")
	case f.preset != "":
		return presetRules(f.preset, f.filter, f.exclude)
	case f.all:
		return f.allRules(kind, source)
	case len(args) == 0:
		return nil, usageErrorf("want names of events, -a or --preset")
	}
	names, err := allNames(args)
	if err != nil {
		return nil, err
	}
	if location != "" && len(names) > 1 {
		return nil, usageErrorf("a probe has one name, got %q", names)
	}
	if kind == "" {
		kind = agent.Tracepoint
	}
	if location == "" {
		location = source
	}
	var rules []agent.EventRule
	for _, n := range names {
		rules = append(rules, f.rule(agent.EventRule{Type: kind, Pattern: n, Location: location}))
	}
	return rules, nil
}

// allNames splits the names of all arguments.
func allNames(args []string) ([]string, error) {
	var names []string
	for _, a := range args {
		names = append(names, splitNames(a)...)
	}
	return names, checkNames("NAME", names)
}

// rule completes a rule with what the flags say of all.
func (f *enableEventFlags) rule(r agent.EventRule) agent.EventRule {
	r.Filter, r.Exclusions, r.Period, r.Enabled = f.filter, f.exclude, f.period, true
	r.LogLevel, r.LogLevelOnly = cmp.Or(f.loglevel, f.loglevelOnly), f.loglevelOnly != ""
	return r
}

func (f *enableEventFlags) allRules(kind agent.EventType, location string) ([]agent.EventRule, error) {
	switch kind {
	case "":
		kind = agent.AllEvents
		if f.domain.loggers() || f.domain.user {
			kind = agent.Tracepoint // as of those that are named
		}
	case agent.Tracepoint, agent.Syscall:
	default:
		return nil, usageErrorf("-a does not go with probes")
	}
	return []agent.EventRule{f.rule(agent.EventRule{Type: kind, Pattern: "*", Location: location})}, nil
}
