// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package convert

// Result tells what a conversion did. Its JSON is documented in
// docs/format/convert-json.md.
type Result struct {
	Output string        `json:"output"`
	Totals               // of all traces
	Traces []TraceResult `json:"traces"`
}

// Totals are sums over streams.
type Totals struct {
	EventsRead     int64 `json:"events_read"`
	EventsWritten  int64 `json:"events_written"`
	PacketsRead    int64 `json:"packets_read"`
	PacketsWritten int64 `json:"packets_written"`
	Bytes          int64 `json:"bytes"` // of the data files

	// What tracers lost, as readers of the output are told.
	EventsDiscarded uint64 `json:"events_discarded"`
	PacketsLost     uint64 `json:"packets_lost"`
	UncountedLosses bool   `json:"uncounted_losses"`
}

func (t *Totals) add(o *Totals) {
	t.EventsRead += o.EventsRead
	t.EventsWritten += o.EventsWritten
	t.PacketsRead += o.PacketsRead
	t.PacketsWritten += o.PacketsWritten
	t.Bytes += o.Bytes
	t.EventsDiscarded += o.EventsDiscarded
	t.PacketsLost += o.PacketsLost
	t.UncountedLosses = t.UncountedLosses || o.UncountedLosses
}

// TraceResult tells what became of a trace.
type TraceResult struct {
	Path    string         `json:"path"` // below the output
	Inputs  []string       `json:"inputs"`
	Host    string         `json:"host,omitempty"`
	Format  string         `json:"format"` // ctf1 or ctf2
	UUID    string         `json:"uuid,omitempty"`
	Streams []StreamResult `json:"streams"`
}

// StreamResult tells what became of a stream.
type StreamResult struct {
	File  string `json:"file"` // in the trace's directory
	Class uint64 `json:"class"`
	ID    uint64 `json:"id"`
	Totals
	Error string `json:"error,omitempty"` // why it ends early
}
