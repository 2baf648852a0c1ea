// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"bytes"
	"encoding/json"
	"net/http"

	"github.com/weir-io/weir/internal/flow/topology"
)

const traceMedia = "TraceRequest-v1"

func traceRoutes() []route {
	traces := listing("/traces", traceMedia, "list-traces", "List trace requests", listTraces)
	traces.params = []string{"tenant_id"}
	create := creation("/traces", traceMedia, "create-trace", "Make a trace request, in either form", createTrace)
	create.body = "Created"
	put := func(path, id, summary string, handle func(*request) error) route {
		return route{method: http.MethodPut, path: path, handle: handle, status: http.StatusNoContent, id: id, summary: summary, errors: []int{http.StatusConflict}}
	}
	enabled := reading("/traces/{id}/enabled", "", "get-trace-enabled", "Whether a trace request is enabled", getEnabled)
	enabled.body = "Enabled"
	return tagged("traces",
		traces, create,
		reading("/traces/{id}", traceMedia, "get-trace", "One trace request", getTrace),
		change("/traces/{id}", traceMedia, "update-trace", "Change the name, condition, limit or state of a trace request", updateTrace),
		removal("/traces/{id}", "delete-trace", "Delete a trace request with its flow traces; disables it", deleteTrace),
		enabled,
		put("/traces/{id}/enabled", "enable-trace", "Enable a trace request", enableTrace),
		removal("/traces/{id}/enabled", "disable-trace", "Disable a trace request", disableTrace),
	)
}

// traceFields are the members of a trace request as MidoNet had it last.
type traceFields struct {
	ID         topology.ID         `json:"id"`
	URI        string              `json:"uri"`
	Name       string              `json:"name"`
	DeviceType topology.DeviceType `json:"deviceType"`
	Device     topology.ID         `json:"deviceId"`
	Condition  topology.Condition  `json:"condition"`
	CreatedMS  int64               `json:"creationTimestampMs"`
	Limit      int64               `json:"limit"`
	Enabled    bool                `json:"enabled"`
}

// ownedTrace is a trace request with the owner of its device.
type ownedTrace struct {
	topology.TraceRequest
	tenant string
}

// representTrace answers in the form of the media type: MidoNet's own, or all members
// of both forms.
func representTrace(q *request, t ownedTrace, more ...member) (json.RawMessage, error) {
	fields := traceFields{
		t.ID, q.uri("traces", t.ID.String()), t.Name, t.DeviceType, t.Device, t.Condition, t.CreatedMS, t.Limit, t.Enabled,
	}
	if q.media != plainJSON {
		return represent(fields)
	}
	return represent(fields, append([]member{
		{"tenantId", t.tenant},
		{"device", q.uri(devicePaths[t.DeviceType], t.Device.String())},
		{"maxFlowsPerHost", t.Limit},
	}, more...)...)
}

// devicePaths are the paths of what a request can be for.
var devicePaths = map[topology.DeviceType]string{
	topology.TraceBridge: "bridges", topology.TraceRouter: "routers", topology.TracePort: "ports",
}

func listTraces(q *request) error {
	requests, err := q.inventory().Traces(q.ctx())
	if err != nil {
		return err
	}
	owned := make([]ownedTrace, 0, len(requests))
	tenants := make(map[topology.ID]string)
	for _, t := range requests {
		tenant, known := tenants[t.Device]
		if !known {
			if tenant, err = q.inventory().TenantOf(q.ctx(), t.DeviceType, t.Device); err != nil {
				if q.server.fault(err).Status == http.StatusNotFound {
					continue // the device is being deleted, and the request with it
				}
				return err
			}
			tenants[t.Device] = tenant
		}
		owned = append(owned, ownedTrace{t, tenant})
	}
	see := func(t ownedTrace) bool { return q.selects(t.tenant) }
	return list(q, owned, see, func(t ownedTrace) (json.RawMessage, error) { return representTrace(q, t) })
}

