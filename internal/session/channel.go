// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"slices"
	"strings"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/source"
)

const (
	defaultChannel  = "channel0"
	maxChannels     = 64 // of a session
	maxChannelBytes = 255 - len("_0000_00000000")
)

// channel is a channel of a domain. It is guarded by Session.mu.
type channel struct {
	source.Channel

	id       uint32
	name     string
	settings agent.ChannelSettings
	sized    bool // the sub-buffers' size was asked for
	enabled  bool
	tells    bool // its consumer says when it records
	rules    []*agent.EventRule
	contexts []string
	handing  handing
}

func (m *domain) channel(name string) *channel {
	for _, c := range m.channels {
		if c.name == name {
			return c
		}
	}
	return nil
}

// EnableChannel makes a channel, or enables one.
func (d *Daemon) EnableChannel(_ context.Context, by Caller, name string, r agent.EnableChannel) (done agent.Done, err error) {
	err = d.with(by, name, func(s *Session) error {
		m, err := s.domain(by, r.Domain, true)
		if err != nil {
			return err
		}
		if c := m.channel(r.Name); c != nil {
			if c.enabled {
				return problemf(agent.CodeChannelExists, "channel %s of session %s exists already", r.Name, s.name)
			}
			return s.switchChannel(c, true)
		}
		_, err = m.addChannel(r.Name, r.ChannelSettings, &done)
		return err
	})
	return done, err
}

// addChannel makes a channel.
func (m *domain) addChannel(name string, set agent.ChannelSettings, done *agent.Done) (*channel, error) {
	switch {
	case name == "" || name == "metadata" || len(name) > maxChannelBytes || strings.ContainsAny(name, "/\x00\n ") || name[0] == '.':
		return nil, problemf(agent.CodeBadChannelName, "channel name %q: want 1 to %d bytes without '/', blank and a leading dot, not metadata", name, maxChannelBytes)
	case m.s.started && m.proc != nil:
		return nil, problemf(agent.CodeAlreadyStarted, "session %s has been started: its channels are fixed", m.s.name)
	}
	n := 0
	for _, o := range m.s.domains {
		n += len(o.channels)
	}
	if n >= maxChannels {
		return nil, problemf(agent.CodeInvalid, "session %s has %d channels: no more are allowed", m.s.name, n)
	}
	sized := set.SubbufBytes != 0
	if err := checkTimers(set); err != nil {
		return nil, err
	}
	def, err := m.defaults(&set)
	if err != nil {
		return nil, err
	}
	if set, err = settle(set, def, done); err != nil {
		return nil, err
	}
	if err := m.checkBlocking(set); err != nil {
		return nil, err
	}
	made, err := m.trace.Channel(m.last, name, set)
	if err != nil {
		return nil, err
	}
	c := &channel{Channel: made, id: m.last, name: name, settings: set, sized: sized, enabled: true, tells: m.s.onMatch != nil}
	m.last++
	m.channels = append(m.channels, c)
	m.warnOfPackets(c, done)
	return c, nil
}

// defaults are those of a channel, which has the kind of rings that the domain has already
// unless it says.
func (m *domain) defaults(set *agent.ChannelSettings) (agent.ChannelSettings, error) {
	src, own := m.src.(source.ByProgram)
	if !own && set.Buffers != "" {
		return *set, problemf(agent.CodeBufferType, "rings by user or process are of applications: domain %s has none such", m.src.Domain())
	}
	if set.Buffers == "" && len(m.channels) > 0 {
		set.Buffers = m.channels[0].settings.Buffers
	}
	switch set.Buffers {
	case "", agent.BuffersUID:
		return m.src.Defaults(m.s.mode), nil
	case agent.BuffersPID:
		return src.OwnDefaults(m.s.mode), nil
	}
	return *set, problemf(agent.CodeInvalid, "rings %q: want %s or %s", set.Buffers, agent.BuffersUID, agent.BuffersPID)
}

// checkBlocking refuses a wait for room where nobody waits.
func (m *domain) checkBlocking(set agent.ChannelSettings) error {
	_, blocks := m.src.(source.Blocking)
	switch {
	case set.BlockingTimeout == 0:
	case !blocks:
		return problemf(agent.CodeNotSupported, "blocking timeout: nobody waits for room in a ring of domain %s", m.src.Domain())
	case set.Overwrite:
		return problemf(agent.CodeInvalid, "blocking timeout: there is always room in rings that are overwritten")
	case set.BlockingTimeout < agent.Forever:
		return problemf(agent.CodeInvalid, "blocking timeout of %v: want at least 0, or forever", set.BlockingTimeout)
	}
	return nil
}

// settle fills in defaults, and rounds as LTTng does.
func settle(set, def agent.ChannelSettings, done *agent.Done) (agent.ChannelSettings, error) {
	round := func(what string, v *uint64, def uint64) {
		if *v == 0 {
			*v = def
			return
		}
		up := uint64(1)
		for up < *v {
			up <<= 1
		}
		if up != *v {
			warn(done, agent.CodeOK, sizeRounded(what, *v, up))
			*v = up
		}
	}
	if set.SubbufBytes > 1<<30 || set.SubbufCount > 1<<20 {
		return set, problemf(agent.CodeInvalid, "sub-buffers of %d bytes, %d of them: want at most 1 GiB and 1048576", set.SubbufBytes, set.SubbufCount)
	}
	round("sub-buffer size", &set.SubbufBytes, def.SubbufBytes)
	round("number of sub-buffers", &set.SubbufCount, def.SubbufCount)
	if set.SubbufBytes < 4096 {
		return set, problemf(agent.CodeInvalid, "sub-buffer size %d: want at least 4096 bytes", set.SubbufBytes)
	}
	if set.TracefileBytes > 0 && set.TracefileBytes < set.SubbufBytes {
		warn(done, agent.CodeOK, sizeRounded("tracefile size", set.TracefileBytes, set.SubbufBytes))
		set.TracefileBytes = set.SubbufBytes
	}
	if set.TracefileCount > 0 && set.TracefileBytes == 0 {
		return set, problemf(agent.CodeInvalid, "a number of trace files needs their size")
	}
	if set.ReadTimer == 0 {
		set.ReadTimer = def.ReadTimer
	}
	if set.SwitchTimer == 0 {
		set.SwitchTimer = def.SwitchTimer
	}
	if set.MonitorTimer == 0 {
		set.MonitorTimer = def.MonitorTimer
	}
	set.Overwrite = set.Overwrite || def.Overwrite
	return set, nil
}

