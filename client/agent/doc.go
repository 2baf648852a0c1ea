// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package agent is the client of weir's session daemon: tracing sessions of this
// host, what they record and where it goes.
//
// The daemon listens on a Unix socket and knows its callers by the credentials
// of their connections: everybody has sessions of their own, root sees all. A
// session is created, given a consumer, which moves its data somewhere, and event
// rules, and then started and stopped:
//
//	c := agent.New("") // the daemon of this host, or of this user
//	defer c.Close()
//	_, _, err := c.CreateSession(ctx, agent.CreateSession{Name: "demo"})
//	uris, _, err := agent.ParseConsumerURIs("net://192.168.1.10", "", "", "/")
//	_, err = c.SetConsumerURI(ctx, "demo", uris)
//	_, err = c.EnableConsumer(ctx, "demo", agent.EnableConsumer{})
//	_, err = c.EnableEvents(ctx, "demo", agent.EnableEvents{
//		Domain: "kernel",
//		Rules:  []agent.EventRule{{Type: agent.AllEvents, Pattern: "*"}},
//	})
//	_, err = c.Start(ctx, "demo")
//
// # Errors
//
// What the daemon refuses is a [*Problem] with LTTng's number for it; so is a
// daemon that is not there ([CodeNoDaemon]) and a URI that cannot be used
// ([CodeInvalid]). A command that is done, but not quite as was asked, has
// warnings in its [Done]; of a size that was rounded it has one with [CodeOK].
//
// # URIs
//
// [ParseConsumerURIs] reads where data is to go, in the grammar of the network
// consumer's proposal:
//
//	net[4|6]://HOST[:[CONTROL-PORT][:[DATA-PORT]]][/SUBDIR][?OPTIONS]
//	tcp[4|6]://HOST[:PORT][/SUBDIR][?OPTIONS]
//	udp[4|6]://HOST[:PORT][/SUBDIR][?OPTIONS]     data only
//	file:///DIR, or a path
//
// Ports are 5342 for control and 5343 for data unless given. tcp://HOST:PORT and a
// comma before a URI are a hop on the way to it; there may be 8.
// Options are KEY=VALUE, joined by &:
//
//	timeout   of connecting, in seconds or as 500ms
//	rate      bytes per second at most, with k, M or G; UDP
//	mtu       of datagrams, 128 to 65451; UDP
//	window    bytes that are kept for sending again; UDP
//	reliable  0: lost datagrams are not sent again; UDP
//
// Options rate of TCP and compress are refused with [CodeNotSupported]: TCP is not
// limited, and packets are not compressed (docs/design/0006).
//
// # Concurrency
//
// A [Client] may be used by several goroutines, a [Watcher] by one.
package agent
