// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package server serves feeds on a Unix socket, through pipes and through named pipes.
// It says who calls by the credentials of the connection, and turns frames into calls
// of the manager. It must not decide what a feed does.
package server
