// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"net/http"
	"time"
)

// Hub is what a hub says of itself.
type Hub struct {
	Host     string       `json:"host" doc:"Name of the host that it is on."`
	Version  string       `json:"version" doc:"Of weir." example:"0.1.0"`
	Revision string       `json:"revision,omitempty" doc:"Commit that it was built from, if that is known."`
	Go       string       `json:"go" doc:"Version of Go that it was built with."`
	Platform string       `json:"platform" doc:"Operating system and processor." example:"linux/amd64"`
	Started  time.Time    `json:"started" doc:"When its process began to serve."`
	Output   string       `json:"output_dir" doc:"Directory of the stored traces."`
	Poll     string       `json:"poll,omitempty" doc:"How often it asks each host; absent if it asks none." example:"5s"`
	Serves   HubServices  `json:"serves" doc:"What it serves beside sessions."`
	Listens  HubListeners `json:"listens" doc:"Where, HOST:PORT each, or the path of a Unix socket."`
}

// HubServices are those that a hub may do without.
type HubServices struct {
	Hosts    bool `json:"hosts" doc:"Hosts, at /api/v1/hosts."`
	Feeds    bool `json:"feeds" doc:"Feeds of its own host, at /api/v1/feeds."`
	Networks bool `json:"networks" doc:"Virtual networks, at /midonet-api."`
}

// HubListeners are the listeners of a hub by what they are for; empty: there is none.
type HubListeners struct {
	Control []string `json:"control" doc:"Control connections of producers."`
	Data    []string `json:"data" doc:"Their data."`
	Live    []string `json:"live" doc:"Viewers."`
	HTTP    []string `json:"http" doc:"This interface."`
	Hop     []string `json:"hop" doc:"Connections of producers that are passed on."`
	Hosts   []string `json:"hosts" doc:"Agents of other hosts."`
}

// Hub returns what the hub says of itself.
func (c *Client) Hub(ctx context.Context) (Hub, error) {
	var h Hub
	err := c.call(ctx, http.MethodGet, &h, nil, "hub")
	return h, err
}
