// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package dryrun

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/weir-io/weir/internal/flow/topology"
)

// Difference is what a change of topology changes for its workloads.
type Difference struct {
	Probes  []string `json:"probes"`
	Added   []string `json:"added"`   // workloads
	Removed []string `json:"removed"` // workloads
	Changes []Change `json:"changes"`
}

// Change is a packet that fares otherwise.
type Change struct {
	From   string `json:"from"`
	To     string `json:"to"`
	Probe  string `json:"probe"`
	Before Fate   `json:"before"`
	After  Fate   `json:"after"`
}

// Fate is whether a packet is delivered, and what stops it.
type Fate struct {
	Reached bool  `json:"reached"`
	Stopped *Stop `json:"stopped,omitempty"`
}

func (f Fate) String() string {
	if f.Reached {
		return "delivered"
	}
	return "stopped by " + f.Stopped.String()
}

// same reports whether the packet fares alike: it is delivered, or stopped for the
// same reason at the same place. That a rule has another position is no difference.
func (f Fate) same(o Fate) bool {
	if f.Reached || o.Reached {
		return f.Reached == o.Reached
	}
	a, b := *f.Stopped, *o.Stopped
	a.Position, b.Position = 0, 0
	return a == b
}

// Diff tries the same probes on two topologies and tells what differs.
func Diff(before, after *topology.Document, probes []Probe) (*Difference, error) {
	a, err := Reach(before, probes)
	if err != nil {
		return nil, err
	}
	b, err := Reach(after, probes)
	if err != nil {
		return nil, err
	}
	d := &Difference{Probes: b.Probes, Added: missing(b.Workloads, a.Workloads), Removed: missing(a.Workloads, b.Workloads), Changes: []Change{}}
	type key struct{ from, to, probe string }
	old := make(map[key]*Cell, len(a.Cells))
	for i := range a.Cells {
		c := &a.Cells[i]
		old[key{c.From, c.To, c.Probe}] = c
	}
	for i := range b.Cells {
		c := &b.Cells[i]
		o, ok := old[key{c.From, c.To, c.Probe}]
		if !ok {
			continue
		}
		was, is := Fate{o.Reached, o.Stopped}, Fate{c.Reached, c.Stopped}
		if !was.same(is) {
			d.Changes = append(d.Changes, Change{c.From, c.To, c.Probe, was, is})
		}
	}
	return d, nil
}

// missing returns the names that are not among others.
func missing(names, others []string) []string {
	gone := []string{}
	for _, n := range names {
		if !slices.Contains(others, n) {
			gone = append(gone, n)
		}
	}
	return gone
}

// WriteText writes a line for each difference, + for what is delivered now and - for
// what no longer is.
func (d *Difference) WriteText(w io.Writer) error {
	var out strings.Builder
	for _, n := range d.Removed {
		fmt.Fprintf(&out, "- workload %s\n", n)
	}
	for _, n := range d.Added {
		fmt.Fprintf(&out, "+ workload %s\n", n)
	}
	for _, c := range d.Changes {
		mark := "~"
		switch {
		case c.After.Reached:
			mark = "+"
		case c.Before.Reached:
			mark = "-"
		}
		fmt.Fprintf(&out, "%s %s to %s, %s: %s, was %s\n", mark, c.From, c.To, c.Probe, c.After, c.Before)
	}
	if out.Len() == 0 {
		out.WriteString("nothing changes for any workload\n")
	}
	_, err := io.WriteString(w, out.String())
	return err
}
