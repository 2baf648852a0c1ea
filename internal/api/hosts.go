// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/weir-io/weir/client"
	"github.com/weir-io/weir/internal/hosts"
)

func (a *API) registerHosts(f huma.API) {
	const one = "/api/v1/hosts/{id}"
	operation(f, "GET", "/api/v1/hosts", "list-hosts", tagHosts,
		"List the hosts that the hub knows, by name, with the numbers that are asked for", a.listHosts, codeInvalidRequest, codeInvalidCursor)
	operation(f, "GET", one, "get-host", tagHosts,
		"One host with its numbers", a.getHost, codeInvalidRequest, codeNoSuchHost)
	operation(f, "PUT", one, "register-host", tagHosts,
		"Register a host or renew that; agents do", a.registerHost,
		codeInvalidRequest, codeCrossOrigin, codePeerNotAllowed, codeAddressNotOwn, codeHostTaken, codeTooManyHosts)
	operation(f, "DELETE", one, "remove-host", tagHosts,
		"Forget a host that has registered", a.removeHost,
		codeInvalidRequest, codeCrossOrigin, codePeerNotAllowed, codeNoSuchHost, codeHostConfigured)
	operation(f, "GET", "/api/v1/alarms", "list-alarms", tagHosts,
		"List the last alarms of hosts that have begun or ended, newest first", a.listAlarms, codeInvalidRequest, codeInvalidCursor)
	a.registerAlarmTail(f)
}

// HostPath names a host. Exported for the reason of [Paging].
type HostPath struct {
	ID string `path:"id" maxLength:"253" doc:"Name of the host."`
}

// peer is where a request comes from. A Unix socket counts as loopback: the modes
// of its file say who may connect.
type peer struct{ address netip.Addr }

// resolve finds it out.
func (p *peer) resolve(ctx huma.Context) {
	p.address = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	if at, err := netip.ParseAddrPort(ctx.RemoteAddr()); err == nil {
		p.address = at.Addr().Unmap().WithZone("")
	}
}

type hostsInput struct {
	Paging
	Values []string `query:"values" maxItems:"100" doc:"Numbers that each host is shown with, by the names that alarms use; without it there are none." example:"load1,mem_pct"`
}

type alarmsInput struct {
	Paging
}

type hostsOutput struct {
	Body client.Page[client.Host]
}

type hostOutput struct {
	Body client.Host
}

type registerInput struct {
	HostPath
	peer peer
	Body client.HostRegistration
}

// Resolve takes the peer.
func (in *registerInput) Resolve(ctx huma.Context) []error { in.peer.resolve(ctx); return nil }

type removeInput struct {
	HostPath
	peer peer
}

// Resolve takes the peer.
func (in *removeInput) Resolve(ctx huma.Context) []error { in.peer.resolve(ctx); return nil }

// listHosts answers GET /api/v1/hosts.
func (a *API) listHosts(_ context.Context, in *hostsInput) (*hostsOutput, error) {
	var told map[string]*client.HostStatistics
	if a.opts.Statistics != nil {
		var err error
		if told, err = a.opts.Statistics.All(in.Values...); err != nil {
			return nil, problemf(codeInvalidRequest, "values: %v", err)
		}
	}
	page, err := pageOf(in.Paging, a.opts.Registry.List(), func(h *hosts.Host) string { return h.Name }, func(h *hosts.Host) client.Host {
		return a.showHost(h, told[h.Name])
	})
	if err != nil {
		return nil, err
	}
	return &hostsOutput{page}, nil
}

// getHost answers GET /api/v1/hosts/{id}.
func (a *API) getHost(_ context.Context, in *HostPath) (*hostOutput, error) {
	h, ok := a.opts.Registry.Get(in.ID)
	if !ok {
		return nil, problemf(codeNoSuchHost, "%q", in.ID)
	}
	var told *client.HostStatistics
	if a.opts.Statistics != nil {
		told = a.opts.Statistics.Statistics(in.ID)
	}
	return &hostOutput{a.showHost(&h, told)}, nil
}

