// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net"
	"net/http"
	"net/url"
	"time"
)

// InvitationRequest says whom to invite to a hub.
type InvitationRequest struct {
	Role string `json:"role" enum:"host,monitor" doc:"host: an agent. monitor: one who watches hosts."`
	Name string `json:"name,omitempty" maxLength:"253" doc:"Name of the one that joins. Absent: it says."`
	Life string `json:"life,omitempty" maxLength:"40" doc:"How long the invitation holds, 1s to 720h. Absent: 1h." example:"1h"`
}

// Invitation is what somebody can join a hub by, once.
type Invitation struct {
	ID      string    `json:"id" doc:"Identifier, which is in the log, too."`
	Role    string    `json:"role" enum:"host,monitor" doc:"What the one that joins becomes."`
	Name    string    `json:"name,omitempty" doc:"Name of the one that joins. Absent: it says."`
	Expires time.Time `json:"expires" doc:"When the invitation ends."`
	Token   string    `json:"token" doc:"What to give to --join. The hub does not keep it."`
	Hub     []string  `json:"hub,omitempty" maxItems:"1000" doc:"URLs at which others may reach the hub, the likeliest first."`
}

// EnrolmentRequest is what one that was invited asks a hub with.
type EnrolmentRequest struct {
	Invitation string `json:"invitation" maxLength:"16" doc:"Of the token: 16 hexadecimal digits."`
	Secret     []byte `json:"secret" maxLength:"64" doc:"Of the token: 16 bytes in Base64."`
	Name       string `json:"name,omitempty" maxLength:"253" doc:"Name that it wants. Absent: that of the invitation, or else host."`
	Host       string `json:"host,omitempty" maxLength:"253" doc:"Name of its host."`
	Request    string `json:"request" maxLength:"8192" doc:"PKCS #10 request for a certificate, as PEM; its key is ECDSA on P-256, and of what it says nothing else counts."`
}

// RenewalRequest is what one that has a certificate asks for another one with.
type RenewalRequest struct {
	Request string `json:"request" maxLength:"8192" doc:"As when it has joined, with the same key."`
}

// EnrolmentGrant is the certificate that one gets.
type EnrolmentGrant struct {
	Name        string `json:"name" doc:"Who it is."`
	Role        string `json:"role" enum:"host,monitor" doc:"What it is for."`
	Certificate string `json:"certificate" doc:"As PEM."`
	Authority   string `json:"authority" doc:"Certificate of who has signed it, as PEM."`
}

// Enrolment is one that has joined a hub.
type Enrolment struct {
	Name     string    `json:"name" doc:"Who it is."`
	Role     string    `json:"role" enum:"host,monitor" doc:"What it may do."`
	State    string    `json:"state" enum:"enrolled,ended,expelled" doc:"enrolled: it has a certificate that holds. ended: that has not been renewed in time. expelled: its certificates are refused."`
	Key      string    `json:"key" doc:"SHA-256 of its key, as in the certificate, in hexadecimal digits."`
	Serial   string    `json:"serial" doc:"Number of its last certificate, in hexadecimal digits."`
	Ends     time.Time `json:"ends" doc:"When that ends."`
	Since    time.Time `json:"since" doc:"When it has joined."`
	Seen     time.Time `json:"seen,omitzero" doc:"When it has shown its certificate last."`
	Expelled time.Time `json:"expelled,omitzero" doc:"When it was expelled."`
}

// NewSocket makes a client of the hub that listens on a Unix socket: that of the directory
// enrol in its state directory takes what is for who runs the hub alone.
func NewSocket(path string) *Client {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "unix", path)
	}, IdleConnTimeout: time.Minute}
	base := &url.URL{Scheme: "http", Host: "localhost"}
	return &Client{base: base, http: &http.Client{Transport: transport, CheckRedirect: refuseRedirect}}
}

// Invite makes an invitation.
func (c *Client) Invite(ctx context.Context, r InvitationRequest) (Invitation, error) {
	return sent[Invitation](ctx, c, http.MethodPost, r, "invitations")
}

// Enrol joins a hub by an invitation.
func (c *Client) Enrol(ctx context.Context, r EnrolmentRequest) (EnrolmentGrant, error) {
	return sent[EnrolmentGrant](ctx, c, http.MethodPost, r, "enrolments")
}

// RenewEnrolment asks for another certificate of the one who asks.
func (c *Client) RenewEnrolment(ctx context.Context, name string, r RenewalRequest) (EnrolmentGrant, error) {
	return sent[EnrolmentGrant](ctx, c, http.MethodPut, r, "enrolments", name)
}

// Enrolments walks those that have joined the hub, by name.
func (c *Client) Enrolments(ctx context.Context) iter.Seq2[Enrolment, error] {
	return pages[Enrolment](ctx, c, url.Values{}, "enrolments")
}

// Expel has the hub refuse all certificates of a name.
func (c *Client) Expel(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodDelete, nil, nil, "enrolments", name)
}

// sent sends a JSON body and reads the JSON answer.
func sent[T any](ctx context.Context, c *Client, method string, body any, path ...string) (T, error) {
	var answer T
	text, err := json.Marshal(body)
	if err != nil {
		return answer, fmt.Errorf("%s %s: %w", method, path[0], err)
	}
	err = c.send(ctx, method, text, &answer, path...)
	return answer, err
}
