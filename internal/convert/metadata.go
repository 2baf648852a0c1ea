// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/ctf2"
	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/ctf/tsdl"
)

// UnsupportedError says which declarations of a trace CTF 1.8 has no words for.
type UnsupportedError struct {
	Trace        string
	Declarations []string // each with the first of its fields that are the reason
}

// maxNamed bounds what an error lists.
const maxNamed = 20

// Error gives the message on one line.
func (e *UnsupportedError) Error() string {
	named, more := e.Declarations, ""
	if n := len(named) - maxNamed; n > 0 {
		named, more = named[:maxNamed], fmt.Sprintf(", and %d more", n)
	}
	return fmt.Sprintf("trace %s cannot become CTF 1.8: %s%s", e.Trace, strings.Join(named, ", "), more)
}

// metadataOf renders the metadata of a trace in a version of the format.
func metadataOf(t *schema.Trace, v schema.Version, name string) ([]byte, error) {
	if v == schema.CTF2 {
		b, err := ctf2.Append(nil, t)
		if err != nil {
			return nil, fmt.Errorf("trace %s as CTF 2: %w", name, err)
		}
		return b, nil
	}
	return textOf(t, name)
}

// textOf renders metadata as CTF 1.8. Where it cannot, the error names all
// declarations that are the reason.
func textOf(t *schema.Trace, name string) ([]byte, error) {
	unsupported := &UnsupportedError{Trace: name}
	var failed error
	check := func(b []byte, err error) []byte {
		if u, ok := errors.AsType[*tsdl.UnsupportedError](err); ok {
			unsupported.Declarations = append(unsupported.Declarations, strings.TrimPrefix(u.Error(), "tsdl: "))
		} else if err != nil && failed == nil {
			failed = fmt.Errorf("trace %s as CTF 1.8: %w", name, err)
		}
		return b
	}
	b := check(tsdl.AppendTrace(nil, t))
	for _, s := range t.Streams {
		b = check(tsdl.AppendStream(b, s))
		for _, e := range s.Events {
			n := len(unsupported.Declarations)
			b = check(tsdl.AppendEvent(b, e))
			for i := range unsupported.Declarations[n:] {
				unsupported.Declarations[n+i] = "event " + e.Name + ": " + unsupported.Declarations[n+i]
			}
		}
	}
	if len(unsupported.Declarations) > 0 {
		return nil, unsupported
	}
	return b, failed
}

// checkMetadata reads metadata back: a trace that nobody can read is not
// written.
func checkMetadata(text []byte, t *schema.Trace, name string) error {
	got, _, err := ctf.ParseMetadata(text)
	if err != nil {
		return fmt.Errorf("metadata of trace %s, as written: %w", name, err)
	}
	for _, s := range t.Streams {
		o := got.Stream(s.ID)
		if o == nil || len(o.Events) != len(s.Events) {
			return fmt.Errorf("metadata of trace %s, as written: stream class %d is not the same", name, s.ID)
		}
	}
	return nil
}

// identified returns the schema of the output for one of the input: the same
// one, or with another uuid a copy down to the event classes.
func identified(in *schema.Trace, c *choice) *schema.Trace {
	inPackets := hasUUID(in.PacketHeader)
	if c.everything() && (in.UUID != nil || !inPackets) || in.UUID == nil && !inPackets {
		return in
	}
	t := *in
	var old schema.UUID
	if in.UUID != nil {
		old = *in.UUID
	}
	id := derived(old, c.text())
	t.UUID = &id
	if t.UID != "" {
		t.UID = otherUID(t.UID, old, id)
	}
	t.Streams = nil
	for _, s := range in.Streams {
		o := schema.Stream{
			ID: s.ID, Trace: &t, Clock: s.Clock, PacketContext: s.PacketContext, EventHeader: s.EventHeader, EventContext: s.EventContext,
			Namespace: s.Namespace, Name: s.Name, UID: s.UID, Extra: s.Extra,
		}
		for _, e := range s.Events {
			class := *e
			o.AddEvent(&class)
		}
		t.Streams = append(t.Streams, &o)
	}
	return &t
}

// uuidKept is how many bytes of a uuid stay in one that is derived from it.
const uuidKept = 10

// derived makes a uuid of another one and a text.
func derived(from schema.UUID, text string) schema.UUID {
	sum := sha256.Sum256(append(from[:], text...))
	copy(from[uuidKept:], sum[:])
	return from
}

// otherUID changes the unique id of a CTF 2 trace with its uuid.
func otherUID(uid string, old, id schema.UUID) string {
	if strings.EqualFold(uid, old.String()) {
		return id.String()
	}
	return uid + "-" + hex.EncodeToString(id[uuidKept:])
}

// hasUUID reports whether packets carry the trace's uuid.
func hasUUID(header *schema.Struct) bool {
	if header == nil {
		return false
	}
	for i := range header.Members {
		switch c := header.Members[i].Class.(type) {
		case *schema.Array:
			if c.Role == schema.RoleUUID {
				return true
			}
		case *schema.Blob:
			if c.Role == schema.RoleUUID {
				return true
			}
		}
	}
	return false
}
