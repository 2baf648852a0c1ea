// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"github.com/spf13/cobra"
)

// newHubCommand returns "weir hub".
func newHubCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "hub",
		Short: "Serve a cluster, and leave this host alone",
		Long: `Start what "weir up" starts but for what observes this host: the relay for
producers, the live server for viewers, and the HTTP interface with the hosts that
have registered, virtual networks, the feeds of agents, and the console for browsers
at /. It needs no privilege.
This host, too, is then recorded by an agent of its own, which can be started
again, as root, without a producer or viewer noticing: "weir agent --hub URL".

The configuration is that of "weir up"; agent.enable and xmlsysd.enable count as
false. SIGINT or SIGTERM stops it in order, which stores what was received before;
a second one ends it at once.`,
		Example: `  weir hub
  weir hub --state-dir /srv/weir --control tcp://0.0.0.0:5342 --data tcp://0.0.0.0:5343`,
	}
	s := addSettings(c, "agent", "xmlsysd")
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := s.load()
		if err != nil {
			return err
		}
		cfg.Agent.Enable, cfg.Xmlsysd.Enable = false, false
		return runUp(c, cfg)
	}
	return c
}
