//go:build !linux

// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

func (c *conn) quickAck() {}
