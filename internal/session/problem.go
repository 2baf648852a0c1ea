// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/client/relay"
)

// problemf makes an error with a code.
func problemf(c agent.Code, format string, args ...any) error {
	return agent.NewProblem(c, fmt.Sprintf(format, args...))
}

// coded gives an error a code unless it has one.
func coded(c agent.Code, err error) error {
	var p *agent.Problem
	if err == nil || errors.As(err, &p) {
		return err
	}
	return agent.NewProblem(c, err.Error())
}

// relayProblem says why a relay was not reached.
func relayProblem(err error) error {
	var version *relay.VersionError
	if errors.As(err, &version) {
		return agent.NewProblem(agent.CodeRelayVersion, err.Error())
	}
	if errors.Is(err, relay.ErrNoUDP) {
		return agent.NewProblem(agent.CodeRelayConnect, fmt.Sprintf("%v: %v", relay.ErrNoUDP, err))
	}
	var dial *relay.DialError
	switch {
	case !errors.As(err, &dial):
	case dial.Step == relay.StepResolve:
		return agent.NewProblem(agent.CodeRelayConnect, unresolved(dial))
	case dial.End == relay.Data && dial.Step == relay.StepConnect:
		cause := dial.Err
		if op, ok := cause.(*net.OpError); ok {
			cause = op.Err // which does not name the address once more
		}
		return agent.NewProblem(agent.CodeRelayConnect, fmt.Sprintf("control connected, data refused by %s: %v", dial.Addr, cause))
	}
	return agent.NewProblem(agent.CodeRelayConnect, err.Error())
}

// unresolved names the name that has no address, which may be that of a hop.
func unresolved(e *relay.DialError) string {
	name, _, _ := net.SplitHostPort(e.Addr)
	cause := e.Err
	if dns, ok := errors.AsType[*net.DNSError](cause); ok {
		name, cause = dns.Name, dns
	}
	text := fmt.Sprintf("cannot resolve %s: %v", name, cause)
	if e.End == relay.Data {
		text = "control connected, " + text
	}
	return text
}

// warn adds a warning to what a command has done.
func warn(d *agent.Done, c agent.Code, text string) {
	d.Warnings = append(d.Warnings, *agent.NewProblem(c, text))
}

func ended(ctx context.Context) bool { return ctx.Err() != nil }
