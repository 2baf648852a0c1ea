// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package topology is the model of virtual networks: bridges, routers, ports, links,
// bindings, chains, rules, routes, groups, hosts, tunnel zones and trace requests.
//
// The types are plain data. Their JSON form is that of the values in the store; the
// REST interface adds URIs. A Snapshot holds all objects of a moment and does not
// change; a simulation works on one.
package topology

import "github.com/google/uuid"

// ID identifies an object. The zero ID is none.
type ID = uuid.UUID
