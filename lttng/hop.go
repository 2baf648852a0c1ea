// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package lttng

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// The protocol of hops, weir's own: who connects to a hop writes a line with the
// rest of the chain, the hop answers with a line that begins with three digits,
// and after 200 the connection is as one to the end of the chain. The bytes are
// in docs/protocol/weir-extensions.md.

// Limits of lines, in bytes, with the newline.
const (
	MaxHopRequest = MaxURL
	MaxHopReply   = 512

	hopGreeting = "WEIR-HOP/1 "
)

// HopCode is a hop's answer.
type HopCode int

// Codes of hops.
const (
	HopOK      HopCode = 200
	HopDenied  HopCode = 403 // not a place that the hop connects to
	HopFailed  HopCode = 502 // no connection, or not a request
	HopTimeout HopCode = 504
	HopLoop    HopCode = 508 // the chain leads back to the hop
)

// HopRequest is the line that asks a hop to connect onwards.
type HopRequest struct {
	Chain []Hop // the next one first; the last is the destination
}

// ParseHopRequest reads a line, with or without its newline. A chain has one to
// [MaxHops] places.
func ParseHopRequest(line []byte) (HopRequest, error) {
	if len(line) > MaxHopRequest {
		return HopRequest{}, &ProtocolError{Op: "WEIR-HOP", Field: "line", Got: uint64(len(line)), Want: MaxHopRequest, Err: ErrTooLong}
	}
	chain, ok := strings.CutPrefix(strings.TrimSuffix(string(line), "\n"), hopGreeting)
	if !ok {
		return HopRequest{}, &ProtocolError{Op: "WEIR-HOP", Field: "greeting", Err: ErrLayout}
	}
	p := urlParser{whole: chain}
	for i := range len(chain) {
		if chain[i] <= ' ' || chain[i] >= 0x7f {
			return HopRequest{}, p.fail(ErrURLCharacters, chain[i:i+1])
		}
	}
	var m HopRequest
	for s := range strings.SplitSeq(chain, ",") {
		if len(m.Chain) == MaxHops || strings.Count(s, "/") != 2 {
			return HopRequest{}, p.fail(ErrURLHop, s)
		}
		h, err := p.hop(s)
		if err != nil {
			return HopRequest{}, err
		}
		m.Chain = append(m.Chain, h)
	}
	return m, nil
}

// Append appends the line to b.
func (m HopRequest) Append(b []byte) []byte {
	b = append(b, hopGreeting...)
	for i, h := range m.Chain {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, h.String()...)
	}
	return append(b, '\n')
}

// HopReply is the answer of a hop.
type HopReply struct {
	Code   HopCode
	Reason string
}

// ParseHopReply reads a line, with or without its newline.
func ParseHopReply(line []byte) (HopReply, error) {
	digits, reason, _ := strings.Cut(string(bytes.TrimSuffix(line, []byte("\n"))), " ")
	code, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || len(digits) != 3 {
		return HopReply{}, fmt.Errorf("answer: got %q, want three digits first", bytes.TrimSuffix(line, []byte("\n")))
	}
	return HopReply{HopCode(code), reason}, nil
}

// Append appends the line to b. A reason that does not fit is cut, and what is
// no text in it replaced.
func (r HopReply) Append(b []byte) []byte {
	reason := strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return '?'
		}
		return c
	}, r.Reason)
	b = append(strconv.AppendInt(b, int64(r.Code), 10), ' ')
	b = append(b, reason[:min(len(reason), MaxHopReply-5)]...)
	return append(b, '\n')
}
