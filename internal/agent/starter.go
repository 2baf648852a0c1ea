// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/kernelsource"
	"github.com/weir-io/weir/internal/selfsource"
	"github.com/weir-io/weir/internal/session"
)

// StarterSession is the name of the session that Begin makes.
const StarterSession = "weir"

// starterEvents are what the starter session records of the kernel: the lives of
// processes, a few events a second on most hosts.
var starterEvents = [...]string{"sched_process_fork", "sched_process_exec", "sched_process_exit"}

// Begin makes a live session for a newcomer to look at, and starts it: the lives
// of this host's processes where the kernel may be traced, weir's own domain in any
// case. It goes to the relay at the addresses, and lasts as long as the agent.
func (a *Agent) Begin(ctx context.Context, control, data string) error {
	uris := make([]agent.URI, 2)
	for i, at := range [...]string{control, data} {
		host, port, err := net.SplitHostPort(at)
		if err != nil {
			return fmt.Errorf("address of the relay: %w", err)
		}
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return fmt.Errorf("address of the relay %s: %w", at, err)
		}
		if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
			host = "127.0.0.1"
		}
		uris[i] = agent.URI{
			DestinationType: agent.DestinationHost, Type: agent.Destination, Stream: [...]agent.StreamType{agent.ControlStream, agent.DataStream}[i],
			Protocol: agent.TCP, Address: host, Port: uint16(n),
		}
	}
	by := session.Caller{PID: int32(os.Getpid()), UID: uint32(os.Geteuid()), GID: uint32(os.Getegid()), Tracing: os.Geteuid() == 0}
	_, _, err := a.Create(ctx, by, agent.CreateSession{Name: StarterSession, Mode: agent.Live, LiveTimer: time.Second, URIs: uris})
	if err != nil {
		return err
	}
	if err := a.fill(ctx, by); err != nil {
		_, derr := a.Destroy(ctx, by, StarterSession, false)
		return fmt.Errorf("%w (%v)", err, derr)
	}
	_, err = a.Start(ctx, by, StarterSession)
	return err
}

// fill enables the events of the starter session.
func (a *Agent) fill(ctx context.Context, by session.Caller) error {
	all := []agent.EventRule{{Type: agent.Tracepoint, Pattern: "*"}}
	if _, err := a.EnableEvents(ctx, by, StarterSession, agent.EnableEvents{Domain: selfsource.Domain, Rules: all}); err != nil {
		return err
	}
	if err := a.kernel.Check(by.Tracing); err != nil {
		a.opts.Log.Info("the kernel is not recorded", "err", err)
		return nil
	}
	var rules []agent.EventRule
	for _, name := range starterEvents {
		rules = append(rules, agent.EventRule{Type: agent.Tracepoint, Pattern: name})
	}
	if _, err := a.EnableChannel(ctx, by, StarterSession, agent.EnableChannel{
		Domain: kernelsource.Domain, Name: "channel0",
		ChannelSettings: agent.ChannelSettings{SubbufBytes: starterSubbuf, SubbufCount: starterCount},
	}); err != nil {
		return err
	}
	_, err := a.EnableEvents(ctx, by, StarterSession, agent.EnableEvents{Domain: kernelsource.Domain, Rules: rules})
	return err
}

// The rings of the starter session are small: 256 KiB for each CPU.
const (
	starterSubbuf = 32 << 10
	starterCount  = 8
)
