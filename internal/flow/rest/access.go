// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/weir-io/weir/internal/flow/topology"
)

// Role is what a caller may do.
type Role string

// Roles.
const (
	Admin       Role = "admin"        // everything
	TenantAdmin Role = "tenant_admin" // what it likes with what its tenants own
	TenantUser  Role = "tenant_user"  // read what its tenants own
	Agent       Role = "agent"        // send what its host has traced, and nothing else
)

// Identity is who makes a request.
type Identity struct {
	Name    string
	Role    Role
	Tenants []string
	Host    topology.ID // of an agent
}

// may reports whether the role allows a route at all.
func (i *Identity) may(rt *route) bool {
	switch i.Role {
	case Admin:
		return true
	case TenantAdmin:
		return !rt.admin
	case TenantUser:
		return !rt.admin && rt.method == http.MethodGet
	case Agent:
		return rt.agent
	}
	return false
}

// owns reports whether the caller may see what a tenant owns.
func (i *Identity) owns(tenant string) bool {
	return i.Role == Admin || slices.Contains(i.Tenants, tenant)
}

// Token is what a login gives.
type Token struct {
	Key     string
	Expires time.Time // zero: never
}

// Access knows who may ask.
type Access interface {
	// Identify returns who has a token.
	Identify(ctx context.Context, token string) (Identity, bool)
	// Login returns a token for a user, who works for a tenant if one is named.
	Login(ctx context.Context, user, password, tenant string) (Token, bool)
}

// identify finds out who makes the request.
func (q *request) identify() error {
	token := q.r.Header.Get("X-Auth-Token")
	if token == "" {
		return faultf(http.StatusUnauthorized, "want a token in X-Auth-Token: POST %s/login gives one", Base)
	}
	who, ok := q.server.opts.Access.Identify(q.ctx(), token)
	if !ok {
		return faultf(http.StatusUnauthorized, "the token in X-Auth-Token is not known, or has expired")
	}
	q.who = who
	return nil
}

// own refuses what belongs to another tenant. It does not say whose it is.
func (q *request) own(tenant, kind string, id topology.ID) error {
	if q.who.owns(tenant) {
		return nil
	}
	return faultf(http.StatusForbidden, "%s %v belongs to another tenant", kind, id)
}

// login answers a name and password with a token.
func login(q *request) error {
	user, password, ok := q.r.BasicAuth()
	if !ok {
		return faultf(http.StatusUnauthorized, "want a name and password by Basic authentication")
	}
	token, ok := q.server.opts.Access.Login(q.ctx(), user, password, q.r.Header.Get("X-Auth-Project"))
	if !ok {
		return faultf(http.StatusUnauthorized, "the name, the password or the project is wrong")
	}
	answer := struct {
		Key     string `json:"key"`
		Expires string `json:"expires,omitempty"`
	}{Key: token.Key}
	if !token.Expires.IsZero() {
		answer.Expires = token.Expires.UTC().Format(time.RFC3339)
	}
	return q.answer(answer)
}
