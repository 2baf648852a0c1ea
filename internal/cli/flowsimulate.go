// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/client/flow"
	"github.com/weir-io/weir/internal/flow/dryrun"
	"github.com/weir-io/weir/internal/flow/packet"
	"github.com/weir-io/weir/internal/flow/topology"
)

// flowSimulateFlags are the flags of "weir flow simulate".
type flowSimulateFlags struct {
	topology, port, frame, steps string
	src, dst, proto              string
	sport, dport                 uint16
	json                         bool
}

// newFlowSimulateCommand returns "weir flow simulate".
func newFlowSimulateCommand() *cobra.Command {
	var f flowSimulateFlags
	c := &cobra.Command{
		Use:   "simulate [--topology FILE] (--port NAME --frame HEX | --src WORKLOAD --dst WORKLOAD | --steps FILE)",
		Short: "Take a packet through a topology and tell what each device does with it",
		Long: `Take a packet through the virtual networks of a document, without any server, and tell
what each device does with it: ports that it passes, chains and rules that it meets with
their positions, routes, address translations, and the frames that come out.

The packet is a frame that enters by a port (--port, --frame), or one that a workload of
the document sends (--src, --dst, --proto; it asks for the Ethernet address by ARP first,
as it would in life), or several, one after the other (--steps): what bridges and routers
learn from one they know with the next. Workloads answer ARP requests for their
addresses.

Without --topology the hub takes a frame (--port with the ID of the port, --frame) through
its networks as they are, with what their bridges have learned; nothing is sent and nothing
changes. Nobody answers for next hops that routers have not heard of. With --src or --steps
an administrator has a hub's networks taken as a document is, with the workloads that they
were imported with.

Results:

  Forward    it was delivered
  NoOp       a device took it: ARP, or an echo request that it answered
  Drop       a rule dropped it, or something is down
  ShortDrop  there is no route, or one that rejects
  ErrorDrop  loop, TTL, black hole, a port that leads nowhere
  needs-arp  nobody answers for the next hop`,
		Example: `  weir flow simulate --topology net.json --src web1 --dst db1 --proto tcp --dport 5432
  weir flow simulate --topology net.json --port web1 --frame 020000000001…
  weir flow simulate --topology net.json --steps steps.json --json
  weir flow simulate --port 7b1f… --frame 020000000001…`,
		Args: cobra.NoArgs,
	}
	fl := c.Flags()
	fl.StringVar(&f.topology, "topology", "", "read the topology from `FILE`; - is standard input")
	fl.StringVar(&f.port, "port", "", "have the packet enter by the port `NAME`")
	fl.StringVar(&f.frame, "frame", "", "the frame as `HEX` digits, from the Ethernet header on")
	fl.StringVar(&f.steps, "steps", "", `play the frames of a JSON list of {"port", "hex"} in `+"`FILE`")
	fl.StringVar(&f.src, "src", "", "send from a `WORKLOAD`: the name of its port, or an address")
	fl.StringVar(&f.dst, "dst", "", "send to a `WORKLOAD`, or to an address")
	fl.StringVar(&f.proto, "proto", "icmp", "send `PROTOCOL`: icmp, tcp, udp or a number")
	fl.Uint16Var(&f.sport, "sport", 0, "source `PORT` of TCP or UDP; 0: 40000")
	fl.Uint16Var(&f.dport, "dport", 0, "destination `PORT` of TCP or UDP")
	fl.BoolVar(&f.json, "json", false, "print an object for each step, see docs/format/simulation-json.md")
	mustComplete(c, "proto", words([]string{"icmp", "tcp", "udp"}))
	n := addNetworks(c)
	c.RunE = func(c *cobra.Command, _ []string) error { return f.run(c, n) }
	return c
}

func (f *flowSimulateFlags) run(c *cobra.Command, n *networksFlag) error {
	if err := f.check(); err != nil {
		return err
	}
	if f.topology == "" && f.frame != "" {
		return f.ask(c, n)
	}
	d, err := f.document(c, n)
	if err != nil {
		return err
	}
	lab, err := dryrun.New(d)
	if err != nil {
		return fmt.Errorf("%s: %w", cmp.Or(f.topology, "topology of the hub"), err)
	}
	switch {
	case f.steps != "":
		return f.play(c, lab)
	case f.frame != "":
		frame, err := parseFrame(f.frame)
		if err != nil {
			return usageErrorf("--frame: %w", err)
		}
		s, err := lab.Play(f.port, frame)
		if err != nil {
			return err
		}
		return f.print(c.OutOrStdout(), s)
	default:
		return f.send(c, lab)
	}
}

