// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf2

import (
	"strings"

	"github.com/weir-io/weir/ctf/schema"
)

// roleScopes are the scopes in which a role has a meaning.
var roleScopes = [schema.NumRoles]schema.Scope{
	schema.RoleNone:             schema.NumScopes,
	schema.RolePacketMagic:      schema.PacketHeader,
	schema.RoleUUID:             schema.PacketHeader,
	schema.RoleStreamClassID:    schema.PacketHeader,
	schema.RoleStreamInstanceID: schema.PacketHeader,
	schema.RolePacketSize:       schema.PacketContext,
	schema.RoleContentSize:      schema.PacketContext,
	schema.RoleTimestampBegin:   schema.PacketContext,
	schema.RoleTimestampEnd:     schema.PacketContext,
	schema.RoleEventsDiscarded:  schema.PacketContext,
	schema.RolePacketNumber:     schema.PacketContext,
	schema.RoleEventClassID:     schema.EventHeader,
	schema.RoleTimestamp:        schema.EventHeader,
}

// roleOf is the role that a name stands for in a scope, none when there is no
// such role, and the names of those that there are.
func roleOf(scope schema.Scope, name string) (schema.Role, []string) {
	var names []string
	for role := schema.Role(1); role < schema.NumRoles; role++ {
		if roleScopes[role] != scope {
			continue
		}
		if role.CTF2Name() == name {
			return role, nil
		}
		names = append(names, role.CTF2Name())
	}
	return schema.RoleNone, names
}

// role gives its meaning to one name of a role.
func (w *walker) role(n *node) schema.Role {
	role, names := roleOf(w.scope, n.text)
	switch {
	case role != schema.RoleNone:
	case len(names) == 0:
		w.mismatch(n, "no role in "+origins[w.scope])
	default:
		w.mismatch(n, strings.Join(names, ", "))
	}
	return role
}

func (w *walker) integerRoles(c *schema.Integer, wait *pending) {
	if wait == nil {
		return
	}
	for _, n := range wait.roles.kids {
		role := w.role(n)
		if role == schema.RoleUUID {
			w.mismatch(n, "the role of an integer")
		}
		w.checkRole(n, c, role)
		switch {
		case c.Role == schema.RoleNone || c.Role == role:
			c.Role = role
		case sizes(c.Role, role):
			// One size stands for both where the other is missing.
			c.Role = schema.RolePacketSize
		default:
			w.mismatch(n, "one role: this and "+c.Role.CTF2Name()+" together are not supported")
		}
		if clocked(role) {
			c.Clock = w.uses.stream.Clock
		}
	}
}

// sizes reports whether two roles are the sizes of a packet.
func sizes(a, b schema.Role) bool {
	size := func(r schema.Role) bool { return r == schema.RolePacketSize || r == schema.RoleContentSize }
	return size(a) && size(b)
}

// clocked reports whether the value of a role is one of a clock.
func clocked(r schema.Role) bool {
	return r == schema.RoleTimestamp || r == schema.RoleTimestampBegin || r == schema.RoleTimestampEnd
}

func (w *walker) checkRole(n *node, c *schema.Integer, role schema.Role) {
	switch {
	case role == schema.RolePacketMagic && (c.Variable || c.Size != 32):
		w.mismatch(n, "an integer of 32 bits")
	case role == schema.RolePacketMagic && (len(w.stack) != 1 || w.stack[0].index != 0):
		w.mismatch(n, "the first member of the packet header")
	case clocked(role) && w.uses.stream.Clock == nil:
		w.mismatch(n, "a data stream class with a clock")
	}
}

func (w *walker) blobRoles(c *schema.Blob, wait *pending) {
	if wait == nil || wait.roles == nil {
		return
	}
	for _, n := range wait.roles.kids {
		c.Role = w.role(n)
		switch {
		case w.err != nil:
		case c.Role != schema.RoleUUID:
			w.mismatch(n, "the role of a blob")
		case c.Length != uint64(len(schema.UUID{})):
			w.mismatch(n, "a blob of 16 bytes")
		case w.uses.trace.UUID == nil:
			w.mismatch(n, "a preamble with a uuid")
		}
	}
}

// typeOf is what CTF 2 calls a class.
func typeOf(c schema.Class) string {
	switch c := c.(type) {
	case *schema.Bits:
		switch {
		case c.Bool:
			return booleanType
		case c.Flags != nil:
			return bitMapType
		}
		return bitArrayType
	case *schema.Integer:
		return integerType(c)
	case *schema.Float:
		return floatType
	case *schema.String:
		return stringType
	case *schema.Text:
		return either(c.LengthRef == nil, staticTextType, dynamicTextType)
	case *schema.Blob:
		return either(c.LengthRef == nil, staticBlobType, dynamicBlobType)
	case *schema.Array:
		return either(c.LengthRef == nil, staticArrayType, dynamicListType)
	case *schema.Struct:
		return structType
	case *schema.Optional:
		return optionalType
	default:
		return variantType
	}
}

func integerType(c *schema.Integer) string {
	if c.Variable {
		return either(c.Signed, varSignedType, varUnsignedType)
	}
	return either(c.Signed, signedType, unsignedType)
}

func either(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}
