// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"

	"github.com/weir-io/weir/client"
)

type hubOutput struct {
	Body client.Hub
}

// getHub answers GET /api/v1/hub.
func (a *API) getHub(context.Context, *struct{}) (*hubOutput, error) {
	v := a.opts.Version
	h := client.Hub{
		Host: a.opts.OwnHost, Version: v.Version, Revision: v.Revision, Go: v.Go, Platform: v.Platform,
		Started: a.started, Output: a.opts.Output,
		Serves: client.HubServices{Hosts: a.opts.Registry != nil, Feeds: a.opts.Feeds != nil, Networks: a.opts.Networks != nil},
	}
	if a.opts.Statistics != nil {
		h.Poll = a.opts.Poll.String()
	}
	if a.opts.Listens != nil {
		h.Listens = a.opts.Listens()
	}
	for _, list := range []*[]string{&h.Listens.Control, &h.Listens.Data, &h.Listens.Live, &h.Listens.HTTP, &h.Listens.Hop, &h.Listens.Hosts} {
		if *list == nil {
			*list = []string{} // a list in JSON, too
		}
	}
	return &hubOutput{h}, nil
}
