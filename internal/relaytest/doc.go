// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package relaytest is test support around the producers' server: a relay that
// runs in the test's process and a scripted producer that talks to it.
//
// [Start] runs a relay on loopback ports of the system's choice. When the test
// ends it stops the relay and fails the test unless all goroutines and
// descriptors are back. [Relay.Dial] connects a [Producer], which has a method
// for each command; [Tree] reads what the relay has stored.
//
// Nothing here sleeps: replies and ends of connections are waited for on their
// sockets, what the relay does unseen is watched through its counters.
package relaytest
