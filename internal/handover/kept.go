// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package handover

import "encoding/json"

// KeptFile is the file, beside the metadata of a trace that a consumer keeps of packets
// for a relay, that tells whose they are. Readers of traces pass over it.
const KeptFile = ".relay"

// Kept is what is in it, as JSON: who sends the packets to the same relay can go on in
// the same files, with those that it has not got.
type Kept struct {
	Relay json.RawMessage       `json:"relay"` // the recording's identity, of package client/relay
	Place string                `json:"place"` // of the trace in the recording
	Files map[string]FileLimits `json:"files,omitempty"`
}

// FileLimits are those of a stream's files, by CHANNEL_CPU; 0: none.
type FileLimits struct {
	Bytes uint64 `json:"bytes,omitempty"`
	Count uint64 `json:"count,omitempty"`
}
