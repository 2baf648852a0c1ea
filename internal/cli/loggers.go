// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"slices"

	"github.com/weir-io/weir/client/agent"
)

// loggerTitles are LTTng's names of the domains of loggers.
var loggerTitles = map[string]string{domainPython: "Python logging", domainJUL: "java.util.logging (JUL)", domainLog4j: "log4j"}

// listLoggers lists the loggers of programs.
func listLoggers(c *agentCall, domain string) error {
	all, err := c.api.Loggers(c.ctx, domain)
	if err != nil {
		return err
	}
	c.set("loggers", all)
	c.say("%s events (Logger name):", domain)
	c.say("-------------------------")
	if len(all) == 0 {
		c.say("None")
	}
	pid := int32(-1)
	for _, l := range all {
		if l.PID != pid {
			pid = l.PID
			c.say("")
			c.say("PID: %d - Name: %s", l.PID, l.Process)
		}
		c.say("      - %s", l.Name)
	}
	return nil
}

// loggerNames are the names of loggers, each once.
func loggerNames(all []agent.Logger) (names []string) {
	for _, l := range all {
		names = append(names, l.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// sayLoggers says what a session records of loggers.
func sayLoggers(c *agentCall, d agent.Domain) {
	c.say("")
	c.say("Events (Logger name):")
	c.say("---------------------")
	for _, ch := range d.Channels {
		if len(ch.Events) == 0 {
			c.say("    None")
		}
		for _, r := range ch.Events {
			text := ""
			if r.LogLevel != "" {
				text = " (loglevel " + levelSign(r) + " " + r.LogLevel + ")"
			}
			if r.Filter != "" {
				text += " [filter: '" + r.Filter + "']"
			}
			c.say("    - %s [%s]%s", r.Pattern, enabledText(r.Enabled), text)
		}
	}
	c.say("")
}

// levelSign is how the level of a rule is compared, in the order of severity.
func levelSign(r agent.EventRule) string {
	if r.LogLevelOnly {
		return "=="
	}
	return "<="
}
