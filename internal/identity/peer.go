// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Role is what a certificate is for.
type Role string

// Roles.
const (
	Hub     Role = "hub"
	Host    Role = "host"
	Monitor Role = "monitor"
)

// Valid tells whether there is such a role.
func (r Role) Valid() bool { return r == Hub || r == Host || r == Monitor }

// scheme is that of the URI in a certificate.
const scheme = "weir"

// Peer is who a certificate is of.
type Peer struct {
	Role Role
	Name string
}

// String returns the URI that stands in the certificate.
func (p Peer) String() string { return scheme + "://" + string(p.Role) + "/" + p.Name }

// URI is String as certificates want it.
func (p Peer) URI() *url.URL {
	return &url.URL{Scheme: scheme, Host: string(p.Role), Path: "/" + p.Name}
}

// maxName bounds names, as in the name service.
const maxName = 253

// ValidName tells whether a host, or a monitor, can be called so: 1 to 253 of
// A-Z a-z 0-9 . _ : -, and neither "." nor "..".
func ValidName(name string) bool {
	if name == "" || len(name) > maxName || name == "." || name == ".." {
		return false
	}
	for i := range len(name) {
		c := name[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && !strings.ContainsRune("._:-", rune(c)) {
			return false
		}
	}
	return true
}

// ErrNoPeer reports a certificate that does not say who it is of.
var ErrNoPeer = errors.New("certificate is of no part of weir")

// PeerOf returns who a certificate says it is of. It must say so once, and nothing else
// in the form of the URIs.
func PeerOf(c *x509.Certificate) (Peer, error) {
	if len(c.URIs) != 1 {
		return Peer{}, fmt.Errorf("%w: it has %d URIs, want 1", ErrNoPeer, len(c.URIs))
	}
	u := c.URIs[0]
	p := Peer{Role(u.Host), strings.TrimPrefix(u.Path, "/")}
	if !p.Role.Valid() || !ValidName(p.Name) || p.String() != u.String() {
		return Peer{}, fmt.Errorf("%w: got the URI %.300q, want weir://ROLE/NAME", ErrNoPeer, u.String())
	}
	return p, nil
}

// Fingerprint is the hash of a certificate's key, or of an authority's certificate.
type Fingerprint [sha256.Size]byte

// String returns it in hexadecimal digits.
func (f Fingerprint) String() string { return hex.EncodeToString(f[:]) }

// MarshalText is String.
func (f Fingerprint) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText reads hexadecimal digits.
func (f *Fingerprint) UnmarshalText(text []byte) error {
	if len(text) != 2*len(f) {
		return fmt.Errorf("fingerprint %.80q: got %d characters, want %d hexadecimal digits", text, len(text), 2*len(f))
	}
	_, err := hex.Decode(f[:], text)
	if err != nil {
		return fmt.Errorf("fingerprint %.80q: %w", text, err)
	}
	return nil
}

// KeyOf returns the hash of the key that a certificate is for, which stays the same when
// it is renewed.
func KeyOf(c *x509.Certificate) Fingerprint { return sha256.Sum256(c.RawSubjectPublicKeyInfo) }

// AuthorityOf returns the hash of an authority's certificate, by which tokens name it.
func AuthorityOf(c *x509.Certificate) Fingerprint { return sha256.Sum256(c.Raw) }
