// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"slices"
	"time"

	"github.com/weir-io/weir/internal/hoststat"
	"github.com/weir-io/weir/internal/statsource"
	"github.com/weir-io/weir/xmlsysd"
)

// statHost gives the domain of host statistics the engine that others may use, too.
type statHost struct{ *hoststat.Engine }

// Sections implements statsource.Host.
func (h statHost) Sections() []statsource.Section {
	var all []statsource.Section
	for _, s := range h.Engine.Sections() {
		all = append(all, statsource.Section{Node: s.Node, Name: s.Name, Source: s.Source, Slow: s.Slow})
	}
	return all
}

// NewReader implements statsource.Host.
func (h statHost) NewReader() statsource.Reader { return &statReader{session: h.NewSession()} }

// statReader is a session of the engine's.
type statReader struct {
	session *hoststat.Session
	query   *hoststat.Query // is not changed: a section that hangs may still read it
	samples *hoststat.Samples
	parts   []statsource.Part
}

// Read implements statsource.Reader.
func (r *statReader) Read(ctx context.Context, wants func(xmlsysd.NodeID) bool, age time.Duration, raw []xmlsysd.RawRule) []statsource.Part {
	if r.query == nil || r.query.MaxAge != age || !slices.Equal(r.query.Raw, raw) {
		r.query = &hoststat.Query{MaxAge: age, Raw: slices.Clone(raw)}
	}
	r.samples = r.session.Sample(ctx, wants, r.query)
	r.parts = r.parts[:0]
	for _, p := range r.samples.Parts() {
		r.parts = append(r.parts, statsource.Part{Node: p.Node, Tape: p.Tape, At: p.At})
	}
	return r.parts
}

// Release implements statsource.Reader.
func (r *statReader) Release() { r.samples.Release() }

// Close implements statsource.Reader.
func (r *statReader) Close() { r.session.Close() }