// createTrace makes a request, for a device that is there and the caller's.
func createTrace(q *request) error {
	raw, err := q.rawBody()
	if err != nil {
		return err
	}
	b := readTraceBody(raw, false)
	if err := b.fault(); err != nil {
		return err
	}
	b.needDevice()
	if q.bodyIs(vendor + traceMedia + "+json") {
		b.needName()
	}
	if err := b.fault(); err != nil {
		return err
	}
	kind, device, err := b.target()
	if err != nil {
		return err
	}
	if err := q.traceable(kind, device, b.tenant); err != nil {
		return err
	}
	t, err := q.newTrace(topology.TraceRequest{
		ID: b.id, Name: b.name, DeviceType: kind, Device: device, Condition: b.condition,
		CreatedMS: b.createdMS, Limit: b.limit, Enabled: b.enabled != nil && *b.enabled,
	})
	if err != nil {
		return err
	}
	return q.created(q.uri("traces", t.ID.String()), struct {
		ID topology.ID `json:"id"`
	}{t.ID})
}

// newTrace makes a request. One whose id the caller has chosen does not begin with what is
// left of another that had the id, and went with its device.
func (q *request) newTrace(t topology.TraceRequest) (topology.TraceRequest, error) {
	if t.ID == (topology.ID{}) {
		return q.inventory().CreateTrace(q.ctx(), t)
	}
	q.server.reporting.Lock()
	defer q.server.reporting.Unlock()
	switch _, err := q.inventory().Trace(q.ctx(), t.ID); {
	case err == nil: // refused below
	case q.server.fault(err).Status != http.StatusNotFound:
		return t, err
	default:
		if err := q.server.opts.Traces.Delete(q.ctx(), t.ID); err != nil {
			return t, err
		}
	}
	return q.inventory().CreateTrace(q.ctx(), t)
}

// traceable checks that a device is there, the caller's, and of the tenant that a body
// names.
func (q *request) traceable(kind topology.DeviceType, device topology.ID, claimed *string) error {
	tenant, err := q.inventory().TenantOf(q.ctx(), kind, device)
	if err != nil {
		return err
	}
	if err := q.own(tenant, devicePaths[kind][:len(devicePaths[kind])-1], device); err != nil {
		return err
	}
	if claimed == nil || *claimed == tenant {
		return nil
	}
	if q.who.Role != Admin {
		return faultf(http.StatusForbidden, "the device is not of tenant %.100q", *claimed)
	}
	return violation("tenantId", "got %.100q, but the device is of tenant %q", *claimed, tenant)
}

// pathTrace returns the request of the path, whose device the caller owns.
func (q *request) pathTrace() (ownedTrace, error) {
	id, err := q.id("id")
	if err != nil {
		return ownedTrace{}, err
	}
	t, err := q.inventory().Trace(q.ctx(), id)
	if err != nil {
		return ownedTrace{}, err
	}
	tenant, err := q.inventory().TenantOf(q.ctx(), t.DeviceType, t.Device)
	if err != nil {
		return ownedTrace{}, err
	}
	return ownedTrace{t, tenant}, q.own(tenant, "trace request", id)
}

func getTrace(q *request) error {
	t, err := q.pathTrace()
	if err != nil {
		return err
	}
	var more []member
	if q.media == plainJSON {
		if more, err = q.traceStatus(t); err != nil {
			return err
		}
	}
	answer, err := representTrace(q, t, more...)
	if err != nil {
		return err
	}
	return q.answer(answer)
}

// traceStatus returns what is known of a request beside what was asked for.
func (q *request) traceStatus(t ownedTrace) (more []member, err error) {
	missing, err := q.inventory().RuleMissing(q.ctx(), t.TraceRequest)
	if err != nil {
		return nil, err
	}
	if missing {
		more = append(more, member{"warning", "rule missing"})
	}
	hosts, err := q.server.opts.Traces.Status(q.ctx(), t.ID)
	if err != nil {
		return nil, err
	}
	if hosts == nil {
		hosts = []HostStatus{}
	}
	lost, err := q.server.opts.Traces.Lost(q.ctx(), t.ID)
	if err != nil {
		return nil, err
	}
	return append(more, member{"hostStatus", hosts}, member{"flowsDropped", lost}), nil
}

