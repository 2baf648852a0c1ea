// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ship

import (
	"context"
	"net/http"
	"strings"

	"github.com/weir-io/weir/internal/flow/record"
	"github.com/weir-io/weir/internal/flow/topology"
)

// Hub brings records to the archive of a hub.
type Hub struct {
	URL    string      // of the hub, without a path
	Token  string      // of the agent's account
	Host   topology.ID // of the agent: records of others are refused
	Client *http.Client
}

// Send brings records in one request. The hub keeps one that comes twice once. It takes
// all or none: a batch with one that it calls wrong never gets better.
func (h *Hub) Send(ctx context.Context, batch []record.Record) (refused int, left []record.Record, err error) {
	body := []byte(`{"records":[`)
	sent := make([]record.Record, 0, len(batch))
	for i := range batch {
		line, err := batch[i].AppendJSON(nil)
		if err != nil {
			refused++
			continue
		}
		if len(sent) > 0 {
			body = append(body, ',')
		}
		body = append(body, line...)
		sent = append(sent, batch[i])
	}
	if len(sent) == 0 {
		return refused, nil, nil
	}
	a, err := post(ctx, h.Client, strings.TrimSuffix(h.URL, "/")+"/midonet-api/hosts/"+h.Host.String()+"/records", "application/json",
		http.Header{"X-Auth-Token": {h.Token}}, append(body, `]}`...))
	switch {
	case err != nil:
		return refused, sent, err
	case a.status == http.StatusNoContent:
		return refused, nil, nil
	case a.status == http.StatusBadRequest, a.status == http.StatusRequestEntityTooLarge:
		return refused + len(sent), nil, nil
	}
	return refused, sent, errAnswer("the hub", a, h.Token)
}
