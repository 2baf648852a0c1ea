// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package client

import "time"

// RetentionReport is what a run of the retention removed, or would.
type RetentionReport struct {
	DryRun  bool            `json:"dry_run" doc:"Nothing was removed."`
	Limits  RetentionLimits `json:"limits" doc:"What is kept."`
	Count   int             `json:"count" doc:"Removed chunks."`
	Bytes   int64           `json:"bytes" doc:"Length of their files."`
	Removed []Removal       `json:"removed" doc:"The chunks, oldest first; at most 1000."`
}

// RetentionLimits say what is kept; 0 means no limit.
type RetentionLimits struct {
	MaxAge   string `json:"max_age" doc:"Longest time since a chunk's last packet." example:"168h0m0s"`
	MaxBytes int64  `json:"max_bytes" doc:"Most bytes of all stored traces."`
	MinFree  int64  `json:"min_free" doc:"Least bytes free on the file system."`
}

// Removal is a removed chunk.
type Removal struct {
	Session   string    `json:"session" doc:"ID of the session."`
	Chunk     string    `json:"chunk" doc:"ID of the chunk."`
	Directory string    `json:"directory" doc:"Below the output directory."`
	Bytes     int64     `json:"bytes" doc:"Length of its files."`
	Ended     time.Time `json:"ended,omitzero" doc:"When its last packet was added, as far as is known."`
	Reason    string    `json:"reason" enum:"max_age,max_bytes,min_free" doc:"The limit."`
	Last      bool      `json:"last" doc:"Nothing else is left of the session."`
}

// Readiness says whether the hub does its work.
type Readiness struct {
	Ready     bool     `json:"ready" doc:"All ports listen, and the hub is not stopping."`
	Reasons   []string `json:"reasons" doc:"Why not."`
	Warnings  []string `json:"warnings" doc:"What a person should look at although the hub works."`
	FreeBytes int64    `json:"free_bytes,omitempty" doc:"Free on the file system of the traces."`
}

// Health says that the hub answers.
type Health struct {
	Status   string   `json:"status" enum:"ok" doc:"Always ok."`
	Warnings []string `json:"warnings,omitempty" doc:"What a person should look at, such as why no feeds are served."`
}
