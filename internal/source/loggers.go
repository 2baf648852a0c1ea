// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package source

import "github.com/weir-io/weir/client/agent"

// Loggers is a domain without rings of its own: what loggers of programs are told
// becomes events of another domain, whose channel they share.
type Loggers interface {
	// Domain is its name in commands.
	Domain() string
	// Check tells why the domain cannot be used; nil if it can.
	Check() error
	// Host names the domain that records, and the channel there.
	Host() (domain, channel string)
	// Rule is what the host records for a rule.
	Rule(r *agent.EventRule) (agent.EventRule, error)
	// Open begins a session's part.
	Open(session string, owner uint32) LoggersTrace
}

// LoggersTrace is what one session wants of loggers. The session calls it under its own
// lock.
type LoggersTrace interface {
	// SetRule has programs hand over what a rule chooses, or takes that back. Those that
	// give no answer are waited for a time.
	SetRule(r *agent.EventRule, on bool)
	// AddContext has programs tell something with each message.
	AddContext(provider, name string)
	Close()
}
