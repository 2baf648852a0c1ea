// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"context"
	"errors"
	"math"

	"github.com/weir-io/weir/internal/flow/topology"
)

// traced returns the kind of device that a request is for.
func traced(d topology.DeviceType) topology.Kind {
	switch d {
	case topology.TraceBridge:
		return topology.KindBridge
	case topology.TraceRouter:
		return topology.KindRouter
	default:
		return topology.KindPort
	}
}

// CreateTrace makes a trace request, and enables it if it says so.
func (v *Inventory) CreateTrace(ctx context.Context, r topology.TraceRequest) (topology.TraceRequest, error) {
	r.ID = newID(r.ID)
	r.EnabledRule = topology.ID{}
	if r.CreatedMS == 0 {
		r.CreatedMS = v.cfg.Now().UnixMilli()
	}
	if r.Limit == 0 {
		r.Limit = math.MaxInt64
	}
	if err := checkTrace(&r); err != nil {
		return r, err
	}
	enable := r.Enabled
	objects, err := v.traceTurns(ctx, &r)
	if err != nil {
		return r, err
	}
	err = v.change(ctx, objects, func(t *tx) error {
		k := traced(r.DeviceType)
		f, err := t.device(k, r.Device)
		if err != nil {
			return err
		}
		if f == nil {
			return notFound(string(k), r.Device)
		}
		if ok, err := t.exists(t.paths.trace(r.ID)); err != nil {
			return err
		} else if ok {
			return &Error{Object: "trace request", ID: r.ID, Err: ErrExists}
		}
		t.ensure(t.paths.traces(k, r.Device))
		if err := t.create(t.paths.traces(k, r.Device)+"/"+r.ID.String(), nil); err != nil {
			return err
		}
		r.Enabled, r.EnabledRule = false, topology.ID{}
		if enable {
			return t.enable(&r)
		}
		return t.create(t.paths.trace(r.ID), &r)
	})
	return r, err
}

func checkTrace(r *topology.TraceRequest) error {
	switch r.DeviceType {
	case topology.TraceBridge, topology.TraceRouter, topology.TracePort:
	default:
		return invalid("trace request", r.ID, "deviceType", "got %q, want BRIDGE, ROUTER or PORT", r.DeviceType)
	}
	if r.Limit < 1 {
		return invalid("trace request", r.ID, "limit", "got %d, want at least 1", r.Limit)
	}
	return valid("trace request", r.ID, *r)
}

// Trace returns a trace request.
func (v *Inventory) Trace(ctx context.Context, id topology.ID) (topology.TraceRequest, error) {
	return get[topology.TraceRequest](ctx, v, topology.KindRequest, v.paths.trace(id), id)
}

// Traces returns all trace requests.
func (v *Inventory) Traces(ctx context.Context) ([]topology.TraceRequest, error) {
	return list[topology.TraceRequest](ctx, v, topology.KindRequest, v.paths.top("traces"), v.paths.trace)
}

// RuleMissing reports whether a request is enabled but its rule or the chain of that
// has been removed by hand, so that nothing is traced.
func (v *Inventory) RuleMissing(ctx context.Context, r topology.TraceRequest) (bool, error) {
	if !r.Enabled {
		return false, nil
	}
	_, position, err := v.Rule(ctx, r.EnabledRule)
	if errors.Is(err, ErrNotFound) {
		return true, nil
	}
	return position == 0, err
}

// UpdateTrace replaces the name, condition, limit and state of a trace request. Its
// device stays. An enabled request with another condition or limit gets another rule,
// in the place of its old one.
func (v *Inventory) UpdateTrace(ctx context.Context, r topology.TraceRequest) error {
	if r.Limit == 0 {
		r.Limit = math.MaxInt64
	}
	if err := checkTrace(&r); err != nil {
		return err
	}
	return v.changeTrace(ctx, r.ID, func(t *tx, old *topology.TraceRequest) error {
		if r.Device != old.Device || r.DeviceType != old.DeviceType {
			f, err := t.device(traced(r.DeviceType), r.Device)
			if err == nil && f == nil {
				err = notFound(string(traced(r.DeviceType)), r.Device)
			}
			if err == nil {
				err = conflict("trace request", r.ID, "it is for %s %v and stays so", old.DeviceType, old.Device)
			}
			return err
		}
		now := *old
		now.Name, now.Condition, now.Limit = r.Name, r.Condition, r.Limit
		switch {
		case r.Enabled && !old.Enabled:
			return t.enable(&now)
		case !r.Enabled && old.Enabled:
			return t.disable(&now)
		case r.Enabled && (now.Limit != old.Limit || !same(now.Condition, old.Condition)):
			if err := t.replaceTraceRule(&now); err != nil {
				return err
			}
		case same(&now, old):
			return nil
		}
		return t.put(t.paths.trace(r.ID), &now)
	})
}

