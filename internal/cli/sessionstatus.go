// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/weir-io/weir/client/agent"
)

func sessionStateText(s agent.Session) string {
	if s.Mode == agent.Snapshot || s.Mode == agent.Live || s.Mode == agent.NoOutput {
		return fmt.Sprintf("%s %s", s.State, s.Mode)
	}
	return string(s.State)
}

// sayTracingSession says all that is known of a session, in LTTng's form.
func sayTracingSession(c *agentCall, s agent.Session, domainsOnly bool) {
	c.say("Recording session %s: [%s]", s.Name, sessionStateText(s))
	if s.Output != "" {
		c.say("    Trace output: %s", s.Output)
	}
	if s.LiveTimer > 0 {
		c.say("    Live timer interval: %d µs", s.LiveTimer.Microseconds())
	}
	sayConsumer(c, s.Consumer)
	if s.Rotation.Period > 0 {
		c.say("    Rotation: every %d µs", s.Rotation.Period.Microseconds())
	}
	if s.Rotation.Bytes > 0 {
		c.say("    Rotation: every %d bytes", s.Rotation.Bytes)
	}
	if s.Chunks > 0 {
		c.say("    Chunks: %d rotated away", s.Chunks)
	}
	for _, w := range s.Warnings {
		c.say("    Warning: %s", w)
	}
	for _, d := range s.Domains {
		sayDomain(c, d, domainsOnly)
	}
}

// sayConsumer says how data is moved, and if it is not, why and until when.
func sayConsumer(c *agentCall, m agent.Consumer) {
	if m.State == "" {
		return
	}
	text := string(m.State)
	if !m.Since.IsZero() {
		text += " since " + m.Since.Local().Format(time.TimeOnly)
	}
	if m.State == agent.ConsumerSpooling {
		text += fmt.Sprintf(", spool %s", bytesText(float64(m.SpoolBytes)))
		if m.SpoolFull {
			text += " (full)"
		}
		if !m.SpoolOldest.IsZero() {
			text += ", oldest packet of " + m.SpoolOldest.Local().Format(time.TimeOnly)
		}
	}
	c.say("    Consumer: %s", text)
	if m.Packets > 0 {
		sent := fmt.Sprintf("%d packets, %s", m.Packets, bytesText(float64(m.Bytes)))
		if m.Confirmed > 0 {
			sent += fmt.Sprintf(", %d confirmed", m.Confirmed)
		}
		if m.Lost > 0 {
			sent += fmt.Sprintf(", %d lost", m.Lost)
		}
		c.say("    Consumer has moved: %s", sent)
	}
	if m.LastError != "" {
		c.say("    Consumer's last error: %s", m.LastError)
	}
	if m.RetryIn > 0 {
		c.say("    Consumer's next try: in %s", m.RetryIn.Round(100*time.Millisecond))
	}
}

func sayDomain(c *agentCall, d agent.Domain, only bool) {
	title := map[string]string{domainKernel: "Linux kernel", domainUST: "User space", domainWeir: "weir", domainStat: "host statistics", domainFS: "file systems"}[d.Name]
	if title == "" {
		title = cmp.Or(loggerTitles[d.Name], d.Name)
	}
	c.say("")
	c.say("=== Domain: %s ===", title)
	if only {
		return
	}
	if loggerTitles[d.Name] != "" {
		sayLoggers(c, d)
		return
	}
	c.say("")
	if d.Name == domainUST && len(d.Channels) > 0 {
		scheme := "per-user"
		if d.Channels[0].Buffers == agent.BuffersPID {
			scheme = "per-process"
		}
		c.say("Buffering scheme: %s", scheme)
		c.say("")
	}
	c.say("Tracked process attributes")
	if d.Name == domainUST {
		c.say("  Virtual process IDs:  %s", setText(d.PIDs))
		c.say("  Virtual user IDs:     %s", setText(d.UIDs))
		c.say("  Virtual group IDs:    %s", setText(d.GIDs))
	} else {
		sayTracked(c, d)
	}
	c.say("")
	c.say("Channels:")
	c.say("-------------")
	for _, ch := range d.Channels {
		sayChannel(c, ch, d.Name == domainUST)
	}
}

// sayTracked says what of the host's processes is recorded.
func sayTracked(c *agentCall, d agent.Domain) {
	c.say("  Process IDs: %s", setText(d.PIDs))
	if d.UIDs != nil {
		c.say("  User IDs: %s", setText(d.UIDs))
	}
	if d.GIDs != nil {
		c.say("  Group IDs: %s", setText(d.GIDs))
	}
}

// setText is a set of numbers, which is all where it is nil.
func setText[N int32 | int64](set []N) string {
	switch {
	case set == nil:
		return "all"
	case len(set) == 0:
		return "none"
	}
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(set), " ", ", "), "[]")
}

