// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"

	"github.com/weir-io/weir/xmlsysd"
)

// ReachError tells that a socket could be reached by everybody, and nobody has
// said who may connect.
type ReachError struct{ Address string }

// Error says what is missing.
func (e *ReachError) Error() string {
	return fmt.Sprintf("listen at %s: other hosts can reach it: say which networks to allow", e.Address)
}

// AddressError tells that an address is none.
type AddressError struct {
	Address string
	Err     error
}

// Error says what is wrong with it.
func (e *AddressError) Error() string { return fmt.Sprintf("address %q: %v", e.Address, e.Err) }

// Unwrap returns the cause.
func (e *AddressError) Unwrap() error { return e.Err }

// Listen listens at addresses: HOST:PORT, or HOST with the port of xmlsysd.
// Without any it listens at a port of loopback, IPv4 and IPv6 as far as the host
// has them. It refuses other addresses unless somebody has said who may connect,
// with a [*ReachError].
func Listen(ctx context.Context, access Access, port int, addresses ...string) ([]net.Listener, error) {
	if len(addresses) == 0 {
		return listenLoopback(ctx, port)
	}
	var all []net.Listener
	for _, address := range addresses {
		l, err := listenOne(ctx, access, port, address)
		if err != nil {
			closeAll(all)
			return nil, err
		}
		all = append(all, l)
	}
	return all, nil
}

func listenOne(ctx context.Context, access Access, port int, address string) (net.Listener, error) {
	if _, _, err := net.SplitHostPort(address); err != nil {
		address = net.JoinHostPort(strings.Trim(address, "[]"), strconv.Itoa(port))
	}
	at, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, &AddressError{address, err}
	}
	if !at.IP.IsLoopback() && !access.Given() {
		return nil, &ReachError{address}
	}
	return new(net.ListenConfig).Listen(ctx, "tcp", at.String())
}

// listenLoopback listens at a port of both loopback addresses.
func listenLoopback(ctx context.Context, port int) ([]net.Listener, error) {
	var all []net.Listener
	for _, host := range []string{"127.0.0.1", "::1"} {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		switch {
		case err == nil:
			all = append(all, l)
			port = l.Addr().(*net.TCPAddr).Port // of 0: the same for both
		case len(all) > 0 && (errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT)):
			// A host without IPv6.
		default:
			closeAll(all)
			return nil, err
		}
	}
	return all, nil
}

func closeAll(all []net.Listener) {
	for _, l := range all {
		l.Close()
	}
}

// DefaultPort is where daemons listen.
const DefaultPort = xmlsysd.Port
