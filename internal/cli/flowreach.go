// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/internal/flow/dryrun"
	"github.com/weir-io/weir/internal/flow/topology"
)

// probeFlags are the flags of commands that try packets between workloads.
type probeFlags struct {
	probes []string
	json   bool
}

func (f *probeFlags) add(c *cobra.Command, document string) {
	c.Flags().StringArrayVar(&f.probes, "probe", nil,
		"try `PACKET`: icmp, tcp/PORT, udp/PORT or the number of a protocol; may be repeated; default: icmp, and the ports that rules tell apart")
	c.Flags().BoolVar(&f.json, "json", false, "print JSON, see "+document)
}

// list returns the probes of the flags, or those that fit the topologies.
func (f *probeFlags) list(docs ...*topology.Document) ([]dryrun.Probe, error) {
	if len(f.probes) == 0 {
		return dryrun.Probes(docs...)
	}
	var probes []dryrun.Probe
	for _, s := range f.probes {
		p, err := parseProbe(s)
		if err != nil {
			return nil, usageErrorf("--probe: %w", err)
		}
		probes = append(probes, p)
	}
	return probes, nil
}

func parseProbe(s string) (dryrun.Probe, error) {
	name, port, given := strings.Cut(s, "/")
	proto, err := parseProtocol(name)
	if err != nil {
		return dryrun.Probe{}, err
	}
	p := dryrun.Probe{Proto: proto}
	if given != (name == "tcp" || name == "udp") {
		return p, fmt.Errorf("got %q, want icmp, tcp/PORT, udp/PORT or the number of a protocol", s)
	}
	if given {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return p, fmt.Errorf("got port %q, want 1 to 65535", port)
		}
		p.DstPort = uint16(n)
	}
	return p, nil
}

// newFlowReachCommand returns "weir flow reach".
func newFlowReachCommand() *cobra.Command {
	var f probeFlags
	var file string
	c := &cobra.Command{
		Use:   "reach --topology FILE",
		Short: "Tell which workload reaches which, and the rule that stops the others",
		Long: `Try packets from each workload of a document to each other and print a table for each
kind of packet: senders down, receivers across, a dot where the packet is delivered, else a
letter. What the letters stand for is told below the tables: the rule, or the reason, that
stops the packet. It is the first packet of a connection; the way back is the table's other
half.

Senders ask for Ethernet addresses by ARP, as they would in life, so a rule that drops ARP
shows. Nothing that one packet leaves behind (connections, translations) opens the way for
another.`,
		Example: `  weir flow reach --topology net.json
  weir flow reach --topology net.json --probe tcp/443 --probe icmp
  weir flow reach --topology net.json --json`,
		Args: cobra.NoArgs,
	}
	c.Flags().StringVar(&file, "topology", "", "read the topology from `FILE`; - is standard input")
	f.add(c, "docs/format/reach-json.md")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if file == "" {
			return usageErrorf("--topology: want the file of a topology")
		}
		d, err := readTopology(c, file)
		if err != nil {
			return err
		}
		probes, err := f.list(d)
		if err != nil {
			return err
		}
		m, err := dryrun.Reach(d, probes)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if f.json {
			return json.NewEncoder(c.OutOrStdout()).Encode(m)
		}
		return m.WriteText(c.OutOrStdout())
	}
	return c
}
