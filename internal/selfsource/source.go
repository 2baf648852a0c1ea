// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package selfsource

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/ctf/tsdl"
	"github.com/weir-io/weir/internal/filter"
	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/source"
	"github.com/weir-io/weir/internal/traceclock"
)

// Domain is the name of weir's own domain.
const Domain = "weir"

// eventPrefix begins the names of the events; what follows is a notice's type.
const eventPrefix = "weir:"

// kinds are the types of notices, each an event.
var kinds = [...]string{"state", "consumer", "loss", "spool", "rotation", "trigger", "error"}

// Source is weir's own domain. It is safe for concurrent use.
type Source struct {
	log *slog.Logger

	mu       sync.Mutex
	channels map[*channel]struct{} // that record; guarded by mu
}

// New makes the source.
func New(log *slog.Logger) *Source { return &Source{log: log, channels: make(map[*channel]struct{})} }

// Emit records a notice about a user's session in all channels that want it: that
// user's, and root's.
func (s *Source) Emit(owner uint32, n agent.Notice) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.channels {
		if by := c.t.info.Owner; by == 0 || by == owner {
			c.emit(n)
		}
	}
}

// Domain implements source.Source.
func (s *Source) Domain() string { return Domain }

// Check implements source.Source: everybody may use it.
func (s *Source) Check(bool) error { return nil }

// Defaults implements source.Source.
func (s *Source) Defaults(agent.Mode) agent.ChannelSettings {
	return agent.ChannelSettings{SubbufBytes: handover.MaxPacket, SubbufCount: 4, ReadTimer: 100 * time.Millisecond}
}

// Open implements source.Source.
func (s *Source) Open(info source.SessionInfo) (source.Trace, error) {
	clock := traceclock.Declare(traceclock.Mono, traceclock.Measure(clockID))
	b := ctf.NewBuilder(ctf.BuilderOptions{UUID: info.UUID, Clock: clock})
	t := b.Trace()
	for _, e := range [...][2]string{
		{"domain", Domain},
		{"hostname", info.Hostname},
		{"tracer_name", "weir"},
		{"trace_name", info.Name},
		{"trace_creation_datetime", info.Created},
	} {
		t.Env = append(t.Env, schema.EnvEntry{Name: e[0], String: e[1]})
	}
	return &trace{s: s, info: info, builder: b}, nil
}

// trace is what one session records of weir.
type trace struct {
	s       *Source
	info    source.SessionInfo
	builder *ctf.Builder
	channel *channel
	told    bool
}

// Channel implements source.Trace. One is enough: all events are of one stream.
func (t *trace) Channel(id uint32, name string, set agent.ChannelSettings) (source.Channel, error) {
	if t.channel != nil {
		return nil, agent.NewProblem(agent.CodeInvalid, "domain weir has one channel, "+t.channel.name)
	}
	stream, err := t.builder.Stream(ctf.LargeHeader)
	if err != nil {
		return nil, err
	}
	c := &channel{t: t, name: name, period: time.Second, wanted: make(map[string]bool)}
	for i, kind := range kinds {
		if c.events[i], err = stream.Event(eventPrefix+kind, schema.NoLogLevel, ctf.Str("session"), ctf.Str("text")); err != nil {
			return nil, err
		}
	}
	c.class = stream.Class()
	c.class.ID = uint64(id)
	if set.SwitchTimer > 0 {
		c.period = min(c.period, set.SwitchTimer)
	}
	if live := t.info.LiveTimer; live > 0 {
		c.period = min(c.period, live/2) // the consumer tells viewers that older events were sent
	}
	t.channel = c
	return c, nil
}

// Metadata implements source.Trace.
func (t *trace) Metadata() ([]byte, error) {
	if t.told || t.channel == nil {
		return nil, nil
	}
	t.told = true
	return tsdl.Append(nil, t.builder.Trace())
}

// Regenerate implements source.Trace.
func (t *trace) Regenerate() ([]byte, error) { return tsdl.Append(nil, t.builder.Trace()) }

// Track implements source.Trace: there is one process.
func (t *trace) Track(pids []int32) error {
	if pids != nil {
		return agent.NewProblem(agent.CodeNotSupported, "domain weir: processes are not tracked")
	}
	return nil
}

// StateDump implements source.Trace.
func (t *trace) StateDump() (uint32, []byte, error) { return 0, nil, nil }

// Exclude implements source.Trace.
func (t *trace) Exclude([]int32) error { return nil }

// Close implements source.Trace.
func (t *trace) Close() error {
	if t.channel == nil {
		return nil
	}
	return t.channel.close()
}

// chosen reports whether a rule chooses the events of a kind.
func chosen(r *agent.EventRule, kind string) bool {
	name := []byte(eventPrefix + kind)
	if !filter.NewGlob(r.Pattern).Match(name) {
		return false
	}
	for _, x := range r.Exclusions {
		if filter.NewGlob(x).Match(name) {
			return false
		}
	}
	return true
}

func unknownRule(r *agent.EventRule) error {
	return agent.NewProblem(agent.CodeInvalid, fmt.Sprintf("no event %s: domain weir has %s%s", r.Pattern, eventPrefix, strings.Join(kinds[:], ", "+eventPrefix)))
}
