// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feed

import "encoding/json"

// Hello is what an agent says of itself.
type Hello struct {
	Agent    string   `json:"agent"` // version
	Host     string   `json:"host"`
	Features []string `json:"features"`
}

// Ref names a feed: by id, name, or both as in "cl1-audit".
type Ref struct {
	Feed  string `json:"feed"`
	Steal bool   `json:"steal,omitempty"` // OPEN: take it from another consumer
	Look  bool   `json:"look,omitempty"`  // OPEN: read beside its consumer, and cancel nothing
	From  uint64 `json:"from,omitempty"`  // OPEN with look: begin with this index
}

// ResetRequest has a feed begin anew.
type ResetRequest struct {
	Feed   string `json:"feed"`
	From   string `json:"from,omitempty"` // "now", "oldest" or an index; default: now
	Rescan bool   `json:"rescan,omitempty"`
}

// ResolveRequest asks for the names of an object.
type ResolveRequest struct {
	Source string `json:"source"`
	FID    string `json:"fid"`
}

// ResolveAnswer has the names of an object.
type ResolveAnswer struct {
	Paths []Path `json:"paths"`
}

// SetRequest changes a feed.
type SetRequest struct {
	Feed    string        `json:"feed"`
	Options CreateOptions `json:"options"`
}

// FIFORequest has records written to a named pipe.
type FIFORequest struct {
	Feed   string `json:"feed"`
	Path   string `json:"path"`
	Format string `json:"format,omitempty"`
}

// SourceInfo is what is known of a file system that is watched, see
// docs/protocol/feed.md.
type SourceInfo = json.RawMessage