// registerHost answers PUT /api/v1/hosts/{id}.
func (a *API) registerHost(ctx context.Context, in *registerInput) (*hostOutput, error) {
	r, own := &in.Body, certified(ctx, in.ID)
	h, err := a.opts.Registry.Register(hosts.Registration{
		Name: in.ID, Address: r.Address, TLS: r.TLS, Group: r.Group, Version: r.Version, Peer: in.peer.address,
		Feeds: r.Feeds, FeedsTLS: r.FeedsTLS, Certified: own,
		// Without a certificate nobody has a name to answer by.
		Enrolled: own && r.TLS && r.Enrolled, FeedsEnrolled: own && r.FeedsTLS && r.FeedsEnrolled,
	})
	if err != nil {
		return nil, hostError(err)
	}
	shown := a.showHost(&h, nil)
	if own {
		for _, key := range a.opts.Enrol.Expelled() {
			shown.Refuse = append(shown.Refuse, key.String())
		}
	}
	return &hostOutput{shown}, nil
}

// removeHost answers DELETE /api/v1/hosts/{id}.
func (a *API) removeHost(ctx context.Context, in *removeInput) (*struct{}, error) {
	remove := a.opts.Registry.Remove
	if certified(ctx, in.ID) {
		remove = a.opts.Registry.RemoveCertified
	}
	if err := remove(in.ID, in.peer.address); err != nil {
		return nil, hostError(err)
	}
	return nil, nil
}

// hostError turns a refusal of the registry into the problem that a client can act
// on.
func hostError(err error) error {
	for _, known := range []struct {
		err  error
		code code
	}{
		{hosts.ErrName, codeInvalidRequest},
		{hosts.ErrAddress, codeAddressNotOwn},
		{hosts.ErrTaken, codeHostTaken},
		{hosts.ErrFull, codeTooManyHosts},
		{hosts.ErrForeign, codePeerNotAllowed},
		{hosts.ErrFixed, codeHostConfigured},
		{hosts.ErrUnknown, codeNoSuchHost},
	} {
		if errors.Is(err, known.err) {
			return problemf(known.code, "%v", err)
		}
	}
	return err
}

// showHost makes the resource of a host.
func (a *API) showHost(h *hosts.Host, told *client.HostStatistics) client.Host {
	state := [...]client.HostState{hosts.Configured: client.HostConfigured, hosts.Registered: client.HostRegistered, hosts.Lost: client.HostLost}
	c := client.Host{
		ID: h.Name, State: state[h.State], Address: h.Address, TLS: h.TLS, Enrolled: h.Enrolled, Problem: h.Problem, Group: h.Group, Version: h.Version,
		Feeds: h.Feeds != "" || h.Name == a.opts.OwnHost && a.opts.Feeds != nil,
		Since: h.Since, Seen: h.Seen, Statistics: told,
	}
	if h.State != hosts.Configured {
		c.Renew = a.opts.Registry.Lease().String()
	}
	return c
}

type alarmsOutput struct {
	Body client.Page[client.HostAlarm]
}

// listAlarms answers GET /api/v1/alarms.
func (a *API) listAlarms(_ context.Context, in *alarmsInput) (*alarmsOutput, error) {
	var all []client.HostAlarm
	if a.opts.Statistics != nil {
		all = a.opts.Statistics.Alarms()
	}
	key := func(e *client.HostAlarm) string {
		return fmt.Sprintf("%020d.%s.%s", uint64(math.MaxInt64)-uint64(max(e.Time.UnixNano(), 0)), e.Host, e.Alarm)
	}
	slices.SortFunc(all, func(x, y client.HostAlarm) int { return cmp.Compare(key(&x), key(&y)) })
	page, err := pageOf(in.Paging, all, key, func(e *client.HostAlarm) client.HostAlarm { return *e })
	if err != nil {
		return nil, err
	}
	return &alarmsOutput{page}, nil
}