// updateTrace changes all but the device.
func updateTrace(q *request) error {
	old, err := q.pathTrace()
	if err != nil {
		return err
	}
	raw, err := q.rawBody()
	if err != nil {
		return err
	}
	b := readTraceBody(raw, true)
	b.needDevice()
	b.needName()
	if err := b.fault(); err != nil {
		return err
	}
	if b.id != (topology.ID{}) && b.id != old.ID {
		return violation("id", "got %v, want that of the path or none", b.id)
	}
	kind, device, err := b.target()
	if err != nil {
		return err
	}
	if err := q.traceable(kind, device, b.tenant); err != nil {
		return err
	}
	if kind != old.DeviceType || device != old.Device {
		return faultf(http.StatusConflict, "trace request %v is for %s %v and stays so", old.ID, old.DeviceType, old.Device)
	}
	t := old.TraceRequest
	t.Name, t.Condition, t.Limit = b.name, b.condition, b.limit
	if b.enabled != nil {
		t.Enabled = *b.enabled
	}
	if err := q.inventory().UpdateTrace(q.ctx(), t); err != nil {
		return err
	}
	same, err := sameCount(&old.TraceRequest, &t)
	if err != nil {
		return err
	}
	return q.counted(t, !same)
}

// sameCount reports whether hosts go on counting when a request is changed.
func sameCount(old, now *topology.TraceRequest) (bool, error) {
	if old.Enabled != now.Enabled || old.Limit != now.Limit {
		return false, nil
	}
	before, err := json.Marshal(old.Condition)
	if err != nil {
		return false, err
	}
	after, err := json.Marshal(now.Condition)
	return bytes.Equal(before, after), err
}

// deleteTrace deletes a request with what it has traced; one that is not there is
// deleted already. What is left of one that went with its device is an administrator's
// to delete.
func deleteTrace(q *request) error {
	id, err := q.id("id")
	if err != nil {
		return err
	}
	if _, err = q.pathTrace(); err == nil {
		err = q.inventory().DeleteTrace(q.ctx(), id)
	}
	if err != nil {
		if q.server.fault(err).Status != http.StatusNotFound {
			return err
		}
		if q.who.Role != Admin {
			return q.done()
		}
	}
	q.server.reporting.Lock() // a report that has found the request there is kept before
	defer q.server.reporting.Unlock()
	if err := q.server.opts.Traces.Delete(q.ctx(), id); err != nil {
		return err
	}
	return q.done()
}

func getEnabled(q *request) error {
	t, err := q.pathTrace()
	if err != nil {
		return err
	}
	return q.answer(struct {
		Enabled bool `json:"enabled"`
	}{t.Enabled})
}

func enableTrace(q *request) error {
	t, err := q.pathTrace()
	if err != nil {
		return err
	}
	if err := q.inventory().EnableTrace(q.ctx(), t.ID); err != nil {
		return err
	}
	return q.counted(t.TraceRequest, !t.Enabled)
}

func disableTrace(q *request) error {
	t, err := q.pathTrace()
	if err != nil {
		return err
	}
	if err := q.inventory().DisableTrace(q.ctx(), t.ID); err != nil {
		return err
	}
	return q.counted(t.TraceRequest, t.Enabled)
}

// counted forgets how hosts count for a request when that begins anew, and answers that
// all is done. Hosts tell of their new counts themselves.
func (q *request) counted(t topology.TraceRequest, anew bool) error {
	if anew {
		if err := q.server.opts.Traces.ResetStatus(q.ctx(), t.ID); err != nil {
			return err
		}
	}
	return q.done()
}
