// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package enrol

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/identity"
)

// clock is one that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time // guarded by mu
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// fixture is an authority with a clock of the test's.
type fixture struct {
	*testing.T
	*Authority
	clock *clock
	dir   string
	log   *bytes.Buffer
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{T: t, clock: newClock(), dir: filepath.Join(t.TempDir(), "enrol"), log: new(bytes.Buffer)}
	f.open()
	t.Cleanup(func() { f.Close() })
	return f
}

func (f *fixture) options() Options {
	return Options{
		Dir: f.dir, Name: "hubhost", Names: func() []string { return []string{"10.0.0.1", "hubhost"} }, Max: 4,
		Now: f.clock.Now, Log: slog.New(slog.NewTextHandler(f.log, nil)),
	}
}

func (f *fixture) open() {
	f.Helper()
	var err error
	if f.Authority, err = Open(f.options()); err != nil {
		f.Fatal(err)
	}
}

// killed opens the authority again as it lies on the disk, as after a kill.
func (f *fixture) killed() {
	f.Helper()
	f.lock.Close()
	f.open()
}

func (f *fixture) invite(w Wish) identity.Token {
	f.Helper()
	if w.Role == "" {
		w.Role = identity.Host
	}
	t, _, err := f.Invite(w)
	if err != nil {
		f.Fatal(err)
	}
	return t
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := identity.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func request(t *testing.T, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	csr, err := identity.NewRequest(key)
	if err != nil {
		t.Fatal(err)
	}
	return csr
}

var peer = netip.MustParseAddr("10.0.0.7")

func (f *fixture) ask(token identity.Token, key *ecdsa.PrivateKey, name string) (Grant, error) {
	f.Helper()
	return f.Enrol(Request{Invitation: token.Invitation, Secret: token.Secret, Name: name, Fallback: "fallback", CSR: request(f.T, key), From: peer})
}

// join enrols one that must be.
func (f *fixture) join(name string) (Grant, *ecdsa.PrivateKey) {
	f.Helper()
	key := newKey(f.T)
	g, err := f.ask(f.invite(Wish{}), key, name)
	if err != nil {
		f.Fatal(err)
	}
	return g, key
}

func (f *fixture) want(what string, err, want error) {
	f.Helper()
	if !errors.Is(err, want) {
		f.Errorf("%s: got %v, want %v", what, err, want)
	}
}

func (f *fixture) known(g Grant) error {
	_, err := f.Identify([]*x509.Certificate{g.Certificate})
	return err
}

func TestEnrol(t *testing.T) {
	f := newFixture(t)
	token := f.invite(Wish{Name: "node1"})
	if token.Authority != f.Fingerprint() {
		t.Error("the token names another authority")
	}
	ledger, err := os.ReadFile(f.path(ledgerName))
	if err != nil || bytes.Contains(ledger, []byte(token.String()[70:])) || strings.Contains(f.log.String(), token.String()[60:]) {
		t.Errorf("the secret is kept, or logged: %v", err)
	}
	key := newKey(t)
	g, err := f.ask(token, key, "")
	if err != nil {
		t.Fatal(err)
	}
	if g.Peer != (identity.Peer{Role: identity.Host, Name: "node1"}) || g.Certificate.NotAfter != f.clock.Now().Add(DefaultLife) {
		t.Errorf("%+v", g)
	}
	p, err := f.Identify([]*x509.Certificate{g.Certificate})
	if err != nil || p != g.Peer {
		t.Errorf("%v, %v", p, err)
	}
	list := f.List()
	if len(list) != 1 || list[0].Name != "node1" || list[0].Seen != f.clock.Now() || list[0].Serial != g.Certificate.SerialNumber.Text(16) {
		t.Errorf("%+v", list)
	}
	if s := f.Stats(); s != (Stats{Enrolled: 1, SoonestEnd: f.Member().Credentials().Certificate.NotAfter}) {
		t.Errorf("%+v", s)
	}
	for _, name := range []string{authorityFile, hubFile, ledgerName} {
		if st, err := os.Stat(f.path(name)); err != nil || st.Mode() != 0o600 {
			t.Errorf("%s: %v, %v", name, st, err)
		}
	}
	if _, err := Open(f.options()); err == nil {
		t.Error("the directory is another hub's at the same time")
	}
}

// Every refusal, each with nothing changed.
func TestRefusals(t *testing.T) {
	f := newFixture(t)
	_, _ = f.join("taken")
	token := f.invite(Wish{})
	named := f.invite(Wish{Name: "node9"})
	wrong := token
	wrong.Secret[0]++
	unknown := token
	unknown.Invitation[0]++
	key := newKey(t)
	for what, tt := range map[string]struct {
		token identity.Token
		name  string
		want  error
	}{
		"wrong secret":       {wrong, "a", ErrInvitation},
		"unknown":            {unknown, "a", ErrInvitation},
		"name taken":         {token, "taken", ErrTaken},
		"no name":            {token, "a/b", ErrName},
		"not the one wanted": {named, "a", ErrName},
	} {
		_, err := f.ask(tt.token, key, tt.name)
		f.want(what, err, tt.want)
	}
	_, err := f.Enrol(Request{Invitation: token.Invitation, Secret: token.Secret, Name: "a", CSR: []byte("x"), From: peer})
	f.want("no request", err, ErrRequest)
	if len(f.List()) != 1 || f.Counters.Refused.Load() != 6 {
		t.Errorf("%d refused, enrolled: %+v", f.Counters.Refused.Load(), f.List())
	}
	if _, err := f.ask(token, key, "a"); err != nil {
		t.Errorf("after all that: %v", err)
	}
	_, err = f.ask(token, newKey(t), "b")
	f.want("used", err, ErrUsed)
	f.clock.pass(DefaultInvite + time.Second)
	_, err = f.ask(named, key, "")
	f.want("ended", err, ErrExpired)
	_, err = f.ask(token, key, "a")
	f.want("used and ended", err, ErrExpired)
	f.join("c")
	_, err = f.ask(named, key, "")
	f.want("ended and forgotten", err, ErrInvitation)
	f.join("d")
	_, err = f.ask(f.invite(Wish{}), newKey(t), "e")
	f.want("more than are allowed", err, ErrFull)
	for what, w := range map[string]Wish{
		"role": {Role: identity.Hub}, "name": {Role: identity.Host, Name: ".."}, "life": {Role: identity.Host, Life: LongestInvite + 1},
	} {
		_, _, err := f.Invite(w)
		f.want(what, err, ErrRequest)
	}
	_, _, err = f.Invite(Wish{Role: identity.Host, Name: "taken"})
	f.want("invited by a name that is taken", err, ErrTaken)
}

// An invitation whose secret was wrong too often has ended, also for who knows it.
func TestGuesses(t *testing.T) {
	f := newFixture(t)
	token := f.invite(Wish{})
	wrong := token
	wrong.Secret[5]++
	for range maxFailures {
		_, err := f.ask(wrong, newKey(t), "a")
		f.want("guess", err, ErrInvitation)
	}
	_, err := f.ask(token, newKey(t), "a")
	f.want("the right one", err, ErrInvitation)
	token = f.invite(Wish{})
	for range attemptsPerPeer {
		_, err = f.ask(wrong, newKey(t), "a")
	}
	f.want("one that guesses on", err, ErrMany)
	_, err = f.ask(token, newKey(t), "a")
	f.want("the right one from there", err, ErrMany)
	f.clock.pass(attemptPeriod)
	if _, err = f.ask(token, newKey(t), "a"); err != nil {
		t.Errorf("a minute later: %v", err)
	}
}

// Killed between any two steps the hub goes on where it was: the same key gets its
// answer again, another one none.
func TestKilledHub(t *testing.T) {
	f := newFixture(t)
	token, key := f.invite(Wish{}), newKey(t)
	fingerprint := f.Fingerprint()
	f.killed()
	if f.Fingerprint() != fingerprint {
		t.Fatal("another authority")
	}
	first, err := f.ask(token, key, "node1")
	if err != nil {
		t.Fatal(err)
	}
	f.killed() // the answer is lost
	_, err = f.ask(token, newKey(t), "node1")
	f.want("another key", err, ErrUsed)
	_, err = f.ask(token, key, "node2")
	f.want("another name", err, ErrName)
	again, err := f.ask(token, key, "")
	if err != nil || again.Peer != first.Peer {
		t.Fatalf("the same key again: %+v, %v", again, err)
	}
	if err := errors.Join(f.known(first), f.known(again)); err != nil {
		t.Error(err)
	}
	renewed, err := f.Renew(first.Peer, request(t, key))
	if err != nil {
		t.Fatal(err)
	}
	f.killed()
	if err := errors.Join(f.known(first), f.known(renewed)); err != nil {
		t.Error(err)
	}
	if err := f.Expel("node1"); err != nil {
		t.Fatal(err)
	}
	f.killed()
	for _, g := range []Grant{first, again, renewed} {
		f.want("expelled", f.known(g), ErrExpelled)
	}
	_, err = f.ask(token, key, "node1")
	f.want("by the old token", err, ErrInvitation)
	if len(f.Expelled()) != 1 {
		t.Errorf("%v", f.Expelled())
	}
}

// Who is expelled comes back by an invitation of its name alone, with another key, and
// the old one stays refused until its certificates have ended.
func TestExpel(t *testing.T) {
	f := newFixture(t)
	f.want("nobody", f.Expel("node1"), ErrUnknown)
	open, named := f.invite(Wish{}), f.invite(Wish{Name: "node1"})
	old, oldKey := f.join("node1")
	_, err := f.Renew(old.Peer, request(t, newKey(t)))
	f.want("renewed with another key", err, ErrRequest)
	if err := f.Expel("node1"); err != nil {
		t.Fatal(err)
	}
	_, err = f.Renew(old.Peer, request(t, oldKey))
	f.want("renewed", err, ErrExpelled)
	_, err = f.ask(open, newKey(t), "node1")
	f.want("by an invitation of no name", err, ErrExpelled)
	_, err = f.ask(named, newKey(t), "node1")
	f.want("by one of before", err, ErrInvitation)
	next, err := f.ask(f.invite(Wish{Name: "node1"}), newKey(t), "")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.known(next); err != nil {
		t.Error(err)
	}
	f.want("the old certificate", f.known(old), ErrUnknown)
	if keys := f.Expelled(); len(keys) != 1 || keys[0] != identity.KeyOf(old.Certificate) {
		t.Errorf("told to others: %v", keys)
	}
	f.clock.pass(DefaultLife + time.Second)
	if keys := f.Expelled(); len(keys) != 0 {
		t.Errorf("told for ever: %v", keys)
	}
}

func TestIdentify(t *testing.T) {
	f, other := newFixture(t), newFixture(t)
	g, _ := f.join("node1")
	foreign, _ := other.join("node1")
	f.want("nothing shown", func() error { _, err := f.Identify(nil); return err }(), identity.ErrNoCertificate)
	f.want("another hub's", f.known(foreign), identity.ErrForeign)
	f.want("the hub's own", f.known(Grant{Certificate: f.Member().Credentials().Certificate}), ErrUnknown)
	f.clock.pass(DefaultLife + time.Second)
	f.want("ended", f.known(g), identity.ErrEnded)
	if _, _, err := f.Invite(Wish{Role: identity.Host, Name: "node1"}); err != nil {
		t.Errorf("a name whose certificate has ended: %v", err)
	}
	f.clock.pass(-DefaultLife - 3*time.Hour)
	f.want("the hub's clock is late", f.known(g), identity.ErrNotBegun)
	// Without its ledger a hub knows nobody.
	f.clock.pass(3 * time.Hour)
	if err := os.Remove(f.path(ledgerName)); err != nil {
		t.Fatal(err)
	}
	f.killed()
	f.want("without the ledger", f.known(g), ErrUnknown)
	if !strings.Contains(f.log.String(), "there is no ledger") {
		t.Error("that is not told")
	}
}

// Role and name are those of the ledger, whatever the certificate says.
func TestMonitorIsNoHost(t *testing.T) {
	f := newFixture(t)
	key := newKey(t)
	g, err := f.ask(f.invite(Wish{Role: identity.Monitor}), key, "bob")
	if err != nil || g.Peer.Role != identity.Monitor {
		t.Fatalf("%+v, %v", g, err)
	}
	_, err = f.Renew(identity.Peer{Role: identity.Host, Name: "bob"}, request(t, key))
	f.want("another role", err, ErrUnknown)
	forged, err := f.sign(identity.Peer{Role: identity.Host, Name: "bob"}, &key.PublicKey, nil)
	if err != nil {
		t.Fatal(err)
	}
	f.want("a certificate of another role", f.known(Grant{Certificate: forged}), ErrUnknown)
}

// The hub renews its own certificate, and makes it anew for other names.
func TestHubsCertificate(t *testing.T) {
	f := newFixture(t)
	first := f.Member().Credentials()
	if c := first.Certificate; len(c.IPAddresses) != 1 || len(c.DNSNames) != 1 {
		t.Errorf("%v, %v", c.IPAddresses, c.DNSNames)
	}
	f.killed()
	if !f.Member().Credentials().Certificate.Equal(first.Certificate) {
		t.Error("another one after a start")
	}
	f.clock.pass(first.RenewAt().Sub(f.clock.Now()) - time.Second)
	f.Look()
	if !f.Member().Credentials().Certificate.Equal(first.Certificate) {
		t.Error("renewed too early")
	}
	f.clock.pass(2 * time.Second)
	f.Look()
	second := f.Member().Credentials()
	if !second.Certificate.NotAfter.After(first.Certificate.NotAfter) {
		t.Error("not renewed")
	}
	f.o.Names = func() []string { return []string{"10.0.0.2"} }
	f.Look()
	if c := f.Member().Credentials().Certificate; len(c.IPAddresses) != 1 || c.IPAddresses[0].String() != "10.0.0.2" {
		t.Errorf("%v", c.IPAddresses)
	}
	if err := os.WriteFile(f.path(hubFile), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.killed()
	if f.Member().Peer() != (identity.Peer{Role: identity.Hub, Name: "hubhost"}) {
		t.Error("not made anew")
	}
}

// Files that are cut are told of, and never replaced: all hosts depend on them.
func TestDamagedFiles(t *testing.T) {
	f := newFixture(t)
	f.join("node1")
	f.invite(Wish{})
	f.Close()
	for _, name := range []string{authorityFile, ledgerName} {
		path := f.path(name)
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for n := range len(whole) - 1 { // without the line end it is whole
			if err := os.WriteFile(path, whole[:n], 0o600); err != nil {
				t.Fatal(err)
			}
			a, err := Open(f.options())
			if err == nil {
				a.Close()
				t.Fatalf("%s cut at byte %d is taken", name, n)
			}
			if !strings.Contains(err.Error(), path) {
				t.Fatalf("%s cut at byte %d: %v", name, n, err)
			}
		}
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f.open()
	if len(f.List()) != 1 {
		t.Errorf("%+v", f.List())
	}
}

func FuzzLedger(f *testing.F) {
	f.Add([]byte(`{"version":1,"enrolled":[{"name":"a","role":"host"}],"invitations":[{"id":"0000000000000000","role":"host"}],"refused":{}}`))
	f.Add([]byte(`{"version":1,"enrolled":[null]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := decodeLedger(text)
		if err != nil {
			return
		}
		again, err := l.encode()
		if err != nil {
			return // a year that RFC 3339 has no word for
		}
		if _, err := decodeLedger(again); err != nil {
			t.Errorf("%s is written as %s: %v", text, again, err)
		}
	})
}

// Many that ask at the same time get an answer each, and one alone of those with one token.
func TestTogether(t *testing.T) {
	f := newFixture(t)
	token := f.invite(Wish{})
	var all sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		key := newKey(t)
		csr := request(t, key)
		all.Go(func() {
			_, errs[i] = f.Enrol(Request{Invitation: token.Invitation, Secret: token.Secret, Name: "n", CSR: csr, From: peer})
			f.List()
			f.Stats()
		})
	}
	all.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else {
			f.want("one that came later", err, ErrUsed)
		}
	}
	if won != 1 {
		t.Errorf("%d have joined by one token", won)
	}
}
