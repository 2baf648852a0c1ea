// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package session is weir's session daemon: tracing sessions, the channels and
// event rules in them, and the consumers that move what they record.
//
//	Daemon ── Session ── domain ── channel ── event rule
//	             │          └── process (consumer process of the domain)
//	             └── consumer (where packets go)
//
// A change of destination is prepared by all processes before any carries it out.
//
// A session's consumer begins as a template: a destination, nothing connected.
// Enabling it connects to the relay, both paths or none, and only then are the
// sockets handed to the consumer process. The process of a domain is started when
// recording begins. When the relay is lost, packets go to the process's spool, and
// the session dials again until there is a relay.
//
// # Concurrency
//
// A Daemon is safe for concurrent use. Commands to one session are carried out one
// after the other, under Session.mu; those to different sessions side by side.
// Lock order: Session.mu, then Daemon.mu, then watchers.mu. The goroutines that
// dial again, rotate by schedule, look after domains and wait for processes take Session.mu for each
// step and find out there whether they are still wanted. Those that ask processes
// whether they are alive take none: a command may wait for the process.
package session
