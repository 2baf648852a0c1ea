// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

// SplitURL splits a listening URL, "tcp://[::1]:5342", into network ("tcp",
// "tcp4", "tcp6") and address ("[::1]:5342") as net.Listen takes them.
func SplitURL(url string) (network, address string, err error) {
	network, address, ok := strings.Cut(url, "://")
	if !ok || !slices.Contains([]string{"tcp", "tcp4", "tcp6"}, network) {
		return "", "", fmt.Errorf("want tcp://HOST:PORT, tcp4:// or tcp6://, got %q", url)
	}
	host, port, err := net.SplitHostPort(strings.TrimSuffix(address, "/"))
	if err != nil || host == "" {
		return "", "", fmt.Errorf("want HOST:PORT after %s://, IPv6 hosts in brackets, got %q", network, address)
	}
	if !isPort(port) {
		return "", "", fmt.Errorf("want a port from 0 to 65535, got %q in %q", port, url)
	}
	return network, net.JoinHostPort(host, port), nil
}

// isPort reports whether text is a decimal port number.
func isPort(text string) bool {
	_, err := strconv.ParseUint(text, 10, 16)
	return err == nil
}
