// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package agent assembles the session daemon of a host: it opens its socket,
// says who calls by the credentials of the connection, and hands commands to the
// sessions. It must not decide what a command means.
package agent