// registryMetrics are the figures of the hosts that are known.
func (a *API) registryMetrics() []metric {
	return []metric{
		{
			name: "weir_host_up", help: "1 if a host answers the hub, or, where it is not asked, if its agent has renewed its registration in time.", labels: []string{"host"},
			kind: prometheus.GaugeValue, values: func(_ *snapshot, emit emit) { a.hostsUp(emit) },
		},
		{
			name: "weir_hosts", help: "Hosts by how they are known: configured, registered or lost.", labels: []string{"state"},
			kind: prometheus.GaugeValue, values: func(_ *snapshot, emit emit) {
				var n [3]int
				for _, h := range a.opts.Registry.List() {
					n[h.State]++
				}
				emit(float64(n[hosts.Configured]), string(client.HostConfigured))
				emit(float64(n[hosts.Registered]), string(client.HostRegistered))
				emit(float64(n[hosts.Lost]), string(client.HostLost))
			},
		},
		counter("weir_host_registrations_total", "Registrations of hosts and renewals of these.", func(*snapshot) float64 { return float64(a.opts.Registry.Renewals.Load()) }),
		counter("weir_host_registrations_refused_total", "Registrations of hosts that were refused.", func(*snapshot) float64 { return float64(a.opts.Registry.Refused.Load()) }),
	}
}

// enrolmentMetrics are the figures of who has joined the hub.
func (a *API) enrolmentMetrics() []metric {
	e := a.opts.Enrol
	of := func(c *atomic.Uint64) func(*snapshot) float64 {
		return func(*snapshot) float64 { return float64(c.Load()) }
	}
	return []metric{
		{
			name: "weir_enrolments", help: "Hosts and monitors that have joined the hub, by state: enrolled, expelled, or invited and not there yet.", labels: []string{"state"},
			kind: prometheus.GaugeValue, values: func(_ *snapshot, emit emit) {
				s := e.Stats()
				emit(float64(s.Enrolled), "enrolled")
				emit(float64(s.Expelled), "expelled")
				emit(float64(s.Invitations), "invited")
			},
		},
		gauge("weir_enrolment_soonest_end_seconds", "When the first of the certificates in use ends, the hub's included, in seconds since 1970.", func(*snapshot) float64 { return float64(e.Stats().SoonestEnd.Unix()) }),
		counter("weir_enrolments_total", "Certificates given to who was invited.", of(&e.Counters.Enrolled)),
		counter("weir_enrolment_renewals_total", "Certificates renewed.", of(&e.Counters.Renewed)),
		counter("weir_enrolment_invitations_total", "Invitations made.", of(&e.Counters.Invited)),
		counter("weir_enrolment_expulsions_total", "Names expelled.", of(&e.Counters.Expelled)),
		counter("weir_enrolments_refused_total", "Questions for a certificate that were refused.", of(&e.Counters.Refused)),
		counter("weir_enrolment_denied_total", "Requests with a certificate that does not count, or without one.", of(&e.Counters.Denied)),
	}
}

func (a *API) hostsUp(emit emit) {
	up := make(map[string]bool)
	if a.opts.Statistics != nil {
		a.opts.Statistics.Up(func(host string, answers bool) { up[host] = answers })
	}
	for _, h := range a.opts.Registry.List() {
		answers, asked := up[h.Name]
		if !asked {
			answers = h.State == hosts.Registered
		}
		emit(truth(answers), h.Name)
	}
}

// HostsHandler serves the hosts alone, for agents and monitors of other machines:
// those that may register. There are no names to compare, since agents call the hub
// as they like; browsers, which might be led here, are refused.
func (a *API) HostsHandler() http.Handler {
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		enrols := a.opts.Enrol != nil
		if r.URL.Path != "/api/v1/hosts" && !strings.HasPrefix(r.URL.Path, "/api/v1/hosts/") && !(enrols && ofEnrolment(r.URL.Path)) {
			writeProblem(w, problemf(codeNoSuchPath, "%s", r.URL.Path))
			return
		}
		allows := a.opts.Registry.Allows
		if enrols {
			allows = a.opts.Registry.AllowsCertified
		}
		at, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil || !allows(at.Addr()) {
			writeProblem(w, problemf(codePeerNotAllowed, "%s", r.RemoteAddr))
			return
		}
		if r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" {
			writeProblem(w, problemf(codeCrossOrigin, "%s %s by a browser", r.Method, r.URL.Path))
			return
		}
		if enrols {
			d, refusal := a.admit(r)
			if refusal != nil {
				writeProblem(w, refusal)
				return
			}
			r = through(r, d)
		}
		a.router.ServeHTTP(w, r)
	})
	return newBareGuard(inner)
}
