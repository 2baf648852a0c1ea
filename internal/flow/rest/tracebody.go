// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/weir-io/weir/internal/flow/topology"
)

// traceBody is a trace request as a client sends it: in the first form, of the feature
// document (tenantId, device, maxFlowsPerHost), in MidoNet's last (deviceType, deviceId,
// limit, name), or in both at once where they agree.
type traceBody struct {
	bad     []topology.Violation
	members map[string]json.RawMessage

	id        topology.ID
	name      string
	tenant    *string
	condition topology.Condition
	createdMS int64
	limit     int64
	enabled   *bool
}

// readTraceBody reads what does not need a look at the inventory.
func readTraceBody(raw json.RawMessage, update bool) *traceBody {
	b := &traceBody{limit: math.MaxInt64}
	if err := json.Unmarshal(raw, &b.members); err != nil {
		b.report("", "%v", err)
		return b
	}
	for name, value := range b.members {
		if string(value) == "null" {
			delete(b.members, name)
		}
	}
	if s, ok := b.text("id"); ok {
		id, err := topology.ParseID(s)
		if err != nil {
			b.report("id", "%v", err)
		}
		b.id = id
	}
	b.name, _ = b.text("name")
	if s, ok := b.text("tenantId"); ok {
		b.tenant = &s
	}
	b.readCondition()
	b.readLimit()
	b.readEnabled()
	if !update {
		b.createdMS = b.integer("creationTimestampMs", 0)
	}
	return b
}

func (b *traceBody) report(property, format string, args ...any) {
	b.bad = append(b.bad, topology.Violation{Property: property, Message: fmt.Sprintf(format, args...)})
}

// fault returns the violations that were found; nil for none.
func (b *traceBody) fault() error {
	if len(b.bad) == 0 {
		return nil
	}
	return invalid(b.bad...)
}

func (b *traceBody) has(name string) bool {
	_, ok := b.members[name]
	return ok
}

func (b *traceBody) text(name string) (s string, ok bool) {
	raw, ok := b.members[name]
	if !ok {
		return "", false
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		b.report(name, "got %.60s, want a string", raw)
		return "", false
	}
	return s, true
}

// integer reads a number, or one in a string; 0 stands for none.
func (b *traceBody) integer(name string, low int64) int64 {
	raw, ok := b.members[name]
	if !ok {
		return 0
	}
	digits := string(raw)
	var s string
	if json.Unmarshal(raw, &s) == nil {
		digits = s
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < low {
		b.report(name, "got %.60s, want an integer from %d to %d", raw, low, int64(math.MaxInt64))
		return 0
	}
	return n
}

// readCondition reads the condition, which is an object or words.
func (b *traceBody) readCondition() {
	raw, ok := b.members["condition"]
	if !ok {
		b.report("condition", "got none; {} matches every packet")
		return
	}
	var err error
	if s, text := b.textOf(raw); text {
		b.condition, err = topology.ParseCondition(s)
	} else {
		err = b.condition.UnmarshalJSON(raw)
	}
	if bad, ok := errors.AsType[*topology.Invalid](err); ok {
		for _, v := range bad.Violations {
			b.report(strings.TrimSuffix("condition."+v.Property, "."), "%s", v.Message)
		}
	}
}

func (b *traceBody) textOf(raw json.RawMessage) (s string, ok bool) {
	return s, json.Unmarshal(raw, &s) == nil
}

func (b *traceBody) readLimit() {
	limit, flows := b.integer("limit", 1), b.integer("maxFlowsPerHost", 1)
	if limit != 0 && flows != 0 && limit != flows {
		b.report("maxFlowsPerHost", "got %d, but a limit of %d", flows, limit)
	}
	for _, n := range []int64{limit, flows} {
		if n != 0 {
			b.limit = n
		}
	}
}

func (b *traceBody) readEnabled() {
	raw, ok := b.members["enabled"]
	if !ok {
		return
	}
	switch string(raw) {
	case "true":
		b.enabled = new(true)
	case "false":
		b.enabled = new(false)
	default:
		b.report("enabled", "got %.60s, want true or false", raw)
	}
}

// needDevice reports a body without a device.
func (b *traceBody) needDevice() {
	switch {
	case b.has("device"):
	case !b.has("deviceType") && !b.has("deviceId"):
		b.report("device", "got none, want the URI of a bridge, router or port, or deviceType and deviceId")
	case !b.has("deviceType"):
		b.report("deviceType", "got none, want BRIDGE, ROUTER or PORT")
	case !b.has("deviceId"):
		b.report("deviceId", "got none, want the id of the device")
	}
	if !b.has("device") && b.has("deviceType") {
		b.needName()
	}
}

// needName reports a body without a name, which only the first form may lack.
func (b *traceBody) needName() {
	if b.has("device") || b.has("name") || len(b.bad) > 0 && b.bad[len(b.bad)-1].Property == "name" {
		return
	}
	b.report("name", "got none")
}

// target returns what the request is for. What is no id is no device.
func (b *traceBody) target() (kind topology.DeviceType, id topology.ID, err error) {
	if text, ok := b.text("device"); ok {
		if kind, id, err = parseDevice(text); err != nil {
			return kind, id, err
		}
	}
	if text, ok := b.text("deviceType"); ok {
		named := topology.DeviceType(text)
		if _, known := devicePaths[named]; !known {
			return kind, id, violation("deviceType", "got %.60q, want BRIDGE, ROUTER or PORT", text)
		}
		if kind != "" && kind != named {
			return kind, id, violation("deviceType", "got %s, but the URI of a %s in device", named, kind)
		}
		kind = named
	}
	if text, ok := b.text("deviceId"); ok {
		named, err := topology.ParseID(text)
		if err != nil {
			return kind, id, faultf(http.StatusNotFound, "there is no device: %v", err)
		}
		if id != (topology.ID{}) && id != named {
			return kind, id, violation("deviceId", "got %v, but the URI of %v in device", named, id)
		}
		id = named
	}
	return kind, id, b.fault()
}

// parseDevice reads the URI of a bridge, router or port. Whose name the hub has in it
// does not matter: it may have several.
func parseDevice(text string) (topology.DeviceType, topology.ID, error) {
	wrong := violation("device", "got %.200q, want the URI of a bridge, router or port, as %s/bridges/ID", text, Base)
	u, err := url.Parse(text)
	if err != nil {
		return "", topology.ID{}, wrong
	}
	path, ok := strings.CutPrefix(u.Path, Base+"/")
	segments := strings.Split(path, "/")
	if !ok || len(segments) != 2 {
		return "", topology.ID{}, wrong
	}
	for kind, plural := range devicePaths {
		if segments[0] != plural {
			continue
		}
		id, err := topology.ParseID(segments[1])
		if err != nil {
			return kind, id, faultf(http.StatusNotFound, "there is no device %.200q: %v", text, err)
		}
		return kind, id, nil
	}
	return "", topology.ID{}, wrong
}

// bodyIs reports whether the body is of a media type.
func (q *request) bodyIs(kind string) bool {
	sent, _, _ := strings.Cut(q.r.Header.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(sent), kind)
}
