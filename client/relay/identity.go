// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"encoding/hex"
	"fmt"
	"time"
)

// Identity is what a relay knows a recording by: who dials with [Identity.Apply] may
// go on with it by [Session.Resume], also long after, and after the process that had
// begun it is gone. It can be encoded as JSON. Whoever has it may add to the
// recording: it is to be kept as a secret.
type Identity struct {
	Session     string        `json:"session"`
	Hostname    string        `json:"hostname"`
	BasePath    string        `json:"base_path,omitempty"`
	UUID        UUID          `json:"uuid"`
	SessionID   uint64        `json:"session_id"`
	Created     time.Time     `json:"created"`
	NameHasTime bool          `json:"name_has_time,omitempty"`
	LiveTimer   time.Duration `json:"live_timer,omitempty"`
}

// UUID is written as hexadecimal digits in texts.
type UUID [16]byte

// MarshalText implements encoding.TextMarshaler.
func (u UUID) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, u[:]), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (u *UUID) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err != nil || len(b) != len(u) {
		return fmt.Errorf("relay: UUID %.40q: want %d hexadecimal digits", text, 2*len(u))
	}
	copy(u[:], b)
	return nil
}

// Apply makes the options those of the same recording.
func (i Identity) Apply(o *Options) {
	o.Session, o.Hostname, o.BasePath = i.Session, i.Hostname, i.BasePath
	o.UUID, o.SessionID = i.UUID, i.SessionID
	o.Created, o.NameHasTime, o.LiveTimer = i.Created, i.NameHasTime, i.LiveTimer
}

// identity is that of a session that is dialed with the options.
func (o Options) identity() Identity {
	return Identity{
		Session: o.Session, Hostname: o.Hostname, BasePath: o.BasePath, UUID: o.UUID, SessionID: o.SessionID,
		Created: o.Created, NameHasTime: o.NameHasTime, LiveTimer: o.LiveTimer,
	}
}

// Identity is what the relay knows the session by.
func (s *Session) Identity() Identity { return s.identity }
