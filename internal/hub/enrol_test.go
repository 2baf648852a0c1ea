// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-io/weir/client"
	"github.com/weir-io/weir/internal/config"
	"github.com/weir-io/weir/internal/enrol"
	"github.com/weir-io/weir/internal/identity"
)

// enrolling is a hub at which hosts join, on loopback.
type enrolling struct {
	*testing.T
	cfg   *config.Config
	at    Addresses
	log   *logged
	admin *client.Client
}

func newEnrolling(t *testing.T) *enrolling {
	t.Helper()
	cfg := configured(t)
	cfg.Hosts.Listen, cfg.Hosts.Enrol = "127.0.0.1:0", config.EnrolAlways
	e := &enrolling{T: t, cfg: cfg}
	e.at, e.log = started(t, cfg)
	e.admin = client.NewSocket(AdminSocket(cfg.Hub.StateDir))
	t.Cleanup(e.admin.Close)
	return e
}

func (e *enrolling) url() string { return "https://" + e.at.Hosts[0] }

// join makes a member of a role.
func (e *enrolling) join(role identity.Role, name string) (*identity.Member, *client.Client) {
	e.Helper()
	v, err := e.admin.Invite(e.Context(), client.InvitationRequest{Role: string(role), Name: name})
	if err != nil {
		e.Fatal(err)
	}
	k, err := enrol.Join(e.Context(), enrol.Joining{
		Dir: identity.Dir(filepath.Join(e.TempDir(), "identity")), Hub: e.url(), Token: v.Token, Role: role, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		e.Fatal(err)
	}
	m, err := identity.NewMember(k.Credentials, nil)
	if err != nil {
		e.Fatal(err)
	}
	return m, clientOf(e.T, e.url(), m.Client(identity.Expect(identity.Hub, "")))
}

func (e *enrolling) refused(what string, err error, code string) {
	e.Helper()
	if p, ok := errors.AsType[*client.Problem](err); !ok || p.Code != code {
		e.Errorf("%s: got %v, want %s", what, err, code)
	}
}

// Who may do what at the listener for hosts, at the HTTP listener and at the socket.
func TestEnrolmentDoors(t *testing.T) {
	e := newEnrolling(t)
	ctx := t.Context()
	_, host := e.join(identity.Host, "n1")
	_, monitor := e.join(identity.Monitor, "bob")
	nobody := clientOf(t, e.url(), &tls.Config{InsecureSkipVerify: true})
	web := clientOf(t, "http://"+e.at.HTTP[0], nil)

	h, err := host.RegisterHost(ctx, "n1", client.HostRegistration{Address: ":7887", TLS: true, Enrolled: true})
	if err != nil || !h.Enrolled || h.Address != "127.0.0.1:7887" {
		t.Errorf("%+v, %v", h, err)
	}
	if h, err := host.Host(ctx, "n1"); err != nil || h.ID != "n1" {
		t.Errorf("its own host: %v", err)
	}
	if h, err := monitor.Host(ctx, "n1"); err != nil || !h.Enrolled {
		t.Errorf("as a monitor: %+v, %v", h, err)
	}
	first := func(c *client.Client) (err error) {
		for _, err = range c.Hosts(ctx) {
			break
		}
		return err
	}
	if err := first(monitor); err != nil {
		t.Errorf("a monitor lists: %v", err)
	}
	register := func(c *client.Client, name string) error {
		_, err := c.RegisterHost(ctx, name, client.HostRegistration{Address: ":1", TLS: true, Enrolled: true})
		return err
	}
	invite := func(c *client.Client) error {
		_, err := c.Invite(ctx, client.InvitationRequest{Role: "host"})
		return err
	}
	renew := func(c *client.Client, name string) error {
		_, err := c.RenewEnrolment(ctx, name, client.RenewalRequest{})
		return err
	}
	enrolled := func(c *client.Client) (err error) {
		for _, err = range c.Enrolments(ctx) {
			break
		}
		return err
	}
	e.refused("nobody registers", register(nobody, "n1"), "not-enrolled")
	e.refused("nobody lists", first(nobody), "not-enrolled")
	e.refused("nobody renews", renew(nobody, "n1"), "not-enrolled")
	e.refused("nobody invites", invite(nobody), "not-enrolled")
	_, err = nobody.Enrol(ctx, client.EnrolmentRequest{Invitation: "0011223344556677", Secret: make([]byte, 16)})
	e.refused("nobody joins", err, "invalid-request")
	_, err = nobody.Enrol(ctx, client.EnrolmentRequest{Invitation: "00", Secret: make([]byte, 16)})
	e.refused("no number", err, "invalid-request")
	e.refused("another host", register(host, "n2"), "not-for-role")
	e.refused("another host goes", host.RemoveHost(ctx, "bob"), "not-for-role")
	e.refused("a host lists", first(host), "not-for-role")
	e.refused("a host lists members", enrolled(host), "not-for-role")
	e.refused("another one's certificate", renew(host, "bob"), "not-for-role")
	e.refused("a host invites", invite(host), "not-for-role")
	e.refused("a host expels", host.Expel(ctx, "bob"), "not-for-role")
	e.refused("a monitor registers", register(monitor, "bob"), "not-for-role")
	e.refused("a monitor removes", monitor.RemoveHost(ctx, "n1"), "not-for-role")
	e.refused("a monitor invites", invite(monitor), "not-for-role")

	// The HTTP listener is everybody's.
	e.refused("invited by HTTP", invite(web), "local-only")
	e.refused("expelled by HTTP", web.Expel(ctx, "n1"), "local-only")
	e.refused("listed by HTTP", enrolled(web), "local-only")
	e.refused("renewed by HTTP", renew(web, "n1"), "local-only")
	_, err = web.Enrol(ctx, client.EnrolmentRequest{Invitation: "0011223344556677", Secret: make([]byte, 16)})
	e.refused("joined by HTTP", err, "local-only")
	e.refused("a name that has a certificate", register(web, "n1"), "host-taken")
	if err := register(web, "local"); err != nil {
		t.Fatal(err)
	}
	if h, err := web.Host(ctx, "local"); err != nil || h.Enrolled {
		t.Errorf("without a certificate it answers by one: %+v, %v", h, err)
	}

	// The socket has nothing else, and is nobody else's.
	if _, err := e.admin.Host(ctx, "n1"); err == nil {
		t.Error("hosts by the socket")
	}
	e.refused("nobody of the name", e.admin.Expel(ctx, "n9"), "no-such-enrolment")
	for path, want := range map[string]os.FileMode{
		EnrolDir(e.cfg.Hub.StateDir): os.ModeDir | 0o700, AdminSocket(e.cfg.Hub.StateDir): os.ModeSocket | 0o600,
	} {
		if st, err := os.Stat(path); err != nil || st.Mode() != want {
			t.Errorf("%s: %v, %v", path, st.Mode(), err)
		}
	}

	if err := e.admin.Expel(ctx, "n1"); err != nil {
		t.Fatal(err)
	}
	e.refused("expelled", register(host, "n1"), "expelled")
	e.refused("expelled, renewed", renew(host, "n1"), "expelled")
	if _, err := web.Host(ctx, "n1"); err == nil {
		t.Error("an expelled host is there")
	}
	_, other := e.join(identity.Host, "n2")
	if h, err := other.RegisterHost(ctx, "n2", client.HostRegistration{}); err != nil || len(h.Refuse) != 1 {
		t.Errorf("others are told of %d: %v", len(h.Refuse), err)
	}
}

// What a hub is configured as decides whether hosts join.
func TestWhereHostsJoin(t *testing.T) {
	h := &Hub{cfg: config.Default()}
	for _, tt := range []struct {
		enrol, cert, at string
		want            bool
	}{
		{config.EnrolAuto, "", "127.0.0.1:1", false},
		{config.EnrolAuto, "", "[::1]:1", false},
		{config.EnrolAuto, "", "0.0.0.0:1", true},
		{config.EnrolAuto, "", "10.0.0.1:1", true},
		{config.EnrolAuto, "/cert", "10.0.0.1:1", false},
		{config.EnrolNever, "", "10.0.0.1:1", false},
		{config.EnrolAlways, "", "127.0.0.1:1", true},
	} {
		at, err := net.ResolveTCPAddr("tcp", tt.at)
		if err != nil {
			t.Fatal(err)
		}
		h.cfg.Hosts.Enrol, h.cfg.Hosts.TLSCert = tt.enrol, tt.cert
		if got := h.enrols(at1{at: at}); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
}

// at1 is a listener that has an address and nothing else.
type at1 struct {
	net.Listener
	at net.Addr
}

func (l at1) Addr() net.Addr { return l.at }

// Feeds of a host that has joined are asked for by TLS, of the agent that has the name.
func TestFeedsOfEnrolled(t *testing.T) {
	e := newEnrolling(t)
	m, host := e.join(identity.Host, "n1")
	other, _ := e.join(identity.Host, "n2")
	agent := func(as *identity.Member) string {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p, err := as.Verify(r.TLS.PeerCertificates)
			if err != nil || p.Role != identity.Hub {
				t.Errorf("%v asks, %v", p, err)
			}
			_, _ = io.WriteString(w, as.Peer().Name+r.Header.Get("Authorization"))
		}))
		s.Listener = as.Listen(s.Listener, identity.Expect(identity.Hub, ""))
		s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelWarn)
		s.Start()
		t.Cleanup(s.Close)
		return strings.TrimPrefix(s.URL, "http://")
	}
	ask := func() string {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+e.at.HTTP[0]+"/api/v1/hosts/n1/feeds", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer x")
		answer, err := new(http.Client).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		b, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	register := func(address string) {
		if _, err := host.RegisterHost(t.Context(), "n1", client.HostRegistration{Feeds: address, FeedsTLS: true, FeedsEnrolled: true}); err != nil {
			t.Fatal(err)
		}
	}
	// Where another host answers, it is not told the token.
	register(agent(other))
	if got := ask(); !strings.Contains(got, "host-unreachable") || !strings.Contains(got, "weir://host/n2") {
		t.Errorf("another host: %s", got)
	}
	register(agent(m))
	if got := ask(); got != "n1Bearer x" {
		t.Errorf("its own agent: %s", got)
	}
}

// A hub that cannot have its authority does not run without.
func TestAuthorityDamaged(t *testing.T) {
	cfg := configured(t)
	cfg.Hosts.Listen, cfg.Hosts.Enrol = "127.0.0.1:0", config.EnrolAlways
	if err := os.MkdirAll(EnrolDir(cfg.Hub.StateDir), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(EnrolDir(cfg.Hub.StateDir), "authority.pem"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	h, err := New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Run(t.Context(), func(Addresses) { t.Error("it runs") }); err == nil || !strings.Contains(err.Error(), "authority.pem") {
		t.Errorf("%v", err)
	}
}