// changeTrace changes a request in the turn of its device.
func (v *Inventory) changeTrace(ctx context.Context, id topology.ID, f func(t *tx, r *topology.TraceRequest) error) error {
	r, err := v.Trace(ctx, id)
	if err != nil {
		return err
	}
	objects, err := v.traceTurns(ctx, &r)
	if err != nil {
		return err
	}
	return v.change(ctx, objects, func(t *tx) error {
		var r topology.TraceRequest
		if err := t.mustLoad(topology.KindRequest, id, &r); err != nil {
			return err
		}
		return f(t, &r)
	})
}

// traceTurns returns the objects whose turns a change of a request waits for: the
// filter of its device, if it has one, and the device.
func (v *Inventory) traceTurns(ctx context.Context, r *topology.TraceRequest) ([]any, error) {
	var filter topology.ID
	var err error
	switch r.DeviceType {
	case topology.TraceBridge:
		var b topology.Bridge
		b, err = v.Bridge(ctx, r.Device)
		filter = b.InboundFilter
	case topology.TraceRouter:
		var d topology.Router
		d, err = v.Router(ctx, r.Device)
		filter = d.InboundFilter
	default:
		var p topology.Port
		p, err = v.Port(ctx, r.Device)
		filter = p.InboundFilter
	}
	switch {
	case err != nil && !errors.Is(err, ErrNotFound):
		return nil, err
	case filter == (topology.ID{}):
		return []any{r.Device}, nil
	}
	return []any{filter, r.Device}, nil
}

// EnableTrace has agents trace for a request: its rule is put first into the inbound
// filter of the device. A request that is enabled stays as it is.
func (v *Inventory) EnableTrace(ctx context.Context, id topology.ID) error {
	return v.changeTrace(ctx, id, func(t *tx, r *topology.TraceRequest) error {
		if r.Enabled {
			return nil
		}
		return t.enable(r)
	})
}

// DisableTrace is the opposite of EnableTrace. A request that is not enabled stays as
// it is.
func (v *Inventory) DisableTrace(ctx context.Context, id topology.ID) error {
	return v.changeTrace(ctx, id, func(t *tx, r *topology.TraceRequest) error {
		if !r.Enabled {
			return nil
		}
		return t.disable(r)
	})
}

// DeleteTrace deletes a trace request, with its rule if it is enabled.
func (v *Inventory) DeleteTrace(ctx context.Context, id topology.ID) error {
	return v.changeTrace(ctx, id, func(t *tx, r *topology.TraceRequest) error { return t.deleteTrace(r) })
}

func (t *tx) deleteTrace(r *topology.TraceRequest) error {
	if r.Enabled {
		if err := t.disable(r); err != nil {
			return err
		}
	}
	if err := t.remove(t.paths.traces(traced(r.DeviceType), r.Device) + "/" + r.ID.String()); err != nil {
		return err
	}
	return t.remove(t.paths.trace(r.ID))
}

// requests returns the trace requests for a device.
func (t *tx) requests(k topology.Kind, device topology.ID) ([]*topology.TraceRequest, error) {
	ids, err := t.ids(t.paths.traces(k, device))
	if err != nil {
		return nil, err
	}
	var all []*topology.TraceRequest
	for _, id := range ids {
		r := new(topology.TraceRequest)
		if ok, err := t.load(t.paths.trace(id), r); err != nil {
			return nil, err
		} else if ok {
			all = append(all, r)
		}
	}
	return all, nil
}

// deleteTraces deletes the trace requests for a device.
func (t *tx) deleteTraces(k topology.Kind, device topology.ID) error {
	all, err := t.requests(k, device)
	if err != nil {
		return err
	}
	for _, r := range all {
		if err := t.deleteTrace(r); err != nil {
			return err
		}
	}
	return nil
}
