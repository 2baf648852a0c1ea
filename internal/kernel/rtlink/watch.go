// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package rtlink

import (
	"errors"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Watch hears of changes of links and addresses.
type Watch struct{ conn *netlink.Conn }

// NewWatch returns a watch that hears what changes from now on.
func NewWatch() (*Watch, error) {
	c, err := netlink.Dial(unix.NETLINK_ROUTE, &netlink.Config{
		Groups: unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR,
	})
	if err != nil {
		return nil, fmt.Errorf("routing socket: %w", err)
	}
	return &Watch{c}, nil
}

// Wait returns when something has changed, or with an error after Close. More
// changes than the kernel had room for are one change.
func (w *Watch) Wait() error {
	_, err := w.conn.Receive()
	if errors.Is(err, unix.ENOBUFS) {
		return nil
	}
	return err
}

// Close ends the watch and whoever waits.
func (w *Watch) Close() error { return w.conn.Close() }