// DisableChannel stops the recording of a channel.
func (d *Daemon) DisableChannel(_ context.Context, by Caller, name, domain, channel string) (done agent.Done, err error) {
	err = d.with(by, name, func(s *Session) error {
		m, err := s.domain(by, domain, false)
		if err != nil {
			return err
		}
		c := m.channel(channel)
		if c == nil {
			return problemf(agent.CodeChannelNotFound, "session %s has no channel %s of domain %s", s.name, channel, domain)
		}
		return s.switchChannel(c, false)
	})
	return done, err
}

// switchChannel enables or disables a channel.
func (s *Session) switchChannel(c *channel, on bool) error {
	c.enabled = on
	switch {
	case !s.active:
		return nil
	case on:
		return c.Start()
	}
	return c.Stop()
}

// AddContext adds contexts to a channel, or to all of a domain.
func (d *Daemon) AddContext(_ context.Context, by Caller, name string, r agent.AddContext) (done agent.Done, err error) {
	err = d.with(by, name, func(s *Session) error {
		if src := d.loggersOf(r.Domain); src != nil {
			if _, err := s.beginLoggers(by, src, &done); err != nil {
				return err
			}
			r.Domain, r.Channel = src.Host()
		}
		m, err := s.domain(by, r.Domain, true)
		if err != nil {
			return err
		}
		if s.started {
			return problemf(agent.CodeAlreadyStarted, "session %s has been started: contexts are fixed", s.name)
		}
		channels := m.channels
		if r.Channel != "" {
			c := m.channel(r.Channel)
			if c == nil {
				return problemf(agent.CodeChannelNotFound, "session %s has no channel %s of domain %s", s.name, r.Channel, r.Domain)
			}
			channels = []*channel{c}
		} else if len(channels) == 0 {
			c, err := m.addChannel(defaultChannel, agent.ChannelSettings{}, &done)
			if err != nil {
				return err
			}
			channels = []*channel{c}
		}
		for _, c := range channels {
			for _, t := range r.Types {
				if slices.Contains(c.contexts, t) {
					warn(&done, agent.CodeInvalid, "context "+t+" is in channel "+c.name+" already")
					continue
				}
				if err := c.AddContext(t); err != nil {
					return coded(agent.CodeContextUnavailable, err)
				}
				c.contexts = append(c.contexts, t)
				s.tellLoggers(c, t)
			}
		}
		return nil
	})
	return done, err
}

// tell describes the channel and its streams to a consumer.
func (c *channel) tell(ctx context.Context, p *process, packetBytes uint64) error {
	o := handover.Channel{
		ID: c.id, Name: c.name, PacketBytes: int(packetBytes), RingBytes: int64(c.settings.SubbufBytes * c.settings.SubbufCount), Overwrite: c.settings.Overwrite,
		SwitchTimer: c.settings.SwitchTimer, ReadTimer: c.settings.ReadTimer,
		TracefileBytes: c.settings.TracefileBytes, TracefileCount: c.settings.TracefileCount, Tell: c.tells,
	}
	if err := c.describe(ctx, p, handover.OpChannel, &o); err != nil {
		return err
	}
	c.handing.drop()
	streams, err := c.Streams()
	if err != nil {
		return err
	}
	return c.handing.tell(ctx, p, c.id, streams)
}

// tellTable tells a consumer of events that were added.
func (c *channel) tellTable(ctx context.Context, p *process) error {
	return c.describe(ctx, p, handover.OpTable, &handover.Channel{ID: c.id})
}

func (c *channel) describe(ctx context.Context, p *process, op handover.Op, o *handover.Channel) error {
	table, err := c.Describe(o)
	if err != nil {
		return err
	}
	if table == nil {
		if op == handover.OpTable {
			return nil
		}
		return p.Call(ctx, op, o, nil)
	}
	defer table.Close()
	return p.Call(ctx, op, o, nil, table)
}

func (c *channel) document(streams []handover.StreamStatus) agent.Channel {
	doc := agent.Channel{ChannelSettings: c.settings, Name: c.name, Enabled: c.enabled, Events: []agent.EventRule{}, Contexts: slices.Clone(c.contexts)}
	for _, r := range c.rules {
		doc.Events = append(doc.Events, *r)
	}
	for _, st := range streams {
		if st.Channel == c.id {
			doc.Streams = append(doc.Streams, agent.ChannelStream{
				CPU: st.CPU, Packets: st.Packets, Bytes: st.Bytes, Events: st.Events, Discarded: st.Discarded, Lost: st.Lost,
				Unknown: st.Unknown, Bad: st.Bad, Clamped: st.Clamped, UsageBytes: st.Usage, RingBytes: st.RingBytes,
			})
		}
	}
	return doc
}
