// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package schema

// Role is what the value of a field means to a reader of packets.
type Role uint8

// Roles, with CTF 1.8's reserved name and scope, and CTF 2's role.
const (
	RoleNone             Role = iota
	RolePacketMagic           // magic, packet header; packet-magic-number
	RoleUUID                  // uuid, packet header; metadata-stream-uuid
	RoleStreamClassID         // stream_id, packet header; data-stream-class-id
	RoleStreamInstanceID      // stream_instance_id, packet header; data-stream-id
	RolePacketSize            // packet_size, packet context; packet-total-length
	RoleContentSize           // content_size, packet context; packet-content-length
	RoleTimestampBegin        // timestamp_begin, packet context; default-clock-timestamp
	RoleTimestampEnd          // timestamp_end, packet context; packet-end-default-clock-timestamp
	RoleEventsDiscarded       // events_discarded, packet context; discarded-event-record-counter-snapshot
	RolePacketNumber          // packet_seq_num, packet context; packet-sequence-number
	RoleEventClassID          // id at any depth of the event header; event-record-class-id
	RoleTimestamp             // timestamp in the event header; default-clock-timestamp

	NumRoles = 13
)

// roleNames are CTF 2's names of the roles and CTF 1.8's reserved names.
var roleNames = [NumRoles]struct{ ctf2, ctf1 string }{
	RoleNone:             {},
	RolePacketMagic:      {"packet-magic-number", "magic"},
	RoleUUID:             {"metadata-stream-uuid", "uuid"},
	RoleStreamClassID:    {"data-stream-class-id", "stream_id"},
	RoleStreamInstanceID: {"data-stream-id", "stream_instance_id"},
	RolePacketSize:       {"packet-total-length", "packet_size"},
	RoleContentSize:      {"packet-content-length", "content_size"},
	RoleTimestampBegin:   {"default-clock-timestamp", "timestamp_begin"},
	RoleTimestampEnd:     {"packet-end-default-clock-timestamp", "timestamp_end"},
	RoleEventsDiscarded:  {"discarded-event-record-counter-snapshot", "events_discarded"},
	RolePacketNumber:     {"packet-sequence-number", "packet_seq_num"},
	RoleEventClassID:     {"event-record-class-id", "id"},
	RoleTimestamp:        {"default-clock-timestamp", "timestamp"},
}

// CTF2Name is the name of the role in CTF 2, "" for [RoleNone].
func (r Role) CTF2Name() string { return roleNames[r].ctf2 }

// ReservedName is the member name that has the meaning in CTF 1.8, "" for
// [RoleNone].
func (r Role) ReservedName() string { return roleNames[r].ctf1 }
