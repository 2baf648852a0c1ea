// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// HostState says how a hub knows a host.
type HostState string

// States of hosts.
const (
	HostConfigured HostState = "configured" // by the hub's configuration
	HostRegistered HostState = "registered" // by its agent, which renews that
	HostLost       HostState = "lost"       // the agent has not renewed in time
)

// Host is a host that a hub knows.
type Host struct {
	ID       string    `json:"id" doc:"Name of the host." example:"node01"`
	State    HostState `json:"state" enum:"configured,registered,lost" doc:"configured: named in the hub's configuration. registered: its agent has registered and renews that. lost: it has not renewed in time; the host is forgotten later."`
	Address  string    `json:"address,omitempty" doc:"Where it answers monitors, in the protocol of xmlsysd; absent where it cannot be asked." example:"10.0.0.7:7887"`
	TLS      bool      `json:"tls,omitempty" doc:"It does so by TLS."`
	Enrolled bool      `json:"enrolled,omitempty" doc:"With the certificate of its enrolment, which says its name."`
	Problem  string    `json:"problem,omitempty" doc:"Why it cannot be asked."`
	Group    string    `json:"group,omitempty" doc:"What it is shown with."`
	Version  string    `json:"version,omitempty" doc:"Of weir there."`
	Feeds    bool      `json:"feeds,omitempty" doc:"Feeds of its file systems are below feeds, feed-sources and feed-tail of this host, as below /api/v1 of its own agent."`
	Since    time.Time `json:"since" doc:"Known since."`
	Seen     time.Time `json:"seen,omitzero" doc:"When its agent has registered or renewed last."`
	Renew    string    `json:"renew,omitempty" doc:"How long a registration lasts without being renewed." example:"30s"`
	Refuse   []string  `json:"refuse,omitempty" maxItems:"100000" doc:"Told to one that registers with a certificate: the keys of those that were expelled and whose certificates have not ended, SHA-256 in hexadecimal digits."`

	Statistics *HostStatistics `json:"statistics,omitempty" doc:"What the hub has been told when it asked; absent if it does not ask."`
}

// HostStatistics is what a hub knows of a host by asking it.
type HostStatistics struct {
	State  string             `json:"state" enum:"connecting,up,late,stale,down,denied,badproto" doc:"Of the way to the host, as weir top has it."`
	Reason string             `json:"reason,omitempty" doc:"Why it is not up."`
	Read   time.Time          `json:"read,omitzero" doc:"When the last answer came."`
	Values map[string]float64 `json:"values,omitempty" doc:"Numbers by the names that alarms use; rates by second, shares in percent."`
	Alarms []string           `json:"alarms,omitempty" maxItems:"1000" doc:"Alarms that fire."`
	Level  string             `json:"level,omitempty" enum:"info,warn,crit" doc:"The most urgent level of these; absent without any."`
}

// HostRegistration is what an agent tells of its host. A hub takes what it does
// not know, too: agents may be newer than it is.
type HostRegistration struct {
	_ struct{} `json:"-" additionalProperties:"true"`

	Address string `json:"address,omitempty" maxLength:"300" doc:"Where it answers monitors: HOST:PORT. Without a host, or with 0.0.0.0 or [::], the host that the request comes from is meant. Absent: nowhere." example:":7887"`
	TLS     bool   `json:"tls,omitempty" doc:"It does so by TLS."`
	Group   string `json:"group,omitempty" maxLength:"255" doc:"What it is to be shown with."`
	Version string `json:"version,omitempty" maxLength:"255" doc:"Of weir there."`

	Feeds         string `json:"feeds,omitempty" maxLength:"300" doc:"Where it answers about feeds by HTTP, to who shows a token: HOST:PORT as in address. Absent: nowhere." example:":9348"`
	FeedsTLS      bool   `json:"feeds_tls,omitempty" doc:"It does so by TLS."`
	Enrolled      bool   `json:"enrolled,omitempty" doc:"It answers monitors with the certificate of its enrolment."`
	FeedsEnrolled bool   `json:"feeds_enrolled,omitempty" doc:"It answers about feeds with that certificate."`
}

// HostAlarm is an alarm that a hub has seen begin or end.
type HostAlarm struct {
	Time  time.Time `json:"time" doc:"When."`
	Host  string    `json:"host" doc:"Name of the host."`
	Alarm string    `json:"alarm" doc:"Id of the alarm."`
	State string    `json:"state" enum:"firing,ok" doc:"firing: it has begun. ok: it has ended."`
	Level string    `json:"level" enum:"info,warn,crit" doc:"How urgent it is."`
	Value *float64  `json:"value,omitempty" doc:"What the first number of its condition was."`
	Note  string    `json:"note,omitempty" doc:"What the hosts file says of it."`
}

// Hosts walks the hosts that the hub knows, by name; values are the numbers that they
// come with, by the names that alarms use.
func (c *Client) Hosts(ctx context.Context, values ...string) iter.Seq2[Host, error] {
	query := url.Values{}
	if len(values) > 0 {
		query.Set("values", strings.Join(values, ","))
	}
	return pages[Host](ctx, c, query, "hosts")
}

// Host returns one host.
func (c *Client) Host(ctx context.Context, name string) (Host, error) {
	var h Host
	err := c.call(ctx, http.MethodGet, &h, nil, "hosts", name)
	return h, err
}

// RegisterHost registers a host or renews that.
func (c *Client) RegisterHost(ctx context.Context, name string, r HostRegistration) (Host, error) {
	var h Host
	body, err := json.Marshal(r)
	if err != nil {
		return h, fmt.Errorf("register %s: %w", name, err)
	}
	err = c.send(ctx, http.MethodPut, body, &h, "hosts", name)
	return h, err
}

// RemoveHost makes the hub forget a host that is not in its configuration.
func (c *Client) RemoveHost(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodDelete, nil, nil, "hosts", name)
}

// HostAlarms walks the alarms that the hub has seen begin and end, the newest
// first.
func (c *Client) HostAlarms(ctx context.Context) iter.Seq2[HostAlarm, error] {
	return pages[HostAlarm](ctx, c, url.Values{}, "alarms")
}

// TailHostAlarms follows the alarms that the hub sees begin and end, the oldest first,
// until ctx ends or the hub does; with all, those that it keeps come first.
func (c *Client) TailHostAlarms(ctx context.Context, all bool) iter.Seq2[HostAlarm, error] {
	return func(yield func(HostAlarm, error) bool) {
		query := url.Values{}
		if all {
			query.Set("after", "0")
		}
		answer, err := c.do(ctx, http.MethodGet, query, "alarm-tail")
		if err != nil {
			yield(HostAlarm{}, err)
			return
		}
		defer answer.Body.Close()
		lines := json.NewDecoder(answer.Body) // blank lines are no matter to it
		for {
			var a HostAlarm
			err := lines.Decode(&a)
			if errors.Is(err, io.EOF) {
				err = fmt.Errorf("the hub has ended the answer: %w", io.ErrUnexpectedEOF)
			}
			if err != nil {
				yield(a, fmt.Errorf("follow alarms: %w", err))
				return
			}
			if !yield(a, nil) {
				return
			}
		}
	}
}

// send makes a request with a JSON body and reads its JSON answer into result.
func (c *Client) send(ctx context.Context, method string, body []byte, result any, path ...string) error {
	target, err := c.target(path)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, target.String(), bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, target.Path, err)
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := c.ask(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	return readAnswer(answer, result)
}
