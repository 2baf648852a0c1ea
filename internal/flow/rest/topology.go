// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"bytes"
	"errors"
	"maps"
	"net/http"
	"net/netip"
	"slices"

	"github.com/weir-io/weir/internal/flow/inventory"
	"github.com/weir-io/weir/internal/flow/topology"
)

const topologyPath = "/topology"

// topologyRoutes are for admins: a document has the networks of all tenants.
func topologyRoutes() []route {
	in := route{
		method: http.MethodPost, path: topologyPath, handle: importTopology, takes: true, document: true, limit: maxDocument,
		status: http.StatusNoContent, id: "import-topology", summary: "Make all objects of a topology document",
		request: "Topology", errors: []int{http.StatusConflict},
	}
	out := route{
		method: http.MethodGet, path: topologyPath, handle: exportTopology, status: http.StatusOK,
		id: "export-topology", summary: "The whole topology as one document", body: "Topology",
	}
	return onlyAdmin(tagged("topology", out, in))
}

func exportTopology(q *request) error {
	s, err := q.inventory().Load(q.ctx())
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := topology.NewDocument(s, s.PortNames(), nil).Write(&b); err != nil {
		return err
	}
	q.w.Header().Set("Content-Type", q.media)
	_, _ = q.w.Write(b.Bytes()) // the client has gone: nothing to do
	return nil
}

func importTopology(q *request) error {
	raw, err := q.rawBody()
	if err != nil {
		return err
	}
	d, err := topology.ReadDocument(bytes.NewReader(raw))
	if err != nil {
		return err
	}
	s, err := d.Snapshot()
	if err != nil {
		return err
	}
	for _, p := range s.Ports {
		p.TunnelKey = 0 // that of the document is one of others here
	}
	err = q.inventory().Import(q.ctx(), s)
	if bad, ok := errors.AsType[*inventory.Error](err); ok && errors.Is(err, inventory.ErrInvalid) { // which of them
		return violation(bad.Property, "%s %v: %s", bad.Object, bad.ID, bad.Reason)
	}
	if err != nil {
		return err
	}
	return q.done()
}

// sortedIDs returns the keys in their order.
func sortedIDs(m map[topology.ID]netip.Addr) []topology.ID {
	return slices.SortedFunc(maps.Keys(m), func(a, b topology.ID) int { return slices.Compare(a[:], b[:]) })
}
