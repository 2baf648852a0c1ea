// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package lttng

import (
	"errors"
	"strings"
	"testing"
)

func TestExtensionNegotiation(t *testing.T) {
	q := ExtensionQuery(ExtResume | ExtToken | ExtUDP)
	if want, ok := QueriedExtensions(q); !ok || want != AllExtensions {
		t.Errorf("QueriedExtensions(%#x) = %v, %v", q, want, ok)
	}
	for _, other := range []uint64{0, 1, 1 << 63, extensionMark + 1<<32} {
		if want, ok := QueriedExtensions(other); ok {
			t.Errorf("QueriedExtensions(%#x) = %v, want none", other, want)
		}
	}
	granted := ConfigurationReply{ReplyOK, ConfigClearAllowed | ExtensionFlags(ExtToken)}
	if got := granted.Extensions(); got != ExtToken {
		t.Errorf("reply grants %v, want %v", got, ExtToken)
	}
	granted.Code = ReplyInvalidProtocol
	if got := granted.Extensions(); got != 0 {
		t.Errorf("refusal grants %v", got)
	}
	if got := (ExtResume | 1<<9).String(); got != "resume,unknown" {
		t.Errorf("extensions are called %q", got)
	}
}

func TestResumeLimits(t *testing.T) {
	long := AddStream{Channel: strings.Repeat("c", MaxChannelName), Path: strings.Repeat("p", MaxStreamPath)}
	m := Resume{}
	for range MaxResumeStreams {
		m.Streams = append(m.Streams, long)
	}
	b := m.Append(nil)
	if got := uint64(len(b)); got != PayloadLimit(CmdResume) {
		t.Errorf("longest RESUME: %d bytes, limit %d", got, PayloadLimit(CmdResume))
	}
	if got, err := ParseResume(b); err != nil || len(got.Streams) != MaxResumeStreams {
		t.Errorf("longest RESUME: %d streams, %v", len(got.Streams), err)
	}
	m.Streams = append(m.Streams, long)
	if _, err := ParseResume(m.Append(nil)); !errors.Is(err, ErrTooLong) {
		t.Errorf("one stream more: error %v, want %v", err, ErrTooLong)
	}
	// Names that are cut say where in the whole message that is.
	b = Resume{[]AddStream{{Channel: "a", Path: "b"}, {Channel: "c", Path: "d"}}}.Append(nil)
	_, err := ParseResume(b[:len(b)-1])
	if e, ok := errors.AsType[*ProtocolError](err); !ok || e.Op != "RESUME" || e.Offset != len(b)-2 {
		t.Errorf("cut RESUME of %d bytes: %v", len(b), err)
	}
	r := ResumeReply{Code: ReplyOK, Streams: make([]ResumedStream, MaxResumeStreams+1)}
	if _, _, err := ParseResumeReply(r.Append(nil)); !errors.Is(err, ErrTooLong) {
		t.Errorf("reply with one stream more: error %v, want %v", err, ErrTooLong)
	}
}

func TestTokenFrameHeader(t *testing.T) {
	b := TokenFrame{Token{1}}.Append(nil)
	h, err := ParseDataHeader(b)
	if err != nil || !h.IsToken() {
		t.Errorf("header %+v of a token is none (%v)", h, err)
	}
	h.CircuitID = 0
	if h.IsToken() {
		t.Error("a packet of no stream is a token")
	}
}