func sayChannel(c *agentCall, ch agent.Channel, uncounted bool) {
	c.say("- %s: [%s]", ch.Name, enabledText(ch.Enabled))
	c.say("")
	c.say("    Attributes:")
	mode := "discard"
	if ch.Overwrite {
		mode = "overwrite"
	}
	c.say("      Event-loss mode:  %s", mode)
	if ch.SubbufBytes > 0 {
		c.say("      Sub-buffer size:  %d bytes", ch.SubbufBytes)
	}
	if ch.SubbufCount > 0 {
		c.say("      Sub-buffer count: %d", ch.SubbufCount)
	}
	for _, timer := range []struct {
		name   string
		period time.Duration
	}{{"Switch timer:    ", ch.SwitchTimer}, {"Read timer:      ", ch.ReadTimer}, {"Monitor timer:   ", ch.MonitorTimer}} {
		text := "inactive"
		if timer.period > 0 {
			text = fmt.Sprintf("%d µs", timer.period.Microseconds())
		}
		c.say("      %s %s", timer.name, text)
	}
	if ch.BlockingTimeout != 0 {
		text := "infinite"
		if ch.BlockingTimeout > 0 {
			text = fmt.Sprintf("%d µs", ch.BlockingTimeout.Microseconds())
		}
		c.say("      Blocking timeout: %s", text)
	}
	if ch.TracefileBytes > 0 {
		c.say("      Trace file size:  %d bytes", ch.TracefileBytes)
	}
	if ch.TracefileCount > 0 {
		c.say("      Trace file count: %d per stream", ch.TracefileCount)
	}
	if len(ch.Contexts) > 0 {
		c.say("      Contexts:         %s", strings.Join(ch.Contexts, ", "))
	}
	sayStatistics(c, ch.Streams, uncounted)
	c.say("")
	c.say("    Recording event rules:")
	for _, r := range ch.Events {
		if uncounted {
			c.say("      %s", userRuleText(r))
			continue
		}
		c.say("      %s [%s]", ruleText(r), enabledText(r.Enabled))
	}
	if len(ch.Events) == 0 {
		c.say("      None")
	}
	c.say("")
}

// sayStatistics says what all rings of a channel have given. Nobody counts the events
// of applications, which write packets themselves.
func sayStatistics(c *agentCall, streams []agent.ChannelStream, uncounted bool) {
	if len(streams) == 0 {
		return
	}
	var sum agent.ChannelStream
	for _, s := range streams {
		sum.Events += s.Events
		sum.Packets += s.Packets
		sum.Bytes += s.Bytes
		sum.Discarded += s.Discarded
		sum.Lost += s.Lost
		sum.Unknown += s.Unknown
		sum.Bad += s.Bad
		sum.Clamped += s.Clamped
		if s.UsageBytes >= sum.UsageBytes {
			sum.UsageBytes, sum.RingBytes = s.UsageBytes, s.RingBytes
		}
	}
	c.say("")
	c.say("    Statistics:")
	if uncounted {
		c.say("      Recorded packets: %d, %s", sum.Packets, bytesText(float64(sum.Bytes)))
	} else {
		c.say("      Recorded events:  %d in %d packets, %s", sum.Events, sum.Packets, bytesText(float64(sum.Bytes)))
	}
	c.say("      Discarded events: %d", sum.Discarded)
	if sum.RingBytes > 0 {
		c.say("      Fullest ring:     %d of %d bytes", sum.UsageBytes, sum.RingBytes)
	}
	for _, n := range []struct {
		title string
		count uint64
	}{
		{"Lost packets:     %d", sum.Lost},
		{"Unknown events:   %d, which are not in the trace", sum.Unknown},
		{"Bad records:      %d, which are not in the trace", sum.Bad},
		{"Clamped times:    %d, of events whose time went back", sum.Clamped},
	} {
		if n.count > 0 {
			c.say("      "+n.title, n.count)
		}
	}
}

func ruleText(r agent.EventRule) string {
	text := fmt.Sprintf("%s (type: %s)", r.Pattern, r.Type)
	if r.Location != "" {
		text += " at " + r.Location
	}
	if r.Filter != "" {
		text += fmt.Sprintf(" [with filter: %s", r.Filter)
		if r.FilteredBy != "" {
			text += ", by " + r.FilteredBy
		}
		text += "]"
	}
	if r.Period > 0 {
		text += fmt.Sprintf(" [every %v]", r.Period)
	}
	if r.LogLevel != "" {
		text += fmt.Sprintf(" (loglevel %s %s)", levelSign(r), r.LogLevel)
	}
	if len(r.Exclusions) > 0 {
		text += fmt.Sprintf(" [without: %s]", strings.Join(r.Exclusions, ", "))
	}
	switch {
	case r.Refused > 0:
		text += fmt.Sprintf(" (%d events, %d refused by the kernel)", r.Matches, r.Refused)
	case r.Matches > 1:
		text += fmt.Sprintf(" (%d events)", r.Matches)
	}
	return text
}

// userRuleText is a rule of applications in LTTng's form: they decide it all themselves.
func userRuleText(r agent.EventRule) string {
	text := r.Pattern
	if r.LogLevel != "" {
		text += fmt.Sprintf(" (loglevel %s %s (%d))", levelSign(r), r.LogLevel, levelNumber(r.LogLevel))
	}
	text += fmt.Sprintf(" (type: %s) [%s]", agent.Tracepoint, enabledText(r.Enabled))
	if len(r.Exclusions) > 0 {
		text += fmt.Sprintf(" [exclusions: %s]", strings.Join(r.Exclusions, ", "))
	}
	if r.Filter != "" {
		text += fmt.Sprintf(" [filter: '%s']", r.Filter)
	}
	return text
}

func enabledText(on bool) string {
	if on {
		return "enabled"
	}
	return "disabled"
}
