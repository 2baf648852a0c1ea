// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package enrol

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-io/weir/client"
	"github.com/weir-io/weir/internal/identity"
)

// served is a hub's listener of the test's: what it does is the authority's.
type served struct {
	*fixture
	url  string
	lose atomic.Bool  // answers, once the authority has acted
	n    atomic.Int32 // requests
}

func serve(f *fixture) *served {
	s := &served{fixture: f}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/enrolments", func(w http.ResponseWriter, r *http.Request) {
		var in client.EnrolmentRequest
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			f.Error(err)
		}
		q := Request{Name: in.Name, Fallback: in.Host, CSR: []byte(in.Request), From: peer}
		if err := q.Invitation.UnmarshalText([]byte(in.Invitation)); err != nil {
			f.Error(err)
		}
		copy(q.Secret[:], in.Secret)
		g, err := f.Enrol(q)
		s.answer(w, g, err)
	})
	mux.HandleFunc("PUT /api/v1/enrolments/{id}", func(w http.ResponseWriter, r *http.Request) {
		var in client.RenewalRequest
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			f.Error(err)
		}
		p, err := f.Identify(r.TLS.PeerCertificates)
		var g Grant
		if err == nil {
			g, err = f.Renew(p, []byte(in.Request))
		}
		s.answer(w, g, err)
	})
	server := httptest.NewUnstartedServer(mux)
	server.Listener = tls.NewListener(server.Listener, &tls.Config{
		// That of now: the authority may have been killed meanwhile.
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return f.Server(), nil },
	})
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelWarn)
	server.Start()
	f.Cleanup(server.Close)
	s.url = strings.Replace(server.URL, "http:", "https:", 1)
	return s
}

func (s *served) answer(w http.ResponseWriter, g Grant, err error) {
	s.n.Add(1)
	switch {
	case s.lose.Load():
		panic(http.ErrAbortHandler)
	case err != nil:
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusForbidden)
		_ = json.NewEncoder(w).Encode(client.Problem{Status: 403, Code: "refused", Title: "Refused", Detail: err.Error()})
	default:
		_ = json.NewEncoder(w).Encode(client.EnrolmentGrant{
			Name: g.Peer.Name, Role: string(g.Peer.Role),
			Certificate: string(identity.EncodeCertificate(g.Certificate)), Authority: string(identity.EncodeCertificate(g.Authority)),
		})
	}
}

func (s *served) joining(token identity.Token) Joining {
	return Joining{
		Dir: identity.Dir(filepath.Join(s.TempDir(), "identity")), Hub: s.url, Token: token.String(), Host: "node1",
		Role: identity.Host, Now: s.clock.Now, Log: slog.New(slog.DiscardHandler),
	}
}

// An answer that is lost is asked for again by the same command, which finds what it has
// begun with; once it has joined it asks no more.
func TestJoin(t *testing.T) {
	s := serve(newFixture(t))
	j := s.joining(s.invite(Wish{}))
	s.lose.Store(true)
	for range 2 {
		if k, err := Join(t.Context(), j); err == nil {
			t.Fatalf("joined without an answer: %+v", k)
		}
	}
	if _, err := j.Dir.Load(); !errors.Is(err, identity.ErrNotJoined) {
		t.Errorf("%v", err)
	}
	s.killed()
	s.lose.Store(false)
	k, err := Join(t.Context(), j)
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Identify([]*x509.Certificate{k.Certificate})
	if err != nil || p != (identity.Peer{Role: identity.Host, Name: "node1"}) {
		t.Errorf("%v, %v", p, err)
	}
	asked := s.n.Load()
	again, err := Join(t.Context(), j)
	if err != nil || !again.Certificate.Equal(k.Certificate) || s.n.Load() != asked {
		t.Errorf("the same command again: %v, %d requests more", err, s.n.Load()-asked)
	}
	// Another machine with the token is told so.
	other := j
	other.Dir = identity.Dir(t.TempDir())
	if _, err := Join(t.Context(), other); err == nil || !strings.Contains(err.Error(), "has been used by node1") {
		t.Errorf("another machine: %v", err)
	}
	// A new token is another key.
	j.Token = s.invite(Wish{}).String()
	if _, err := Join(t.Context(), j); err == nil || !strings.Contains(err.Error(), "is enrolled") {
		t.Errorf("a name that is enrolled: %v", err)
	}
	if kept, err := j.Dir.Load(); err != nil || !kept.Certificate.Equal(k.Certificate) {
		t.Errorf("what was kept is gone: %v", err)
	}
	if err := s.Expel("node1"); err != nil {
		t.Fatal(err)
	}
	j.Token = s.invite(Wish{Name: "node1"}).String()
	next, err := Join(t.Context(), j)
	if err != nil || next.Key.Equal(k.Key) {
		t.Errorf("joined anew: %v", err)
	}
}

func TestJoinRefused(t *testing.T) {
	s := serve(newFixture(t))
	j := s.joining(s.invite(Wish{}))
	cut := j
	cut.Token = j.Token[:40]
	_, err := Join(t.Context(), cut)
	s.want("a token that was cut", err, identity.ErrToken)
	monitor := s.joining(s.invite(Wish{Role: identity.Monitor}))
	if _, err := Join(t.Context(), monitor); err == nil || !strings.Contains(err.Error(), "for the role monitor") {
		t.Errorf("another role: %v", err)
	}
	if _, err := monitor.Dir.Load(); !errors.Is(err, identity.ErrNotJoined) {
		t.Errorf("another role is kept: %v", err)
	}
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	j.Hub = strings.Replace(plain.URL, "http:", "https:", 1)
	if _, err := Join(t.Context(), j); err == nil || !strings.Contains(err.Error(), "port of hosts.listen") {
		t.Errorf("a plain port: %v", err)
	}
	j.Hub = s.url
	s.clock.pass(-3 * time.Hour) // the host's clock is late, as the hub's is in this test
	if _, err := Join(t.Context(), j); err == nil || !strings.Contains(err.Error(), "do the clocks differ?") {
		t.Errorf("clocks differ: %v", err)
	}
}

