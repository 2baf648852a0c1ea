// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"math"
	"time"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/client/agent"
)

// enableConsumerFlags are the flags of "weir enable-consumer".
type enableConsumerFlags struct {
	uris             uriFlags
	spool            sizeFlag
	reconnectTimeout float64
	timeout          float64
	noReconnect      bool
	allowSplit       bool
}

// newEnableConsumerCommand returns "weir enable-consumer".
func newEnableConsumerCommand() *cobra.Command {
	var f enableConsumerFlags
	c := &cobra.Command{
		Use:   "enable-consumer [URI]",
		Short: "Send a session's data to a relay or into a directory",
		Long: `Set where a session's data goes and establish it: both ends of a relay, control
and data, or nothing at all. A session that is being recorded goes on without a
gap: packets before the switch are at the old place, those after it at the new
one. Without a URI, enable the consumer that was set or disabled before.

  net[4|6]://HOST[:[CONTROL-PORT][:[DATA-PORT]]][/SUBDIR][?OPTIONS]
  tcp[4|6]://HOST[:PORT][/SUBDIR][?OPTIONS]
  udp[4|6]://HOST[:PORT][?OPTIONS]              data only
  file:///DIR, or a path

A hop, tcp://HOST:PORT and a comma before a URI, is a relay on the way. OPTIONS
are KEY=VALUE joined by &: timeout, and for UDP rate, mtu, window and reliable.

While a relay is away, data is kept in memory and then on disk (--spool).`,
		Example: `  weir enable-consumer net://192.168.1.10
  weir enable-consumer file:///var/traces/here
  weir enable-consumer -C tcp://192.168.1.10 -D 'udp://192.168.1.10?mtu=1400'
  weir enable-consumer -C tcp://gate:6000,tcp://relay -D tcp://gate:6001,tcp://relay`,
		Args: cobra.MaximumNArgs(1),
	}
	fl := c.Flags()
	f.uris.add(fl, "control-uri", "data-uri")
	fl.Var(&f.spool, "spool", "keep at most this much on disk while the relay is away; default: 1G")
	fl.Float64Var(&f.reconnectTimeout, "reconnect-timeout", 0, "give a lost relay up after this many `SECONDS`; default: never")
	fl.BoolVar(&f.noReconnect, "no-reconnect", false, "give a lost relay up at once")
	fl.BoolVar(&f.allowSplit, "allow-split", false, "let control and data go to different addresses of a relay that cannot\nsay that both are its own")
	fl.Float64Var(&f.timeout, "timeout", 0, "give connecting up after this many `SECONDS`; default: 10")
	return agentCommand(c, true, f.run)
}

func (f *enableConsumerFlags) run(c *agentCall) error {
	arg := ""
	if len(c.args) > 0 {
		if arg = c.args[0]; arg == "" {
			return usageErrorf("URI: want one, got nothing")
		}
	}
	options, err := f.options()
	if err != nil {
		return err
	}
	uris, err := f.uris.parse(c, arg)
	if err != nil {
		return err
	}
	name, err := c.current()
	if err != nil {
		return err
	}
	if len(uris) > 0 {
		done, err := c.api.SetConsumerURI(c.ctx, name, uris)
		if err != nil {
			return err
		}
		c.did(name, done)
	}
	done, err := c.api.EnableConsumer(c.ctx, name, options)
	if err != nil {
		return err
	}
	c.did(name, done)
	status, err := c.api.ConsumerStatus(c.ctx, name)
	if err != nil {
		return err
	}
	c.set("consumer", status)
	at := ""
	if list, err := agent.ParseURIs(status.URIs); err == nil && len(list) > 0 {
		at = ": " + agent.FormatURIs(list)
	}
	c.say("Consumer enabled for session %s%s", name, at)
	return nil
}

func (f *enableConsumerFlags) options() (agent.EnableConsumer, error) {
	o := agent.EnableConsumer{SpoolBytes: int64(f.spool), NoReconnect: f.noReconnect, AllowSplit: f.allowSplit}
	var err error
	if o.ReconnectTimeout, err = seconds("reconnect-timeout", f.reconnectTimeout); err != nil {
		return o, err
	}
	if f.noReconnect && f.reconnectTimeout > 0 {
		return o, usageErrorf("--no-reconnect and --reconnect-timeout exclude each other")
	}
	o.Timeout, err = seconds("timeout", f.timeout)
	return o, err
}

func seconds(flag string, s float64) (time.Duration, error) {
	const most = 1e9
	if s < 0 || s > most || math.IsNaN(s) {
		return 0, usageErrorf("--%s: want seconds from 0 to %g, got %g", flag, most, s)
	}
	return time.Duration(s * float64(time.Second)), nil
}

// newDisableConsumerCommand returns "weir disable-consumer".
func newDisableConsumerCommand() *cobra.Command {
	var now bool
	c := &cobra.Command{
		Use:   "disable-consumer",
		Short: "Stop sending a session's data",
		Long: `Stop moving a session's data to where it goes. Tracing goes on: the rings fill
and lose events, which are counted exactly. What is queued is sent first, or
with --now not at all. "weir enable-consumer" goes on.`,
		Example: "  weir disable-consumer\n  weir disable-consumer -s demo --now",
	}
	c.Flags().BoolVar(&now, "now", false, "do not send what is queued")
	return agentCommand(c, true, func(c *agentCall) error {
		name, err := c.current()
		if err != nil {
			return err
		}
		done, err := c.api.DisableConsumer(c.ctx, name, now)
		if err != nil {
			return err
		}
		c.did(name, done)
		c.say("Consumer disabled for session %s", name)
		return nil
	})
}
