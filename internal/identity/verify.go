// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// Reasons why a certificate is not taken.
var (
	ErrNoCertificate = errors.New("no certificate was shown")
	ErrForeign       = errors.New("certificate is of another authority")
	ErrEnded         = errors.New("certificate has ended")
	ErrNotBegun      = errors.New("certificate has not begun: do the clocks differ?")
	ErrRole          = errors.New("certificate is of another one than expected")
	ErrRefused       = errors.New("the hub has expelled its owner")
)

// Verify checks that an authority has signed a certificate that holds now, and returns
// who it is of. The certificate is the first of what was shown in a handshake; others
// do not count, since the authority signs for itself.
func Verify(authority *x509.Certificate, shown []*x509.Certificate, now time.Time) (Peer, error) {
	if len(shown) == 0 {
		return Peer{}, ErrNoCertificate
	}
	c := shown[0]
	// In words that tell people what to do, before the library's.
	if now.Before(c.NotBefore) {
		return Peer{}, fmt.Errorf("%w It begins at %s, and here it is %s", ErrNotBegun, c.NotBefore.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	if now.After(c.NotAfter) {
		return Peer{}, fmt.Errorf("%w at %s, and here it is %s", ErrEnded, c.NotAfter.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	roots := x509.NewCertPool()
	roots.AddCert(authority)
	_, err := c.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: x509.NewCertPool(), CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return Peer{}, fmt.Errorf("%w: %w", ErrForeign, err)
	}
	if c.IsCA {
		return Peer{}, fmt.Errorf("%w: it is the authority's own", ErrNoPeer)
	}
	return PeerOf(c)
}

// Expect returns a check that a peer has a role, and a name unless that is "".
func Expect(role Role, name string) func(Peer) error {
	return func(p Peer) error {
		if p.Role != role || name != "" && p.Name != name {
			want := Peer{role, name}
			if name == "" {
				want.Name = "NAME"
			}
			return fmt.Errorf("%w: got %s, want %s", ErrRole, p, want)
		}
		return nil
	}
}

// AnyOf returns a check that a peer has one of some roles.
func AnyOf(roles ...Role) func(Peer) error {
	return func(p Peer) error {
		for _, r := range roles {
			if p.Role == r {
				return nil
			}
		}
		return fmt.Errorf("%w: got %s, want one of the roles %v", ErrRole, p, roles)
	}
}
