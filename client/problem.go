// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"fmt"
	"strings"

	"github.com/weir-io/weir/client/feed"
)

// Problem is a refusal of the hub, RFC 9457.
type Problem struct {
	Type   string   `json:"type" format:"uri" doc:"URN of the kind of problem." example:"urn:weir:error:session-open"`
	Title  string   `json:"title" doc:"The kind in words; does not change."`
	Status int      `json:"status" doc:"HTTP status."`
	Detail string   `json:"detail,omitempty" doc:"What happened this time."`
	Code   string   `json:"code" doc:"The kind; does not change." example:"session-open"`
	Number int      `json:"number" doc:"The kind as a number; does not change." example:"1201"`
	Errors []Reason `json:"errors,omitempty" doc:"Each fault of the request."`

	Holder  *feed.Lease `json:"holder,omitempty" doc:"Of feed_busy: who reads the feed."`
	Aborted *feed.Abort `json:"aborted,omitempty" doc:"Of feed_aborted: why, and what is lost."`
}

// Reason is one fault of a request.
type Reason struct {
	Message  string `json:"message" doc:"What is wrong."`
	Location string `json:"location,omitempty" doc:"Where, such as query.limit."`
}

// Error returns the problem on one line.
func (p *Problem) Error() string {
	text := p.Detail
	if text == "" {
		text = p.Title
	}
	var reasons []string
	for _, r := range p.Errors {
		reasons = append(reasons, strings.TrimPrefix(r.Location+": "+r.Message, ": "))
	}
	if len(reasons) > 0 {
		text += ": " + strings.Join(reasons, "; ")
	}
	return fmt.Sprintf("%s (%s)", text, p.Code)
}

// GetStatus returns the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType returns the media type of the problem as JSON.
func (p *Problem) ContentType(string) string { return "application/problem+json" }
