// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package enrol

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-io/weir/internal/identity"
)

// Defaults and limits of an authority.
const (
	DefaultLife     = 90 * 24 * time.Hour // of certificates
	DefaultMax      = 16384               // enrolments, those of expelled ones included
	DefaultInvite   = time.Hour           // life of an invitation
	LongestInvite   = 30 * 24 * time.Hour
	maxInvitations  = 1024
	maxFailures     = 16               // wrong secrets, after which an invitation ends
	authorityYears  = 20               // life of its own certificate
	backdate        = time.Hour        // of certificates: clocks differ
	seenSaved       = 10 * time.Minute // how often it is kept who was seen
	attemptsPerPeer = 20               // refused enrolments of an address in attemptPeriod
	attemptPeriod   = time.Minute
)

// Files of the directory.
const (
	authorityFile = "authority.pem" // key and certificate
	hubFile       = "hub.pem"       // likewise, of the hub as a member
	ledgerName    = "ledger.json"
)

// Options are what an authority is made of. Dir and Log are required.
type Options struct {
	Dir   string
	Name  string          // of the hub
	Names func() []string // names and addresses that the hub's certificate is for; nil: none
	Life  time.Duration   // of certificates; 0: DefaultLife
	Max   int             // enrolments; 0: DefaultMax
	Now   func() time.Time
	Log   *slog.Logger

	// Changed is called after somebody was expelled. It must not block.
	Changed func()
}

// Counters tell what an authority has done since it was opened.
type Counters struct {
	Enrolled, Renewed, Expelled, Invited atomic.Uint64
	Refused                              atomic.Uint64 // enrolments and renewals
	Denied                               atomic.Uint64 // certificates that were shown
}

// Authority signs the certificates of the parts of a hub's cluster, and knows who has
// one. Its methods may be used by any number of goroutines.
type Authority struct {
	Counters Counters

	// Immutable after Open.
	o      Options
	lock   io.Closer
	own    identity.Credentials // the authority's: key and certificate
	member *identity.Member     // the hub

	change sync.Mutex             // held while the ledger is changed and written
	known  atomic.Pointer[ledger] // what is on the disk

	attempts attempts

	mu   sync.Mutex
	seen map[string]time.Time // guarded by mu: of names, since the start
}

// Open opens the authority of a directory, or makes one where there is none.
func Open(o Options) (*Authority, error) {
	if o.Life <= 0 {
		o.Life = DefaultLife
	}
	if o.Max <= 0 {
		o.Max = DefaultMax
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Names == nil {
		o.Names = func() []string { return nil }
	}
	if o.Changed == nil {
		o.Changed = func() {}
	}
	if !identity.ValidName(o.Name) {
		o.Name = "hub"
	}
	a := &Authority{o: o, seen: make(map[string]time.Time), attempts: newAttempts(o.Now)}
	if err := identity.MakeDir(o.Dir); err != nil {
		return nil, fmt.Errorf("enrolment: %w", err)
	}
	var err error
	if a.lock, err = identity.Lock(o.Dir); err != nil {
		return nil, fmt.Errorf("enrolment: %w", err)
	}
	if err := a.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("enrolment: %w", err), a.lock.Close())
	}
	return a, nil
}

// open reads or makes what the directory holds.
func (a *Authority) open() error {
	made, err := a.openOwn()
	if err != nil {
		return err
	}
	l, missing, err := readLedger(a.path(ledgerName))
	if err != nil {
		return err
	}
	if missing && !made {
		a.o.Log.Warn("there is no ledger: nobody is enrolled, whatever certificates there are", "path", a.path(ledgerName))
	}
	a.known.Store(l)
	return a.openMember()
}

func (a *Authority) path(name string) string { return filepath.Join(a.o.Dir, name) }

// Close gives the directory back, with who was seen. Nothing else is left to be written.
func (a *Authority) Close() error { return errors.Join(a.saveSeen(), a.lock.Close()) }