// check looks for flags that do not go together.
func (f *flowSimulateFlags) check() error {
	ways := 0
	for _, given := range []bool{f.frame != "", f.steps != "", f.src != "" || f.dst != ""} {
		if given {
			ways++
		}
	}
	switch {
	case ways != 1:
		return usageErrorf("which packet? want one of --frame (with --port), --src with --dst, and --steps")
	case f.frame != "" && f.port == "":
		return usageErrorf("--frame: want --port, the port where it enters")
	case f.steps == "" && f.frame == "" && (f.src == "" || f.dst == ""):
		return usageErrorf("want both --src and --dst")
	}
	return nil
}

// document returns the topology: that of the file, else that of the hub.
func (f *flowSimulateFlags) document(c *cobra.Command, n *networksFlag) (d *topology.Document, err error) {
	if f.topology != "" {
		return readTopology(c, f.topology)
	}
	err = n.with(c, func(ctx context.Context, api *flow.Client) error {
		raw, err := api.ExportTopology(ctx)
		if err != nil {
			return err
		}
		d, err = topology.ReadDocument(bytes.NewReader(raw))
		return err
	})
	return d, err
}

// ask has the hub take a frame through its networks.
func (f *flowSimulateFlags) ask(c *cobra.Command, n *networksFlag) error {
	frame, err := parseFrame(f.frame)
	if err != nil {
		return usageErrorf("--frame: %w", err)
	}
	return n.with(c, func(ctx context.Context, api *flow.Client) error {
		s, err := api.Simulate(ctx, f.port, frame)
		if err != nil {
			return err
		}
		if f.json {
			return json.NewEncoder(c.OutOrStdout()).Encode(s)
		}
		if err := writeTree(ctx, c.OutOrStdout(), api, s.Events); err != nil {
			return err
		}
		if n := len(s.Events); n > 0 && s.Events[n-1].Kind == "result" {
			return nil
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "  %s\n", printable(s.Result)) // it waits for something
		return err
	})
}

// parseFrame reads a frame, in groups of digits if somebody likes that.
func parseFrame(s string) ([]byte, error) {
	b, err := hex.DecodeString(strings.NewReplacer(" ", "", ":", "").Replace(s))
	if err != nil {
		return nil, fmt.Errorf("frame in hexadecimal: %w", err)
	}
	return b, nil
}

// send has a workload send a packet.
func (f *flowSimulateFlags) send(c *cobra.Command, lab *dryrun.Lab) error {
	proto, err := parseProtocol(f.proto)
	if err != nil {
		return usageErrorf("--proto: %w", err)
	}
	_, s, err := lab.Send(dryrun.Packet{
		Port: f.port, Src: f.src, Dst: f.dst, Probe: dryrun.Probe{Proto: proto, SrcPort: f.sport, DstPort: f.dport},
	})
	if s != nil {
		err = errors.Join(f.print(c.OutOrStdout(), s), err)
	}
	return err
}

// parseProtocol reads the name or number of an IP protocol.
func parseProtocol(s string) (uint8, error) {
	switch s {
	case "icmp":
		return packet.ProtoICMP, nil
	case "tcp":
		return packet.ProtoTCP, nil
	case "udp":
		return packet.ProtoUDP, nil
	}
	n, err := strconv.ParseUint(s, 10, 8)
	if err != nil {
		return 0, fmt.Errorf("got %q, want icmp, tcp, udp or a number up to 255", s)
	}
	return uint8(n), nil
}

// flowStep is a frame of a file of steps.
type flowStep struct {
	Port string `json:"port"`
	Hex  string `json:"hex"`
}

// play plays the frames of a file.
func (f *flowSimulateFlags) play(c *cobra.Command, lab *dryrun.Lab) error {
	data, err := os.ReadFile(f.steps)
	if err != nil {
		return err
	}
	var steps []flowStep
	if err := json.Unmarshal(data, &steps); err != nil {
		return fmt.Errorf("%s: want a JSON list of {\"port\", \"hex\"}: %w", f.steps, err)
	}
	if steps == nil { // null, which is no list
		return fmt.Errorf("%s: want a JSON list of {\"port\", \"hex\"}, got null", f.steps)
	}
	for i, step := range steps {
		frame, err := parseFrame(step.Hex)
		if err != nil {
			return fmt.Errorf("%s: step %d: %w", f.steps, i+1, err)
		}
		s, err := lab.Play(step.Port, frame)
		if err != nil {
			return fmt.Errorf("%s: step %d: %w", f.steps, i+1, err)
		}
		if !f.json {
			fmt.Fprintf(c.OutOrStdout(), "step %d, port %s\n", i+1, step.Port)
		}
		if err := f.print(c.OutOrStdout(), s); err != nil {
			return err
		}
	}
	return nil
}

func (f *flowSimulateFlags) print(w io.Writer, s *dryrun.Step) error {
	if f.json {
		return json.NewEncoder(w).Encode(s)
	}
	return s.WriteTree(w)
}
