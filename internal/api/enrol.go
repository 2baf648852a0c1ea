// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weir-io/weir/client"
	"github.com/weir-io/weir/internal/enrol"
	"github.com/weir-io/weir/internal/identity"
)

// Paths of enrolment. At the listener for hosts one can join and renew; the rest is for who
// runs the hub, by its socket.
const (
	invitationsPath = "/api/v1/invitations"
	enrolmentsPath  = "/api/v1/enrolments"
)

func (a *API) registerEnrolment(f huma.API) {
	const one = enrolmentsPath + "/{id}"
	operation(f, "POST", invitationsPath, "create-invitation", tagEnrolment,
		"Invite a host or a monitor; by the hub's socket", a.invite,
		codeInvalidRequest, codeLocalOnly, codeNameEnrolled, codeTooManyEnrolled)
	operation(f, "POST", enrolmentsPath, "enrol", tagEnrolment,
		"Join by an invitation; at the listener for hosts, without a certificate", a.enrol,
		codeInvalidRequest, codeLocalOnly, codePeerNotAllowed, codeBadInvitation, codeInvitationEnded, codeInvitationUsed,
		codeNameEnrolled, codeExpelled, codeTooManyAttempts, codeTooManyEnrolled)
	operation(f, "PUT", one, "renew-enrolment", tagEnrolment,
		"Renew one's own certificate; at the listener for hosts", a.renewEnrolment,
		codeInvalidRequest, codeLocalOnly, codePeerNotAllowed, codeNotEnrolled, codeExpelled, codeNotForRole)
	operation(f, "GET", enrolmentsPath, "list-enrolments", tagEnrolment,
		"List who has joined, by name; by the hub's socket", a.listEnrolments, codeInvalidRequest, codeInvalidCursor, codeLocalOnly)
	operation(f, "DELETE", one, "expel", tagEnrolment,
		"Refuse all certificates of a name; by the hub's socket", a.expel, codeInvalidRequest, codeLocalOnly, codeNoSuchEnrolment)
}

// door is by which way a request has come.
type door struct {
	local bool           // the hub's socket
	hosts bool           // the listener for hosts
	peer  *identity.Peer // who has shown a certificate there; nil: nobody
}

// doorKey is where a context has the door of its request.
type doorKey struct{}

func doorOf(ctx context.Context) door {
	d, _ := ctx.Value(doorKey{}).(door)
	return d
}

func through(r *http.Request, d door) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), doorKey{}, d))
}

// certified tells whether a request comes from one with a certificate of a host's name.
func certified(ctx context.Context, name string) bool {
	p := doorOf(ctx).peer
	return p != nil && *p == identity.Peer{Role: identity.Host, Name: name}
}

// AdminHandler serves what is for who runs the hub alone: whoever may connect to its
// socket.
func (a *API) AdminHandler() http.Handler {
	return newBareGuard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !ofEnrolment(r.URL.Path) {
			writeProblem(w, problemf(codeNoSuchPath, "%s", r.URL.Path))
			return
		}
		a.router.ServeHTTP(w, through(r, door{local: true}))
	}))
}

// ofEnrolment tells whether a path is one of enrolment's.
func ofEnrolment(path string) bool {
	return path == invitationsPath || path == enrolmentsPath || strings.HasPrefix(path, enrolmentsPath+"/")
}

// admit lets a request at the listener for hosts in: who may ask what is decided by the
// certificate that is shown, anew for each request.
func (a *API) admit(r *http.Request) (door, *client.Problem) {
	d := door{hosts: true}
	if r.URL.Path == enrolmentsPath && r.Method == http.MethodPost {
		return d, nil
	}
	var shown []*x509.Certificate
	if r.TLS != nil {
		shown = r.TLS.PeerCertificates
	}
	p, err := a.opts.Enrol.Identify(shown)
	if err != nil {
		return d, enrolProblem(err)
	}
	d.peer = &p
	if !may(p, r.Method, r.URL.Path) {
		return d, problemf(codeNotForRole, "%s %s by %s", r.Method, r.URL.Path, p)
	}
	return d, nil
}

// may says what a role may do: an agent all that is about its own host, a monitor look.
func may(p identity.Peer, method, path string) bool {
	reads := method == http.MethodGet || method == http.MethodHead
	if name, ok := strings.CutPrefix(path, enrolmentsPath+"/"); ok {
		return method == http.MethodPut && name == p.Name
	}
	switch name, one := strings.CutPrefix(path, hostsPath); {
	case p.Role == identity.Monitor:
		return reads && (one || path+"/" == hostsPath)
	case p.Role == identity.Host:
		return one && name == p.Name
	}
	return false
}

// enrolProblem turns a refusal of enrolment into the problem that a client can act on.
func enrolProblem(err error) *client.Problem {
	for _, known := range []struct {
		err  error
		code code
	}{
		{enrol.ErrRequest, codeInvalidRequest},
		{enrol.ErrName, codeInvalidRequest},
		{enrol.ErrInvitation, codeBadInvitation},
		{enrol.ErrExpired, codeInvitationEnded},
		{enrol.ErrUsed, codeInvitationUsed},
		{enrol.ErrTaken, codeNameEnrolled},
		{enrol.ErrExpelled, codeExpelled},
		{enrol.ErrMany, codeTooManyAttempts},
		{enrol.ErrFull, codeTooManyEnrolled},
		{enrol.ErrUnknown, codeNotEnrolled},
		{identity.ErrNoCertificate, codeNotEnrolled},
		{identity.ErrForeign, codeNotEnrolled},
		{identity.ErrEnded, codeNotEnrolled},
		{identity.ErrNotBegun, codeNotEnrolled},
		{identity.ErrNoPeer, codeNotEnrolled},
	} {
		if errors.Is(err, known.err) {
			return problemf(known.code, "%v", err)
		}
	}
	return nil
}

