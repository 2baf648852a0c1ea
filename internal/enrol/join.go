// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package enrol

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/weir-io/weir/client"
	"github.com/weir-io/weir/internal/identity"
)

// joinTime bounds the question for a certificate.
const joinTime = 20 * time.Second

// Joining is how one becomes a member of a hub's cluster.
type Joining struct {
	Dir   identity.Dir
	Hub   string // URL
	Token string
	Name  string // that it wants; "": that of the invitation, or Host
	Host  string
	Role  identity.Role
	Now   func() time.Time // nil: the machine's clock
	Log   *slog.Logger
}

// Join joins, or returns what was kept if this token has been joined by already. Called
// again after it was interrupted it goes on.
func Join(ctx context.Context, j Joining) (*identity.Kept, error) {
	t, err := identity.ParseToken(j.Token)
	if err != nil {
		return nil, err
	}
	if j.Now == nil {
		j.Now = time.Now
	}
	if err := identity.MakeDir(string(j.Dir)); err != nil {
		return nil, err
	}
	lock, err := identity.Lock(string(j.Dir))
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	kept, err := j.Dir.Load()
	switch {
	case err == nil && kept.Invitation == t.Invitation && identity.AuthorityOf(kept.Authority) == t.Authority:
		j.Log.Debug("joined by this token before", "hub", kept.Hub)
		return kept, j.Dir.End()
	case err != nil && !errors.Is(err, identity.ErrNotJoined):
		return nil, err
	}
	k, err := j.begin(t)
	if err != nil {
		return nil, err
	}
	if err := j.ask(ctx, k, t); err != nil {
		return nil, err
	}
	if err := j.Dir.Save(k); err != nil {
		return nil, err
	}
	if err := j.Dir.End(); err != nil {
		return nil, err
	}
	p, err := identity.PeerOf(k.Certificate)
	if err != nil {
		return nil, err
	}
	j.Log.Info("joined the hub", "hub", k.Hub, "name", p.Name, "role", string(p.Role), "ends", k.Certificate.NotAfter.UTC().Format(time.RFC3339))
	return k, nil
}

// begin returns the key that this token was asked with before, or makes one.
func (j *Joining) begin(t identity.Token) (*identity.Kept, error) {
	pending, err := j.Dir.Pending()
	switch {
	case err == nil && pending.Invitation == t.Invitation:
		pending.Hub = j.Hub
		return pending, nil
	case err != nil && !errors.Is(err, identity.ErrNotJoined):
		return nil, err
	}
	key, err := identity.NewKey()
	if err != nil {
		return nil, err
	}
	k := &identity.Kept{Hub: j.Hub, Invitation: t.Invitation, Credentials: identity.Credentials{Key: key}}
	return k, j.Dir.Begin(k)
}

// ask has the hub sign, and checks that it is the hub of the token, before and after.
func (j *Joining) ask(ctx context.Context, k *identity.Kept, t identity.Token) error {
	var authority *x509.Certificate
	api, err := client.NewTLS(j.Hub, identity.Pinned(t.Authority, j.Now, func(c *x509.Certificate) { authority = c }))
	if err != nil {
		return err
	}
	defer api.Close()
	request, err := identity.NewRequest(k.Key)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, joinTime)
	defer cancel()
	answer, err := api.Enrol(ctx, client.EnrolmentRequest{
		Invitation: t.Invitation.String(), Secret: t.Secret[:], Name: j.Name, Host: j.Host, Request: string(request),
	})
	if err != nil {
		return j.explain(err)
	}
	if k.Certificate, err = granted(&answer, authority, k, j.Now()); err != nil {
		return fmt.Errorf("answer of the hub: %w", err)
	}
	k.Authority = authority
	if p, err := identity.PeerOf(k.Certificate); err != nil || p.Role != j.Role {
		return fmt.Errorf("the token is for the role %s, want one for %s: \"weir hosts invite\" on the hub makes hosts, with --monitor monitors", p.Role, j.Role)
	}
	return nil
}

// explain says what people can do about a failure.
func (j *Joining) explain(err error) error {
	switch {
	case errors.As(err, new(tls.RecordHeaderError)), strings.Contains(err.Error(), "HTTP response to HTTPS client"): // net/http has no value for it
		return fmt.Errorf("join %s: %w: is that the port of hosts.listen, and does the hub enrol?", j.Hub, err)
	case errors.Is(err, identity.ErrForeign):
		return fmt.Errorf("join %s: %w. Is it the hub that has printed the token? Then somebody is between", j.Hub, err)
	}
	return fmt.Errorf("join %s: %w", j.Hub, err)
}

// granted checks a certificate that the hub has sent.
func granted(g *client.EnrolmentGrant, authority *x509.Certificate, k *identity.Kept, now time.Time) (*x509.Certificate, error) {
	c, _, err := identity.DecodeCertificate([]byte(g.Certificate))
	if err != nil {
		return nil, err
	}
	p, err := identity.Verify(authority, []*x509.Certificate{c}, now)
	if err != nil {
		return nil, err
	}
	key, err := identity.KeyFingerprint(k.Key)
	if err != nil {
		return nil, err
	}
	if identity.KeyOf(c) != key {
		return nil, errors.New("the certificate is for another key")
	}
	if p.Name != g.Name || string(p.Role) != g.Role || p.Role == identity.Hub {
		return nil, fmt.Errorf("the certificate is of %s, want %s as %.40q", p, g.Name, g.Role)
	}
	return c, nil
}
