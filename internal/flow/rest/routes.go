// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"net/http"
	"slices"
	"strings"
)

// routes is the table of all that is served.
func routes() []route {
	return slices.Concat(
		applicationRoutes(),
		traceRoutes(),
		flowRoutes(),
		reportRoutes(),
		deviceRoutes(bridgeKind),
		deviceRoutes(routerKind),
		portRoutes(),
		stationRoutes(),
		routeRoutes(),
		chainRoutes(),
		portGroupRoutes(),
		addrGroupRoutes(),
		hostRoutes(),
		tunnelZoneRoutes(),
		topologyRoutes(),
		documentRoutes(),
	)
}

// schemaOf returns the name of a schema of the document: the kind without its version.
func schemaOf(kind string) string {
	name, _, _ := strings.Cut(kind, "-")
	return name
}

// listing is the route that answers with all objects of a kind.
func listing(path, kind, id, summary string, handle func(*request) error) route {
	return route{
		method: http.MethodGet, path: path, kind: kind, collection: true, handle: handle,
		status: http.StatusOK, id: id, summary: summary, body: schemaOf(kind),
	}
}

// reading is the route that answers with one object.
func reading(path, kind, id, summary string, handle func(*request) error) route {
	return route{
		method: http.MethodGet, path: path, kind: kind, handle: handle,
		status: http.StatusOK, id: id, summary: summary, body: schemaOf(kind),
	}
}

// creation is the route that makes an object.
func creation(path, kind, id, summary string, handle func(*request) error) route {
	return route{
		method: http.MethodPost, path: path, kind: kind, handle: handle, takes: true,
		status: http.StatusCreated, id: id, summary: summary,
		request: schemaOf(kind), body: schemaOf(kind), errors: []int{http.StatusConflict},
	}
}

// change is the route that replaces an object.
func change(path, kind, id, summary string, handle func(*request) error) route {
	return route{
		method: http.MethodPut, path: path, kind: kind, handle: handle, takes: true,
		status: http.StatusNoContent, id: id, summary: summary,
		request: schemaOf(kind), errors: []int{http.StatusConflict},
	}
}

// removal is the route that deletes an object.
func removal(path, id, summary string, handle func(*request) error) route {
	return route{
		method: http.MethodDelete, path: path, handle: handle,
		status: http.StatusNoContent, id: id, summary: summary, errors: []int{http.StatusConflict},
	}
}

// tagged puts routes in a group of the document; onlyAdmin those of the role admin.
func tagged(tag string, list ...route) []route {
	for i := range list {
		list[i].tag = tag
	}
	return list
}

func onlyAdmin(list []route) []route {
	for i := range list {
		list[i].admin = true
	}
	return list
}