// enrolError is enrolProblem for handlers, which may fail as well.
func enrolError(err error) error {
	if p := enrolProblem(err); p != nil {
		return p
	}
	return err
}

type inviteInput struct {
	Body client.InvitationRequest
}

type invitationOutput struct {
	Body client.Invitation
}

// invite answers POST /api/v1/invitations.
func (a *API) invite(ctx context.Context, in *inviteInput) (*invitationOutput, error) {
	if !doorOf(ctx).local {
		return nil, problemf(codeLocalOnly, "invitations")
	}
	w := enrol.Wish{Role: identity.Role(in.Body.Role), Name: in.Body.Name}
	if in.Body.Life != "" {
		var err error
		if w.Life, err = time.ParseDuration(in.Body.Life); err != nil || w.Life <= 0 {
			return nil, problemf(codeInvalidRequest, "life: got %q, want a duration such as 1h", in.Body.Life)
		}
	}
	t, v, err := a.opts.Enrol.Invite(w)
	if err != nil {
		return nil, enrolError(err)
	}
	return &invitationOutput{client.Invitation{
		ID: v.ID.String(), Role: string(v.Role), Name: v.Name, Expires: v.Expires, Token: t.String(), Hub: a.opts.EnrolAt(),
	}}, nil
}

type enrolInput struct {
	peer peer
	Body client.EnrolmentRequest
}

// Resolve takes the peer.
func (in *enrolInput) Resolve(ctx huma.Context) []error { in.peer.resolve(ctx); return nil }

type grantOutput struct {
	Body client.EnrolmentGrant
}

// enrol answers POST /api/v1/enrolments.
func (a *API) enrol(ctx context.Context, in *enrolInput) (*grantOutput, error) {
	if !doorOf(ctx).hosts {
		return nil, problemf(codeLocalOnly, "joining is at the listener for hosts, hosts.listen")
	}
	r := enrol.Request{Name: in.Body.Name, Fallback: in.Body.Host, CSR: []byte(in.Body.Request), From: in.peer.address}
	if err := r.Invitation.UnmarshalText([]byte(in.Body.Invitation)); err != nil {
		return nil, problemf(codeInvalidRequest, "%v", err)
	}
	if len(in.Body.Secret) != identity.SecretBytes {
		return nil, problemf(codeInvalidRequest, "secret: got %d bytes, want %d", len(in.Body.Secret), identity.SecretBytes)
	}
	copy(r.Secret[:], in.Body.Secret)
	g, err := a.opts.Enrol.Enrol(r)
	if err != nil {
		return nil, enrolError(err)
	}
	return grant(&g), nil
}

func grant(g *enrol.Grant) *grantOutput {
	return &grantOutput{client.EnrolmentGrant{
		Name: g.Peer.Name, Role: string(g.Peer.Role),
		Certificate: string(identity.EncodeCertificate(g.Certificate)), Authority: string(identity.EncodeCertificate(g.Authority)),
	}}
}

type renewInput struct {
	HostPath
	Body client.RenewalRequest
}

// renewEnrolment answers PUT /api/v1/enrolments/{id}.
func (a *API) renewEnrolment(ctx context.Context, in *renewInput) (*grantOutput, error) {
	p := doorOf(ctx).peer
	if p == nil || p.Name != in.ID {
		return nil, problemf(codeLocalOnly, "a certificate is renewed at the listener for hosts, by its owner")
	}
	g, err := a.opts.Enrol.Renew(*p, []byte(in.Body.Request))
	if err != nil {
		return nil, enrolError(err)
	}
	return grant(&g), nil
}

type enrolmentsOutput struct {
	Body client.Page[client.Enrolment]
}

// listEnrolments answers GET /api/v1/enrolments.
func (a *API) listEnrolments(ctx context.Context, in *hostsInput) (*enrolmentsOutput, error) {
	if !doorOf(ctx).local {
		return nil, problemf(codeLocalOnly, "enrolments")
	}
	now := a.opts.Now()
	page, err := pageOf(in.Paging, a.opts.Enrol.List(), func(e *enrol.Enrolment) string { return e.Name }, func(e *enrol.Enrolment) client.Enrolment {
		state := "enrolled"
		switch {
		case !e.Expelled.IsZero():
			state = "expelled"
		case now.After(e.NotAfter):
			state = "ended"
		}
		return client.Enrolment{
			Name: e.Name, Role: string(e.Role), State: state, Key: e.Key.String(), Serial: e.Serial,
			Ends: e.NotAfter, Since: e.Since, Seen: e.Seen, Expelled: e.Expelled,
		}
	})
	if err != nil {
		return nil, err
	}
	return &enrolmentsOutput{page}, nil
}

// expel answers DELETE /api/v1/enrolments/{id}.
func (a *API) expel(ctx context.Context, in *HostPath) (*struct{}, error) {
	if !doorOf(ctx).local {
		return nil, problemf(codeLocalOnly, "enrolments")
	}
	if err := a.opts.Enrol.Expel(in.ID); err != nil {
		if errors.Is(err, enrol.ErrUnknown) {
			return nil, problemf(codeNoSuchEnrolment, "%v", err)
		}
		return nil, err
	}
	// Its host is no longer asked, either.
	_ = a.opts.Registry.RemoveCertified(in.ID, netip.IPv6Loopback()) // it may not have registered
	return nil, nil
}
