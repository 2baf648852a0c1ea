// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"math/bits"
	"time"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/client/agent"
)

// channelFlags are the flags of "weir enable-channel".
type channelFlags struct {
	domain                                domainFlags
	discard, overwrite                    bool
	subbufSize, tracefileSize             sizeFlag
	subbufCount, tracefileCount           uint64
	switchTimer, readTimer, monitorTimer  microsFlag
	blockingTimeout                       blockingFlag
	output                                string
	buffersUID, buffersPID, buffersGlobal bool
}

// newEnableChannelCommand returns "weir enable-channel".
func newEnableChannelCommand() *cobra.Command {
	var f channelFlags
	c := &cobra.Command{
		Use:   "enable-channel NAME[,NAME]...",
		Short: "Create channels in a session, or enable them",
		Long: `Create channels, or enable those that were disabled. A channel is a set of
rings, one a processor, with the same properties, which are fixed once an event
rule is in it.

Sizes take k, M and G; times are in µs, or take ms, s, m and h. Sub-buffer sizes
and counts that are no powers of two are rounded up, which is told (exit code 0).
A channel that is there, and enabled, stays as it is: that is a warning (exit code 4).`,
		Example: `  weir enable-channel -k fast --subbuf-size 1M --num-subbuf 8
  weir enable-channel -k flight --overwrite`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: firstOnly(completeChannels),
	}
	f.add(c)
	return agentCommand(c, true, f.run)
}

func (f *channelFlags) add(c *cobra.Command) {
	fl := c.Flags()
	f.domain.add(fl)
	fl.BoolVar(&f.discard, "discard", false, "drop events when there is no room (default)")
	fl.BoolVar(&f.overwrite, "overwrite", false, "overwrite the oldest events when there is no room")
	fl.Var(&f.subbufSize, "subbuf-size", "size of a sub-buffer, which is a packet of the trace")
	fl.Uint64Var(&f.subbufCount, "num-subbuf", 0, "`COUNT` of sub-buffers of each ring")
	fl.Var(&f.switchTimer, "switch-timer", "close packets at least so often; at least 10 ms")
	fl.Var(&f.readTimer, "read-timer", "look for data at least so often; at least 10 ms")
	fl.Var(&f.monitorTimer, "monitor-timer", "look how full the rings are so often; at least 10 ms")
	fl.Var(&f.blockingTimeout, "blocking-timeout", "of -u: programs that run with LTTNG_UST_ALLOW_BLOCKING wait so long for room, or inf")
	fl.Var(&f.tracefileSize, "tracefile-size", "largest size of a file of the trace")
	fl.Uint64Var(&f.tracefileCount, "tracefile-count", 0, "keep only the newest `COUNT` files of each stream")
	fl.StringVar(&f.output, "output", "", "accepted for LTTng's sake, has no effect: mmap or splice")
	fl.BoolVar(&f.buffersUID, "buffers-uid", false, "rings, and a trace, for each user of -u (default)")
	fl.BoolVar(&f.buffersPID, "buffers-pid", false, "rings, and a trace, for each process of -u")
	fl.BoolVar(&f.buffersGlobal, "buffers-global", false, "rings of the host, as other domains have them")
}

func (f *channelFlags) run(c *agentCall) error {
	settings, err := f.settings(c)
	if err != nil {
		return err
	}
	domain, err := f.domain.one()
	if err != nil {
		return err
	}
	return eachChannel(c, func(name, channel string) (agent.Done, error) {
		done, err := c.api.EnableChannel(c.ctx, name, agent.EnableChannel{Domain: domain, Name: channel, ChannelSettings: settings})
		if p, ok := errors.AsType[*agent.Problem](err); ok && p.Code == agent.CodeChannelExists {
			c.warnings = append(c.warnings, *asProblem(err)) // the others of the list are meant, too
			return done, nil
		}
		if err == nil {
			c.say("%s channel %s enabled for session %s", domainTitle(domain), channel, name)
		}
		return done, err
	})
}

