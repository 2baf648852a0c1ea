// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tsdl

import (
	"slices"

	"github.com/weir-io/weir/ctf/schema"
)

// headerRoles and contextRoles are the meanings of members at the top of the
// packet header and context, by reserved name.
var (
	headerRoles = map[string]schema.Role{
		"magic":              schema.RolePacketMagic,
		"uuid":               schema.RoleUUID,
		"stream_id":          schema.RoleStreamClassID,
		"stream_instance_id": schema.RoleStreamInstanceID,
	}
	contextRoles = map[string]schema.Role{
		"packet_size":      schema.RolePacketSize,
		"content_size":     schema.RoleContentSize,
		"timestamp_begin":  schema.RoleTimestampBegin,
		"timestamp_end":    schema.RoleTimestampEnd,
		"events_discarded": schema.RoleEventsDiscarded,
		"packet_seq_num":   schema.RolePacketNumber,
	}
)

// meaning gives a field the role and clock that its shown name means in its
// scope. The field is the current one of the innermost frame, a member of a
// struct or an option of a variant.
func (r *resolver) meaning(name string, c schema.Class, member bool) (schema.Class, error) {
	top := len(r.frames) == 1
	switch r.scope {
	case schema.PacketHeader:
		if role := headerRoles[name]; top && role != schema.RoleNone {
			return r.headerRole(name, role, c)
		}
	case schema.PacketContext:
		return r.contextRole(name, c, top)
	case schema.EventHeader:
		return r.eventRole(name, c, top, member)
	}
	return c, nil
}

// headerRole gives a member of the packet header its role.
func (r *resolver) headerRole(name string, role schema.Role, c schema.Class) (schema.Class, error) {
	if role == schema.RoleUUID {
		return r.uuid(c)
	}
	i, err := r.unsigned(name, c)
	if err != nil {
		return nil, err
	}
	if role == schema.RolePacketMagic {
		if r.frames[0].index != 0 {
			return nil, r.failf("member %q is not the first", name)
		}
		if i.Size != 32 {
			return nil, r.failf("member %q has %d bits, want 32", name, i.Size)
		}
	}
	i.Role = role
	return i, nil
}

// unsigned gives a copy of a member's class, which has to be an unsigned integer.
func (r *resolver) unsigned(name string, c schema.Class) (*schema.Integer, error) {
	i, ok := c.(*schema.Integer)
	if !ok || i.Signed {
		return nil, r.failf("member %q is %s, want an unsigned integer", name, describeClass(c))
	}
	own := *i
	return &own, nil
}

// uuid gives the member uuid of the packet header its role.
func (r *resolver) uuid(c schema.Class) (schema.Class, error) {
	var own schema.Array
	switch c := c.(type) {
	case *schema.Array:
		own = *c
	case *schema.Text: // of bytes that have an encoding
		own = schema.Array{Element: c.Unit, Length: c.Length, LengthRef: c.LengthRef}
	}
	i, ok := own.Element.(*schema.Integer)
	if !ok || own.LengthRef != nil || own.Length != 16 || i.Size != 8 || i.Align != 8 || i.Signed {
		return nil, r.failf("member %q is not an array of 16 unsigned bytes", "uuid")
	}
	own.Role = schema.RoleUUID
	return &own, nil
}

// contextRole gives a field of the packet context its role and clock.
func (r *resolver) contextRole(name string, c schema.Class, top bool) (schema.Class, error) {
	if name == "timestamp_begin" || name == "timestamp_end" {
		var err error
		if c, err = r.mapped(c); err != nil {
			return nil, err
		}
	}
	role := contextRoles[name]
	if !top || role == schema.RoleNone {
		return c, nil
	}
	i, err := r.unsigned(name, c)
	if err != nil {
		return nil, err
	}
	i.Role = role
	if role == schema.RoleTimestampEnd {
		i.Clock = nil // reading it does not move the clock
	}
	return i, nil
}

// eventRole gives a field of the event header its role and clock.
func (r *resolver) eventRole(name string, c schema.Class, top, member bool) (schema.Class, error) {
	switch {
	case name == "id" && top:
		i, err := r.unsigned(name, c)
		if err != nil {
			return nil, err
		}
		i.Role = schema.RoleEventClassID
		return i, nil
	case name == "id" && member:
		if i, ok := c.(*schema.Integer); ok {
			own := *i
			own.Role = schema.RoleEventClassID
			return &own, nil
		}
	case name == "timestamp":
		c, err := r.mapped(c)
		if i, ok := c.(*schema.Integer); ok && r.arrays == 0 {
			own := *i
			own.Role = schema.RoleTimestamp
			return &own, nil
		}
		return c, err
	}
	return c, nil
}

// mapped gives an integer that is a timestamp by its name, and has no clock,
// the trace's only one.
func (r *resolver) mapped(c schema.Class) (schema.Class, error) {
	i, ok := c.(*schema.Integer)
	if !ok || i.Clock != nil || r.arrays > 0 {
		return c, nil
	}
	own := *i
	switch clocks := r.b.trace.Clocks; len(clocks) {
	case 0:
		own.Clock = &schema.Clock{Name: "default", Frequency: 1e9}
		r.b.trace.Clocks = append(clocks, own.Clock)
	case 1:
		own.Clock = clocks[0]
	default:
		return nil, r.failf("timestamp %s is mapped to none of %d clocks", r.here(), len(clocks))
	}
	return &own, r.useClock(own.Clock)
}

// useClock makes a clock that of the stream.
func (r *resolver) useClock(c *schema.Clock) error {
	switch {
	case c == nil:
	case r.stream == nil:
		return r.failf("field %s is mapped to clock %s, but a packet header has no time", r.here(), quoteShort(c.Name))
	case r.stream.Clock == nil && slices.Contains(r.b.p.trace.Streams, r.stream):
		return r.failf("field %s is mapped to clock %s, but stream %d has been declared without",
			r.here(), quoteShort(c.Name), r.stream.ID)
	case r.stream.Clock == nil:
		r.stream.Clock = c
	case r.stream.Clock != c:
		return r.failf("field %s is mapped to clock %s, other fields of stream %d to %s",
			r.here(), quoteShort(c.Name), r.stream.ID, quoteShort(r.stream.Clock.Name))
	}
	return nil
}
