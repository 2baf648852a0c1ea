// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kernelsource

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/kernel/tracefs"
	"github.com/weir-io/weir/internal/kerneltrace"
	"github.com/weir-io/weir/internal/source"
)

const (
	maxNearest  = 3  // similar names that an unknown one is answered with
	maxMistyped = 64 // bytes of a name for which similar ones are looked for
	// Each name and exclusion is compared with that of each event.
	maxPatternBytes = 255
	maxExclusions   = 64
)

// channel is a tracing instance.
type channel struct {
	t        *trace
	id       uint32
	name     string
	settings agent.ChannelSettings
	instance *tracefs.Instance
	contexts []kerneltrace.Context
	rules    []*rule
	users    map[tracefs.EventName]int    // rules that want an event
	table    *kerneltrace.Table           // nil until Prepare
	ledgers  map[int]*handover.Ledger     // by CPU; they outlive consumers
	kept     map[tracefs.EventName]string // expressions that the consumer evaluates
	filtered map[tracefs.EventName]bool   // events with a filter in the kernel
	probes   probes
	started  bool // it records
	resting  bool // events are disabled while it is stopped
	stirred  bool // some were enabled since then
}

// rule is an event rule with what it chooses.
type rule struct {
	of     *agent.EventRule
	events []tracefs.EventName
}

// AddRule implements source.Channel.
func (c *channel) AddRule(r *agent.EventRule) (warnings []error, err error) {
	if err := checkPatterns(r); err != nil {
		return nil, err
	}
	var chosen []tracefs.EventName
	switch r.Type {
	case agent.Tracepoint, agent.Syscall, agent.AllEvents:
		chosen, err = c.choose(r)
	case agent.Probe, agent.Function, agent.UserspaceProbe:
		if chosen, err = c.addProbes(r); err == nil {
			defer func() {
				if err != nil {
					err = errors.Join(err, c.dropProbes(chosen))
				}
			}()
		}
	default:
		return nil, agent.NewProblem(agent.CodeInvalid, fmt.Sprintf("event rule of type %q", r.Type))
	}
	if err != nil {
		return nil, err
	}
	ru := &rule{of: r, events: chosen}
	if warnings, err = c.filter(ru); err != nil {
		// Some of the events may have got the filter, and other rules may choose them.
		return nil, errors.Join(err, c.unfilter(&rule{of: r, events: chosen}))
	}
	if err := c.declare(ru.events); err != nil {
		return nil, errors.Join(err, c.unfilter(ru))
	}
	refused, err := c.enable(ru.events)
	if err != nil {
		return nil, errors.Join(err, c.disable(ru.events), c.unfilter(ru))
	}
	for _, e := range refused {
		warnings = append(warnings, e)
	}
	ru.of.Matches, ru.of.Refused = 0, 0
	ru.took(ru.events, refused)
	c.rules = append(c.rules, ru)
	return warnings, nil
}

// checkPatterns refuses what would take too long to compare.
func checkPatterns(r *agent.EventRule) error {
	if len(r.Exclusions) > maxExclusions {
		return agent.NewProblem(agent.CodeInvalid, fmt.Sprintf("%d exclusions: want at most %d", len(r.Exclusions), maxExclusions))
	}
	for _, p := range append([]string{r.Pattern}, r.Exclusions...) {
		if len(p) > maxPatternBytes {
			return agent.NewProblem(agent.CodeInvalid, fmt.Sprintf("name %.32s… of %d bytes: want at most %d", p, len(p), maxPatternBytes))
		}
	}
	return nil
}

// choose returns the events that a rule chooses, which are some.
func (c *channel) choose(r *agent.EventRule) ([]tracefs.EventName, error) {
	if isOpen(r) {
		if err := c.t.watchEvents(); err != nil {
			return nil, err
		}
	}
	events, err := c.t.s.list()
	if err != nil {
		return nil, err
	}
	chosen, err := c.t.own(choose(events, r, c.t.naming), r)
	if err != nil {
		return nil, err
	}
	if len(chosen) == 0 {
		return nil, agent.NewProblem(agent.CodeInvalid, fmt.Sprintf("no event %s%s", r.Pattern, nearest(events, r.Pattern, c.t.naming)))
	}
	return chosen, nil
}

// declare declares events that consumers do not know, and has them told.
func (c *channel) declare(events []tracefs.EventName) error {
	if c.table == nil {
		return nil
	}
	if err := c.declareIn(c.table, events); err != nil || c.t.info.Publish == nil {
		return err
	}
	return c.t.info.Publish() // also filters, which may be new for known events
}

func (c *channel) declareIn(t *kerneltrace.Table, events []tracefs.EventName) error {
	for _, n := range events {
		f, err := c.t.s.format(n)
		if errors.Is(err, tracefs.ErrNoEvent) {
			continue // its module was unloaded
		}
		if err != nil {
			return fmt.Errorf("event %s: %w", n, err)
		}
		if _, err := t.Declare(f); err != nil {
			return err
		}
	}
	return nil
}

// enable turns events on that no rule had.
func (c *channel) enable(events []tracefs.EventName) ([]*tracefs.EventError, error) {
	var fresh []tracefs.EventName
	for _, n := range events {
		if c.users[n] == 0 {
			fresh = append(fresh, n)
		}
		c.users[n]++
	}
	c.stirred = c.stirred || len(fresh) > 0
	return c.instance.EnableEvents(fresh)
}