// settings reads the flags.
func (f *channelFlags) settings(c *agentCall) (agent.ChannelSettings, error) {
	var s agent.ChannelSettings
	switch {
	case f.discard && f.overwrite:
		return s, usageErrorf("--discard and --overwrite exclude each other")
	case f.buffersPID && f.buffersUID:
		return s, usageErrorf("--buffers-uid and --buffers-pid exclude each other")
	case f.buffersGlobal && f.domain.user:
		return s, agent.NewProblem(agent.CodeBufferType, "--buffers-global: the rings of domain ust are by user (--buffers-uid) or process (--buffers-pid)")
	case (f.buffersPID || f.buffersUID) && !f.domain.user:
		return s, agent.NewProblem(agent.CodeBufferType, "--buffers-uid and --buffers-pid are of the user domain (-u)")
	case f.blockingTimeout != 0 && !f.domain.user:
		return s, agent.NewProblem(agent.CodeNotSupported, "--blocking-timeout is of the user domain (-u)")
	case f.blockingTimeout != 0 && f.overwrite:
		return s, usageErrorf("--overwrite and --blocking-timeout exclude each other")
	case c.cmd.Flags().Changed("subbuf-size") && f.subbufSize == 0:
		return s, usageErrorf("--subbuf-size: want more than 0")
	case c.cmd.Flags().Changed("num-subbuf") && f.subbufCount == 0:
		return s, usageErrorf("--num-subbuf: want at least 1")
	case f.output != "" && f.output != "mmap" && f.output != "splice":
		return s, usageErrorf("--output: want mmap or splice, got %q", f.output)
	}
	var buffers agent.Buffers
	switch {
	case f.buffersPID:
		buffers = agent.BuffersPID
	case f.buffersUID:
		buffers = agent.BuffersUID
	}
	return agent.ChannelSettings{
		Buffers:        buffers,
		Overwrite:      f.overwrite,
		SubbufBytes:    roundUp(c, "sub-buffer size", uint64(f.subbufSize)),
		SubbufCount:    roundUp(c, "sub-buffer count", f.subbufCount),
		SwitchTimer:    time.Duration(f.switchTimer),
		ReadTimer:      time.Duration(f.readTimer),
		MonitorTimer:   time.Duration(f.monitorTimer),
		TracefileBytes: uint64(f.tracefileSize),
		TracefileCount: f.tracefileCount,

		BlockingTimeout: time.Duration(f.blockingTimeout),
	}, nil
}

// roundUp makes a number a power of two, as LTTng does, and says so.
func roundUp(c *agentCall, what string, n uint64) uint64 {
	const most = 1 << 62
	if n == 0 || n&(n-1) == 0 || n > most {
		return n
	}
	up := uint64(1) << bits.Len64(n)
	c.note("%s %d is no power of two: rounded up to %d", what, n, up)
	return up
}

// newDisableChannelCommand returns "weir disable-channel".
func newDisableChannelCommand() *cobra.Command {
	var domain domainFlags
	c := &cobra.Command{
		Use:   "disable-channel NAME[,NAME]...",
		Short: "Disable channels of a session",
		Long: `Disable channels: nothing more is recorded in them until "weir enable-channel".
What they have recorded stays. One that is not there is a warning (exit code 4),
and the others are disabled, as with LTTng.`,
		Example:           "  weir disable-channel -k channel0",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: firstOnly(completeChannels),
	}
	domain.add(c.Flags())
	return agentCommand(c, true, func(c *agentCall) error {
		of, err := domain.one()
		if err != nil {
			return err
		}
		return eachChannel(c, func(name, channel string) (agent.Done, error) {
			done, err := c.api.DisableChannel(c.ctx, name, of, channel)
			if p, ok := errors.AsType[*agent.Problem](err); ok && p.Code == agent.CodeChannelNotFound {
				c.warnings = append(c.warnings, *asProblem(err)) // the others of the list are meant, too
				return done, nil
			}
			if err == nil {
				c.say("%s channel %s disabled for session %s", domainTitle(of), channel, name)
			}
			return done, err
		})
	})
}

// eachChannel gives an order for each channel of the argument, until one fails.
func eachChannel(c *agentCall, do func(name, channel string) (agent.Done, error)) error {
	channels := splitNames(c.args[0])
	if err := checkNames("NAME", channels); err != nil {
		return err
	}
	name, err := c.current()
	if err != nil {
		return err
	}
	for _, channel := range channels {
		done, err := do(name, channel)
		if err != nil {
			return err
		}
		c.did(name, done)
	}
	c.set("channels", channels)
	return nil
}