// Member is the hub, with a certificate of its own authority.
func (a *Authority) Member() *identity.Member { return a.member }

// Fingerprint is the hash by which tokens name the authority.
func (a *Authority) Fingerprint() identity.Fingerprint {
	return identity.AuthorityOf(a.own.Certificate)
}

// Server makes the configuration of the hub's listener. It lets everybody in: Identify
// looks at each request, and can say what is wrong.
func (a *Authority) Server() *tls.Config { return a.member.Server(nil) }

// Identify returns who shows a certificate: signed by the authority, and enrolled by the
// ledger as it is now. Errors are those of identity and of this package, wrapped.
func (a *Authority) Identify(shown []*x509.Certificate) (identity.Peer, error) {
	p, err := a.identify(shown)
	if err != nil {
		a.Counters.Denied.Add(1)
		return identity.Peer{}, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seen[p.Name] = a.o.Now()
	return p, nil
}

func (a *Authority) identify(shown []*x509.Certificate) (identity.Peer, error) {
	p, err := identity.Verify(a.own.Certificate, shown, a.o.Now())
	if err != nil {
		return p, err
	}
	e := a.known.Load().enrolled[p.Name]
	key := identity.KeyOf(shown[0])
	switch {
	case e == nil:
		return p, fmt.Errorf("%s %w: want an invitation, by \"weir hosts invite\" on the hub", p, ErrUnknown)
	case e.Role != p.Role || e.Key != key:
		return p, fmt.Errorf("%s %w with this key: another machine has taken the name since, or the hub's ledger is an older one", p, ErrUnknown)
	case !e.Expelled.IsZero():
		return p, fmt.Errorf("%s %w at %s: want an invitation, by \"weir hosts invite %s\" on the hub", p, ErrExpelled, e.Expelled.UTC().Format(time.RFC3339), p.Name)
	}
	return p, nil
}

// List returns all that are enrolled, or were expelled, by name.
func (a *Authority) List() []Enrolment {
	list := a.known.Load().list()
	all := make([]Enrolment, 0, len(list))
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, e := range list {
		one := *e
		if at, ok := a.seen[e.Name]; ok && at.After(one.Seen) && one.Expelled.IsZero() {
			one.Seen = at
		}
		all = append(all, one)
	}
	return all
}

// Expelled returns the keys of those that were expelled and whose certificates have not
// ended yet: who knows the authority alone has to be told of them.
func (a *Authority) Expelled() []identity.Fingerprint {
	var keys []identity.Fingerprint
	now := a.o.Now()
	for key, end := range a.known.Load().refused {
		if now.Before(end) {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b identity.Fingerprint) int { return bytes.Compare(a[:], b[:]) })
	return keys
}

// update makes a change of the ledger: once it returns, that is on the disk.
func (a *Authority) update(change func(*ledger) error) error {
	a.change.Lock()
	defer a.change.Unlock()
	next := a.known.Load().clone()
	if err := change(next); err != nil {
		return err
	}
	now := a.o.Now()
	for id, v := range next.invitations {
		if now.After(v.Expires) {
			delete(next.invitations, id)
		}
	}
	for key, end := range next.refused {
		if now.After(end) {
			delete(next.refused, key)
		}
	}
	b, err := next.encode()
	if err == nil {
		err = identity.WriteFile(a.path(ledgerName), b)
	}
	if err != nil {
		return fmt.Errorf("enrolment: keep the ledger: %w", err)
	}
	a.known.Store(next)
	return nil
}

// saveSeen keeps who was seen, if that is news.
func (a *Authority) saveSeen() error {
	a.mu.Lock()
	seen := a.seen
	a.seen = make(map[string]time.Time)
	a.mu.Unlock()
	if len(seen) == 0 {
		return nil
	}
	return a.update(func(l *ledger) error {
		for name, at := range seen {
			if e := l.enrolled[name]; e != nil && at.After(e.Seen) {
				changed := *e
				changed.Seen = at
				l.enrolled[name] = &changed
			}
		}
		return nil
	})
}
