// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hosts

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/weir-io/weir/internal/identity"
)

// Registration is what an agent tells of its host.
type Registration struct {
	Name    string
	Address string // where it answers monitors: HOST:PORT, or "" for nowhere
	TLS     bool
	Feeds   string // where its agent serves feeds to a hub: HOST:PORT, or "" for nowhere
	// FeedsTLS says that it does so by TLS.
	FeedsTLS bool
	Group    string
	Version  string     // of weir there
	Peer     netip.Addr // where the registration comes from
	// Certified says that the peer has shown a certificate of this name; Enrolled and
	// FeedsEnrolled that the host answers with one, too.
	Certified, Enrolled, FeedsEnrolled bool
}

// State is how a host is known.
type State uint8

// States.
const (
	Configured State = iota // not by an agent
	Registered
	Lost // its agent has not renewed in time
)

// Host is a host that is known.
type Host struct {
	Registration           // Address is that to connect to; "": it cannot be asked
	Problem      string    // why not
	Since        time.Time // known since
	Seen         time.Time // registered or renewed last; zero: never
	State        State

	fixed bool // configured: renewals do not change where it is
}

// ErrName reports a name that no host can have.
var ErrName = errors.New("no name of a host: want 1 to 253 of A-Z a-z 0-9 . _ : -")

func checkName(name string) error {
	if !identity.ValidName(name) {
		return ErrName
	}
	return nil
}

// ErrAddress reports an address that the hub does not connect to.
var ErrAddress = errors.New("address is not the peer's")

// place returns the address to connect to for the one that a peer has given, or
// why there is none. See the package's comment for whose addresses are taken.
func (n Networks) place(given string, peer netip.Addr) (address, problem string, err error) {
	if given == "" {
		return "", "it does not answer monitors", nil
	}
	host, port, err := net.SplitHostPort(given)
	if err != nil {
		return "", "", fmt.Errorf("%w: %q: want HOST:PORT", ErrAddress, given)
	}
	if p, err := strconv.ParseUint(port, 10, 16); err != nil || p == 0 {
		return "", "", fmt.Errorf("%w: %q: want a port from 1 to 65535", ErrAddress, given)
	}
	ip, ipErr := netip.ParseAddr(host)
	ip, peer = ip.Unmap(), peer.Unmap()
	switch {
	case host == "" || ipErr == nil && ip.IsUnspecified():
		return net.JoinHostPort(peer.String(), port), "", nil
	case peer.IsLoopback():
		return given, "", nil
	case ipErr != nil:
		return "", "", fmt.Errorf("%w: %q: want an address instead of a name", ErrAddress, given)
	case ip.IsLoopback():
		return "", "it answers monitors on its own loopback only", nil
	case ip == peer || n.Contain(ip):
		return net.JoinHostPort(ip.String(), port), "", nil
	}
	return "", "", fmt.Errorf("%w: %q from %v", ErrAddress, given, peer)
}
