// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package lttng

import "encoding/binary"

// DataPending is the payload of DATA_PENDING: has everything up to the given
// packet arrived? The answer is [ReplyNotPending], [ReplyPending] or
// [ReplyPendingUnknown].
type DataPending struct {
	Stream        StreamID
	LastNetSeqNum uint64
}

// ParseDataPending reads a DATA_PENDING payload.
func ParseDataPending(b []byte) (DataPending, error) {
	s, v, err := parseTwoU64("DATA_PENDING", b)
	return DataPending{StreamID(s), v}, err
}

// Append appends the payload to b.
func (m DataPending) Append(b []byte) []byte {
	return appendTwoU64(b, uint64(m.Stream), m.LastNetSeqNum)
}

// QuiescentControl is the payload of QUIESCENT_CONTROL for a metadata stream.
// Its reply proves that all earlier control bytes were handled.
type QuiescentControl struct{ Stream StreamID }

// ParseQuiescentControl reads a QUIESCENT_CONTROL payload.
func ParseQuiescentControl(b []byte) (QuiescentControl, error) {
	v, err := parseU64("QUIESCENT_CONTROL", b)
	return QuiescentControl{StreamID(v)}, err
}

// Append appends the payload to b.
func (m QuiescentControl) Append(b []byte) []byte {
	return binary.BigEndian.AppendUint64(b, uint64(m.Stream))
}

// BeginDataPending is the payload of BEGIN_DATA_PENDING, which opens a round of
// pending questions.
type BeginDataPending struct{ Session SessionID }

// ParseBeginDataPending reads a BEGIN_DATA_PENDING payload.
func ParseBeginDataPending(b []byte) (BeginDataPending, error) {
	v, err := parseU64("BEGIN_DATA_PENDING", b)
	return BeginDataPending{SessionID(v)}, err
}

// Append appends the payload to b.
func (m BeginDataPending) Append(b []byte) []byte {
	return binary.BigEndian.AppendUint64(b, uint64(m.Session))
}

// EndDataPending is the payload of END_DATA_PENDING. The answer is
// [ReplyPending] if a stream was not asked about since BEGIN and is not closed.
type EndDataPending struct{ Session SessionID }

// ParseEndDataPending reads an END_DATA_PENDING payload.
func ParseEndDataPending(b []byte) (EndDataPending, error) {
	v, err := parseU64("END_DATA_PENDING", b)
	return EndDataPending{SessionID(v)}, err
}

// Append appends the payload to b.
func (m EndDataPending) Append(b []byte) []byte {
	return binary.BigEndian.AppendUint64(b, uint64(m.Session))
}
