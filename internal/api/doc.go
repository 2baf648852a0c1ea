// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package api serves weir's HTTP interface: sessions, streams and chunks, and the
// hosts that the hub knows, as resources, retention, health, metrics, and the
// OpenAPI document of all that.
//
// It reaches into no service's state: it asks the store and the catalog for
// copies, and the relay and the live server for their figures through
// functions that the hub provides. The types of the answers are those of
// package client.
//
// # Exposure
//
// There is no authentication: the interface is for loopback. A web page that a
// user of the same machine visits must not reach it either. Requests that name
// another host than this one are refused (DNS rebinding), and so are
// cross-origin requests that would change something. See guard.go.
//
// Hosts alone are also served to other machines, of networks that are allowed, by
// a listener of their own: [API.HostsHandler].
//
// Feeds are for users of this host, who are known by the other end of their
// connections: see feed.go.
//
// # Limits
//
// Lists are paged, feeds are left to consumers for 60 s, archives are written by a
// few requests at a time, and every write to a client has a deadline. Header and idle
// time-outs are those of the http.Server that Serve makes.
package api