// Who is between, with an authority of its own, gets no byte of the request, let alone the
// secret.
func TestManInTheMiddle(t *testing.T) {
	real, between := newFixture(t), newFixture(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan int, 1)
	go func() { // received below
		conn, err := l.Accept()
		if err != nil {
			got <- -1
			return
		}
		defer conn.Close()
		tlsConn := between.Member().Secure(conn, func(identity.Peer) error { return nil })
		_ = tlsConn.Handshake() // it goes as far as it goes
		n, _ := tlsConn.Read(make([]byte, 1))
		got <- n
	}()
	defer l.Close()
	s := &served{fixture: real, url: "https://" + l.Addr().String()}
	_, err = Join(t.Context(), s.joining(real.invite(Wish{})))
	real.want("between", err, identity.ErrForeign)
	if !strings.Contains(err.Error(), "nothing was sent") {
		t.Errorf("%v", err)
	}
	if n := <-got; n != 0 {
		t.Errorf("the one between has read %d bytes", n)
	}
}

func (s *served) keep(j Joining) *Keeper {
	s.Helper()
	k, err := Join(s.Context(), j)
	if err != nil {
		s.Fatal(err)
	}
	keeper, err := Keep(j.Dir, k, "", s.clock.Now, slog.New(slog.NewTextHandler(s.log, nil)))
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(keeper.api.Close)
	return keeper
}

// A certificate is renewed after two thirds of its life, kept, and used at once; a hub that
// is away is asked again.
func TestRenewal(t *testing.T) {
	s := serve(newFixture(t))
	j := s.joining(s.invite(Wish{}))
	k := s.keep(j)
	first := k.Member().Credentials().Certificate
	if wait := k.Look(t.Context()); wait != longestSleep {
		t.Errorf("looks again after %v", wait)
	}
	k.mu.Lock()
	due := k.kept.RenewAt()
	k.mu.Unlock()
	s.clock.pass(due.Sub(s.clock.Now()) - time.Second)
	if wait := k.Look(t.Context()); wait != time.Second || s.Counters.Renewed.Load() != 0 {
		t.Errorf("looks again after %v, renewed %d times", wait, s.Counters.Renewed.Load())
	}
	s.clock.pass(time.Second)
	s.lose.Store(true)
	for _, want := range []time.Duration{firstRetry, 2 * firstRetry, 4 * firstRetry} {
		if wait := k.Look(t.Context()); wait != want {
			t.Errorf("without an answer: again after %v, want %v", wait, want)
		}
	}
	if !k.Member().Credentials().Certificate.Equal(first) {
		t.Error("another certificate without an answer")
	}
	s.lose.Store(false)
	k.Look(t.Context())
	second := k.Member().Credentials().Certificate
	kept, err := j.Dir.Load()
	if second.Equal(first) || !second.NotAfter.After(first.NotAfter) || err != nil || !kept.Certificate.Equal(second) {
		t.Errorf("renewed until %v, %v", second.NotAfter, err)
	}
	// Killed before it was kept, the next start has the old one, which counts as long as
	// it lasts.
	if err := s.known(Grant{Certificate: first}); err != nil {
		t.Error(err)
	}
	// The next one is asked for by the new one, on a connection of its own: the old one
	// has ended by then.
	s.clock.pass(DefaultLife * 2 / 3)
	s.Look()
	k.Look(t.Context())
	if third := k.Member().Credentials().Certificate; !third.NotAfter.After(second.NotAfter) {
		t.Errorf("not renewed again:\n%s", s.log)
	}
	if err := s.Expel("node1"); err != nil {
		t.Fatal(err)
	}
	s.clock.pass(DefaultLife * 2 / 3)
	s.Look()
	k.Look(t.Context())
	if !strings.Contains(s.log.String(), "has been expelled") {
		t.Errorf("the log does not tell of it:\n%s", s.log)
	}
	s.clock.pass(DefaultLife)
	_, err = Keep(j.Dir, kept, "", s.clock.Now, slog.New(slog.DiscardHandler))
	s.want("ended", err, ErrCertificateEnded)
	if !strings.Contains(err.Error(), "weir hosts invite node1") {
		t.Errorf("it does not say what to do: %v", err)
	}
}

// Whom the hub has expelled is kept over restarts.
func TestRefusedIsKept(t *testing.T) {
	s := serve(newFixture(t))
	j := s.joining(s.invite(Wish{}))
	k := s.keep(j)
	k.Refuse([]identity.Fingerprint{{7}})
	kept, err := j.Dir.Load()
	if err != nil || len(kept.Refused) != 1 || kept.Refused[0] != (identity.Fingerprint{7}) {
		t.Fatalf("%v, %v", kept, err)
	}
	next, err := Keep(j.Dir, kept, "", s.clock.Now, slog.New(slog.DiscardHandler))
	if err != nil || len(next.Member().Refused()) != 1 {
		t.Errorf("%v", err)
	}
}
