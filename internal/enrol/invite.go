// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package enrol

import (
	"crypto/rand"
	"crypto/subtle"
	"crypto/x509"
	"fmt"
	"net/netip"
	"time"

	"github.com/weir-io/weir/internal/identity"
)

// Wish is whom somebody wants to invite.
type Wish struct {
	Role identity.Role
	Name string        // "": the one that joins says
	Life time.Duration // 0: DefaultInvite
}

// Invite makes an invitation. Its token is returned and not kept.
func (a *Authority) Invite(w Wish) (identity.Token, Invitation, error) {
	if w.Life == 0 {
		w.Life = DefaultInvite
	}
	switch {
	case w.Role != identity.Host && w.Role != identity.Monitor:
		return identity.Token{}, Invitation{}, fmt.Errorf("%w: got the role %q, want host or monitor", ErrRequest, w.Role)
	case w.Name != "" && !identity.ValidName(w.Name):
		return identity.Token{}, Invitation{}, fmt.Errorf("%w: no name of a host: want 1 to 253 of A-Z a-z 0-9 . _ : -", ErrRequest)
	case w.Life < time.Second || w.Life > LongestInvite:
		return identity.Token{}, Invitation{}, fmt.Errorf("%w: got a life of %v, want 1s to %v", ErrRequest, w.Life, LongestInvite)
	}
	t := identity.Token{Authority: a.Fingerprint()}
	if _, err := rand.Read(t.Invitation[:]); err != nil {
		return t, Invitation{}, err
	}
	if _, err := rand.Read(t.Secret[:]); err != nil {
		return t, Invitation{}, err
	}
	v := Invitation{ID: t.Invitation, Hash: hashOf(t.Secret), Role: w.Role, Name: w.Name, Expires: a.o.Now().Add(w.Life)}
	err := a.update(func(l *ledger) error {
		if e := l.enrolled[w.Name]; e != nil && e.holds(a.o.Now()) {
			return fmt.Errorf("%s: %w: \"weir hosts expel %s\" frees it for another machine", w.Name, ErrTaken, w.Name)
		}
		if len(l.invitations) >= maxInvitations {
			return fmt.Errorf("%w: %d invitations", ErrFull, maxInvitations)
		}
		l.invitations[v.ID] = &v
		return nil
	})
	if err != nil {
		return identity.Token{}, Invitation{}, err
	}
	a.Counters.Invited.Add(1)
	a.o.Log.Info("invitation made", "invitation", v.ID.String(), "role", string(v.Role), "name", v.Name, "expires", v.Expires.UTC().Format(time.RFC3339))
	return t, v, nil
}

// Request is what one that was invited asks with.
type Request struct {
	Invitation identity.InvitationID
	Secret     identity.Secret
	Name       string // that it wants; "": any
	Fallback   string // that it takes where neither it nor the invitation has one
	CSR        []byte // PEM
	From       netip.Addr
}

// Grant is what it gets.
type Grant struct {
	Peer        identity.Peer
	Certificate *x509.Certificate
	Authority   *x509.Certificate
}

// Enrol makes one that was invited a member. Errors are those of this package, wrapped.
func (a *Authority) Enrol(r Request) (Grant, error) {
	if wait, ok := a.attempts.allowed(r.From); !ok {
		a.Counters.Refused.Add(1)
		return Grant{}, fmt.Errorf("%w from %v: again in %v", ErrMany, r.From, wait.Round(time.Second))
	}
	g, err := a.enrol(&r)
	if err != nil {
		a.attempts.failed(r.From)
		a.Counters.Refused.Add(1)
		a.o.Log.Warn("enrolment refused", "invitation", r.Invitation.String(), "peer", r.From.String(), "name", fmt.Sprintf("%.64q", r.Name), "err", err)
		return Grant{}, err
	}
	a.Counters.Enrolled.Add(1)
	a.o.Log.Info("enrolled", "name", g.Peer.Name, "role", string(g.Peer.Role), "peer", r.From.String(), "invitation", r.Invitation.String(),
		"serial", g.Certificate.SerialNumber.Text(16), "ends", g.Certificate.NotAfter.UTC().Format(time.RFC3339))
	return g, nil
}