func (c *channel) disable(events []tracefs.EventName) error {
	var last []tracefs.EventName
	for _, n := range events {
		if c.users[n]--; c.users[n] == 0 {
			last = append(last, n)
		}
	}
	refused, err := c.instance.DisableEvents(last)
	for _, e := range refused {
		err = errors.Join(err, e)
	}
	return err
}

// took counts the events that a rule has, and those of them that the kernel refuses.
func (r *rule) took(events []tracefs.EventName, refused []*tracefs.EventError) {
	r.of.Matches += len(events) - len(refused)
	r.of.Refused += len(refused)
}

// SetRule implements source.Channel.
func (c *channel) SetRule(r *agent.EventRule, on bool) error {
	for _, ru := range c.rules {
		if ru.of.Pattern != r.Pattern || ru.of.Type != r.Type || ru.of.Filter != r.Filter || ru.of.Location != r.Location || !slices.Equal(ru.of.Exclusions, r.Exclusions) {
			continue
		}
		if !on {
			return errors.Join(c.disable(ru.events), c.unfilter(ru))
		}
		if _, err := c.filter(ru); err != nil {
			return err
		}
		if err := c.declare(ru.events); err != nil {
			return err
		}
		refused, err := c.enable(ru.events)
		ru.of.Matches, ru.of.Refused = 0, 0
		ru.took(ru.events, refused)
		return err
	}
	return agent.NewProblem(agent.CodeNoEvent, "no such event rule")
}

// AddContext implements source.Channel.
func (c *channel) AddContext(name string) error {
	x, err := kerneltrace.ParseContext(name)
	if err != nil {
		return agent.NewProblem(agent.CodeContextUnavailable, err.Error())
	}
	if err := c.recordStack(x); err != nil {
		return err
	}
	c.contexts = append(c.contexts, x)
	return nil
}

// Prepare implements source.Channel.
func (c *channel) Prepare() error {
	if c.table != nil {
		return nil
	}
	first := c.t.channels[0] == c
	t, err := kerneltrace.NewTable(kerneltrace.Options{
		Naming: c.t.naming, UUID: c.t.info.UUID, StreamID: uint64(c.id), Clock: c.t.traceClock(), Env: c.t.env(),
		Contexts: c.contexts, Hostname: c.t.info.Hostname, StreamOnly: !first, StateDump: first, ClockSync: first, PointerKey: c.t.key,
	})
	if err != nil {
		return err
	}
	for _, ru := range c.rules {
		if err := c.declareIn(t, ru.events); err != nil {
			return err
		}
	}
	if err := c.declareStacks(t); err != nil {
		return err
	}
	c.table = t
	return nil
}

// Describe implements source.Channel.
func (c *channel) Describe(o *handover.Channel) (*os.File, error) {
	o.Ring, o.Filters = true, c.filters()
	b, err := c.table.MarshalBinary()
	if err != nil {
		return nil, err
	}
	return handover.Blob("table of "+c.name, b)
}

// Streams implements source.Channel.
func (c *channel) Streams() ([]source.Stream, error) {
	cpus, err := c.cpus()
	if err != nil {
		return nil, err
	}
	return c.openStreams(cpus)
}

// MoreStreams implements source.Growing.
func (c *channel) MoreStreams() ([]source.Stream, error) {
	cpus, err := c.cpus()
	if err != nil {
		return nil, err
	}
	return c.openStreams(slices.DeleteFunc(cpus, func(cpu int) bool { return c.ledgers[cpu] != nil }))
}

func (c *channel) openStreams(cpus []int) ([]source.Stream, error) {
	if len(cpus) == 0 {
		return nil, nil
	}
	subbuf, err := c.instance.SubbufferBytes()
	if err != nil {
		return nil, err
	}
	var all []source.Stream
	for _, cpu := range cpus {
		st, err := c.openStream(cpu)
		if err != nil {
			for _, made := range all {
				handover.CloseAll(made.Files)
			}
			return nil, err
		}
		st.SubbufBytes = subbuf
		all = append(all, st)
	}
	return all, nil
}

// openStream opens a ring with its counts.
func (c *channel) openStream(cpu int) (source.Stream, error) {
	pipe, err := c.instance.OpenPipe(cpu)
	if err != nil {
		return source.Stream{}, err
	}
	stats, err := c.instance.OpenStats(cpu)
	if err != nil {
		pipe.Close()
		return source.Stream{}, err
	}
	st, err := c.stream(cpu, pipe, stats)
	if err != nil {
		stats.Close()
		pipe.Close()
	}
	return st, err
}

// stream describes a ring, with a ledger of its own that a later consumer goes on
// with.
func (c *channel) stream(cpu int, pipe, stats *os.File) (source.Stream, error) {
	ledger, resumed := c.ledgers[cpu]
	if !resumed {
		var err error
		if ledger, err = handover.NewLedger(); err != nil {
			return source.Stream{}, err
		}
		c.ledgers[cpu] = ledger
	}
	// The caller closes what it is given.
	copied, err := unix.FcntlInt(ledger.File().Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return source.Stream{}, err
	}
	return source.Stream{CPU: uint32(cpu), Resumed: resumed, Files: []*os.File{pipe, stats, os.NewFile(uintptr(copied), "ledger")}}, nil
}

// Start implements source.Channel.
func (c *channel) Start() error {
	if err := errors.Join(c.wake(), c.t.startFeeds()); err != nil {
		return err
	}
	c.started = true
	return c.instance.SetTracing(true)
}

// Stop implements source.Channel.
func (c *channel) Stop() error {
	c.started = false
	return errors.Join(c.instance.SetTracing(false), c.t.stopFeeds())
}
