// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package enrol

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/url"
	"slices"
	"time"

	"github.com/weir-io/weir/internal/identity"
)

// serial makes the number of a certificate: 127 random bits.
func serial() (*big.Int, error) {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	return n.Add(n, big.NewInt(1)), nil
}

// openOwn reads the authority's key and certificate, and makes them where there is no
// file. One that cannot be read is never replaced: nobody would know its hub any more.
func (a *Authority) openOwn() (made bool, err error) {
	path := a.path(authorityFile)
	text, err := identity.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return true, a.makeOwn(path)
	}
	if err != nil {
		return false, err
	}
	if a.own.Key, a.own.Certificate, err = decodePair(text); err != nil {
		return false, fmt.Errorf("%s: %w; a copy of before can take its place; without the file, which is to be removed with %s, all hosts must join again", path, err, ledgerName)
	}
	a.own.Authority = a.own.Certificate
	return false, nil
}

// decodePair reads a key and its certificate, and nothing else.
func decodePair(text []byte) (*ecdsa.PrivateKey, *x509.Certificate, error) {
	key, rest, err := identity.DecodeKey(text)
	if err != nil {
		return nil, nil, err
	}
	c, rest, err := identity.DecodeCertificate(rest)
	if err != nil {
		return nil, nil, err
	}
	fingerprint, err := identity.KeyFingerprint(key)
	switch {
	case err != nil:
		return nil, nil, err
	case len(rest) > 0:
		return nil, nil, fmt.Errorf("%d bytes behind the certificate, want none", len(rest))
	case fingerprint != identity.KeyOf(c):
		return nil, nil, errors.New("the certificate is for another key")
	}
	return key, c, nil
}

func writePair(path string, key *ecdsa.PrivateKey, c *x509.Certificate) error {
	text, err := identity.EncodeKey(key)
	if err != nil {
		return err
	}
	return identity.WriteFile(path, append(text, identity.EncodeCertificate(c)...))
}

func (a *Authority) makeOwn(path string) error {
	key, err := identity.NewKey()
	if err != nil {
		return err
	}
	number, err := serial()
	if err != nil {
		return err
	}
	now := a.o.Now()
	template := &x509.Certificate{
		SerialNumber: number, Subject: pkix.Name{CommonName: "weir hub " + a.o.Name},
		NotBefore: now.Add(-backdate), NotAfter: now.AddDate(authorityYears, 0, 0),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return fmt.Errorf("certificate of the authority: %w", err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return fmt.Errorf("certificate of the authority: %w", err)
	}
	if err := writePair(path, key, c); err != nil {
		return fmt.Errorf("keep the authority: %w", err)
	}
	a.own = identity.Credentials{Key: key, Certificate: c, Authority: c}
	a.o.Log.Info("authority made", "path", path, "fingerprint", a.Fingerprint().String())
	return nil
}

// sign makes a certificate of a peer for a key.
func (a *Authority) sign(p identity.Peer, key *ecdsa.PublicKey, names []string) (*x509.Certificate, error) {
	number, err := serial()
	if err != nil {
		return nil, err
	}
	now := a.o.Now()
	template := &x509.Certificate{
		SerialNumber: number, Subject: pkix.Name{CommonName: p.Name}, URIs: []*url.URL{p.URI()},
		NotBefore: now.Add(-backdate), NotAfter: now.Add(a.o.Life), BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if template.NotAfter.After(a.own.Certificate.NotAfter) {
		template.NotAfter = a.own.Certificate.NotAfter
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else if name != "" {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.own.Certificate, key, a.own.Key)
	if err != nil {
		return nil, fmt.Errorf("sign for %s: %w", p, err)
	}
	return x509.ParseCertificate(der)
}

// openMember reads the hub's own certificate, or makes one: it is nothing that others
// keep.
func (a *Authority) openMember() error {
	path := a.path(hubFile)
	text, err := identity.ReadFile(path)
	if err == nil {
		var c identity.Credentials
		if c.Key, c.Certificate, err = decodePair(text); err == nil {
			c.Authority = a.own.Certificate
			if _, err = identity.Verify(c.Authority, []*x509.Certificate{c.Certificate}, a.o.Now()); err == nil {
				if a.member, err = identity.NewMember(c, a.o.Now); err == nil && a.member.Peer() == a.hub() {
					return a.renewMember()
				}
			}
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		a.o.Log.Warn("hub's certificate is made anew", "path", path, "err", err)
	}
	c, err := a.newMember()
	if err != nil {
		return err
	}
	a.member, err = identity.NewMember(c, a.o.Now)
	return err
}

// hub is who the hub is.
func (a *Authority) hub() identity.Peer { return identity.Peer{Role: identity.Hub, Name: a.o.Name} }

func (a *Authority) newMember() (identity.Credentials, error) {
	key, err := identity.NewKey()
	if err != nil {
		return identity.Credentials{}, err
	}
	c, err := a.sign(a.hub(), &key.PublicKey, a.o.Names())
	if err != nil {
		return identity.Credentials{}, err
	}
	if err := writePair(a.path(hubFile), key, c); err != nil {
		return identity.Credentials{}, fmt.Errorf("keep the hub's certificate: %w", err)
	}
	return identity.Credentials{Key: key, Certificate: c, Authority: a.own.Certificate}, nil
}

// renewMember renews the hub's certificate when that is due, or when its names are others
// by now. The key is another one then: nobody has kept the old one.
func (a *Authority) renewMember() error {
	now := a.member.Credentials()
	if a.o.Now().Before(now.RenewAt()) && sameNames(now.Certificate, a.o.Names()) {
		return nil
	}
	c, err := a.newMember()
	if err != nil {
		return err
	}
	if err := a.member.Set(c); err != nil {
		return err
	}
	a.o.Log.Info("hub's certificate renewed", "ends", c.Certificate.NotAfter.UTC().Format(time.RFC3339))
	return nil
}

// sameNames tells whether a certificate is for these names and addresses.
func sameNames(c *x509.Certificate, names []string) bool {
	has := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		has = append(has, ip.String())
	}
	var want []string
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			name = ip.String()
		}
		if name != "" {
			want = append(want, name)
		}
	}
	slices.Sort(has)
	slices.Sort(want)
	return slices.Equal(slices.Compact(has), slices.Compact(want))
}