func (a *Authority) enrol(r *Request) (Grant, error) {
	public, key, err := identity.DecodeRequest(r.CSR)
	if err != nil {
		return Grant{}, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	g := Grant{Authority: a.own.Certificate}
	err = a.update(func(l *ledger) error {
		v, err := a.invitation(l, r)
		if err != nil {
			return err
		}
		if g.Peer, err = admit(l, v, r, key, a.o.Now()); err != nil {
			return err
		}
		if l.enrolled[g.Peer.Name] == nil && len(l.enrolled) >= a.o.Max {
			return fmt.Errorf("%w: %d enrolled", ErrFull, a.o.Max)
		}
		if g.Certificate, err = a.sign(g.Peer, public, nil); err != nil {
			return err
		}
		now := a.o.Now()
		used := *v
		used.Used, used.UsedBy, used.UsedKey = now, g.Peer.Name, key
		l.invitations[v.ID] = &used
		delete(l.refused, key)
		l.enrolled[g.Peer.Name] = &Enrolment{
			Name: g.Peer.Name, Role: g.Peer.Role, Key: key, Since: now,
			Serial: g.Certificate.SerialNumber.Text(16), NotAfter: g.Certificate.NotAfter,
		}
		return nil
	})
	return g, err
}

// invitation returns the one that a request knows the secret of, a.change held.
func (a *Authority) invitation(l *ledger, r *Request) (*Invitation, error) {
	v := l.invitations[r.Invitation]
	if v == nil {
		// Those that have ended are forgotten: the hub cannot tell one from the other.
		return nil, fmt.Errorf("%w: it may have ended: want another one, by \"weir hosts invite\" on the hub", ErrInvitation)
	}
	got := hashOf(r.Secret)
	if v.failures >= maxFailures || subtle.ConstantTimeCompare(got[:], v.Hash[:]) != 1 {
		v.failures++ // of the invitation that is known, under a.change: it is not written
		return nil, fmt.Errorf("%w: want another one, by \"weir hosts invite\" on the hub", ErrInvitation)
	}
	if now := a.o.Now(); now.After(v.Expires) {
		return nil, fmt.Errorf("%w at %s, and on the hub it is %s: want another one, by \"weir hosts invite\" on the hub",
			ErrExpired, v.Expires.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	return v, nil
}

// admit decides who the one that asks becomes.
func admit(l *ledger, v *Invitation, r *Request, key identity.Fingerprint, now time.Time) (identity.Peer, error) {
	p := identity.Peer{Role: v.Role, Name: v.Name}
	if p.Name == "" {
		p.Name = r.Name
	}
	if p.Name == "" {
		p.Name = r.Fallback
	}
	switch {
	case !v.Used.IsZero() && v.UsedKey != key:
		return p, fmt.Errorf("%w by %s at %s: each is for one machine; if that was not yours, \"weir hosts expel %s\" on the hub",
			ErrUsed, v.UsedBy, v.Used.UTC().Format(time.RFC3339), v.UsedBy)
	case !v.Used.IsZero():
		p.Name = v.UsedBy // whatever it asks for now
	}
	switch {
	case r.Name != "" && r.Name != p.Name:
		return p, fmt.Errorf("%w: got %.64q, want %q", ErrName, r.Name, p.Name)
	case !identity.ValidName(p.Name):
		return p, fmt.Errorf("%w: got %.64q, want 1 to 253 of A-Z a-z 0-9 . _ : -", ErrName, p.Name)
	}
	e := l.enrolled[p.Name]
	switch {
	case e == nil, e.Key == key && e.Role == p.Role && e.Expelled.IsZero():
		return p, nil
	case e.holds(now):
		return p, fmt.Errorf("%s: %w by another machine: choose another name, by --hub-name, or free it by \"weir hosts expel %s\" on the hub", p.Name, ErrTaken, p.Name)
	case v.Name != p.Name || !v.Used.IsZero():
		return p, fmt.Errorf("%s %w, or its certificate has ended: want an invitation of that name, by \"weir hosts invite %s\" on the hub", p, ErrExpelled, p.Name)
	}
	return p, nil
}

// Renew gives one that Identify has found good another certificate for its key.
func (a *Authority) Renew(p identity.Peer, csr []byte) (Grant, error) {
	g, err := a.renew(p, csr)
	if err != nil {
		a.Counters.Refused.Add(1)
		a.o.Log.Warn("renewal refused", "name", p.Name, "role", string(p.Role), "err", err)
		return Grant{}, err
	}
	a.Counters.Renewed.Add(1)
	a.o.Log.Info("certificate renewed", "name", p.Name, "role", string(p.Role),
		"serial", g.Certificate.SerialNumber.Text(16), "ends", g.Certificate.NotAfter.UTC().Format(time.RFC3339))
	return g, nil
}

func (a *Authority) renew(p identity.Peer, csr []byte) (Grant, error) {
	public, key, err := identity.DecodeRequest(csr)
	if err != nil {
		return Grant{}, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	g := Grant{Peer: p, Authority: a.own.Certificate}
	err = a.update(func(l *ledger) error {
		e := l.enrolled[p.Name]
		switch {
		case e == nil || e.Role != p.Role:
			return fmt.Errorf("%s %w", p, ErrUnknown)
		case !e.Expelled.IsZero():
			return fmt.Errorf("%s %w", p, ErrExpelled)
		case e.Key != key:
			return fmt.Errorf("%w: the key is another one; who wants another key joins again", ErrRequest)
		}
		if g.Certificate, err = a.sign(p, public, nil); err != nil {
			return err
		}
		next := *e
		next.Serial, next.NotAfter = g.Certificate.SerialNumber.Text(16), g.Certificate.NotAfter
		l.enrolled[p.Name] = &next
		return nil
	})
	return g, err
}

// Expel refuses all certificates of a name from now on, and what it was invited by.
func (a *Authority) Expel(name string) error {
	var e Enrolment
	err := a.update(func(l *ledger) error {
		known := l.enrolled[name]
		if known == nil {
			return fmt.Errorf("%.64q %w", name, ErrUnknown)
		}
		e = *known
		for id, v := range l.invitations {
			if v.Name == name || v.UsedBy == name {
				delete(l.invitations, id)
			}
		}
		if e.Expelled.IsZero() {
			e.Expelled = a.o.Now()
		}
		a.mu.Lock()
		if at := a.seen[name]; at.After(e.Seen) {
			e.Seen = at
		}
		a.mu.Unlock()
		l.enrolled[name] = &e
		l.refused[e.Key] = e.NotAfter
		return nil
	})
	if err != nil {
		return err
	}
	a.Counters.Expelled.Add(1)
	a.o.Log.Info("expelled", "name", name, "role", string(e.Role), "serial", e.Serial)
	a.o.Changed()
	return nil
}
