// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package lttng

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestProvokedErrors parses what was sent in the recorded error cases. Only the
// cases named here are the codec's to refuse; in all others the bytes are well
// formed and the relay's state or its path rules decide.
func TestProvokedErrors(t *testing.T) {
	refused := map[string]error{
		"version-short-payload":                 ErrShort,
		"create-name-not-terminated":            ErrUnterminated,
		"create-2.4-name-unterminated":          ErrUnterminated,
		"stream chan[264]=cccccccc path[3]=ust": ErrTooLong,
		"stream chan[1]=x path[255]=pppppppp":   ErrTooLong,
		"rotate-bad-length":                     ErrLayout,
		"index-short-payload":                   ErrShort,
		"metadata-short-payload":                ErrShort,
		"create-short-payload":                  ErrShort,
		"add-stream-short-payload":              ErrShort,
		"close-stream-short-payload":            ErrShort,
		"chunk-name-longer-than-payload":        ErrShort,
		"chunk-name-not-terminated":             ErrUnterminated,
		"configuration-short-payload":           ErrShort,
		// The recorded relay negotiates 13 and misreads the format as a name.
		"create-15-trace-format-3": ErrUnterminated,
	}
	for _, c := range errorCases(t) {
		t.Run(c.Name, func(t *testing.T) {
			err := parseSteps(t, c)
			if want := refused[c.Name]; !errors.Is(err, want) {
				t.Errorf("error %v, want %v", err, want)
			}
			delete(refused, c.Name)
		})
	}
	for name := range refused {
		t.Errorf("no case %q", name)
	}
}

// parseSteps parses all control requests of a case and returns the first error.
func parseSteps(t *testing.T, c errorCase) error {
	t.Helper()
	var sent []byte
	for _, s := range c.Steps {
		if s.Op == "send" && strings.HasPrefix(s.Conn, "control") {
			b, err := hex.DecodeString(s.Hex)
			if err != nil {
				t.Fatal(err)
			}
			sent = append(sent, b...)
		}
	}
	minor := Minor(1)
	for len(sent) > 0 {
		h, err := ParseControlHeader(sent)
		if err != nil {
			t.Fatal(err)
		}
		sent = sent[ControlHeaderLen:]
		if h.DataSize > MaxControlPayload {
			return nil // the header is all that was sent
		}
		payload := sent[:h.DataSize]
		sent = sent[h.DataSize:]
		if h.Cmd == CmdVersion {
			if v, err := ParseVersion(payload); err == nil {
				minor = Minor(min(v.Minor, 13))
			}
		}
		if err := parsePayload(h.Cmd, payload, minor); err != nil {
			return err
		}
	}
	return nil
}

func parsePayload(cmd Command, b []byte, minor Minor) error {
	for _, c := range controlCodecs() {
		if c.name == cmd.String() {
			_, _, err := c.parse(b, minor)
			return err
		}
	}
	return nil // without payload, or unknown
}

func TestRefusedNames(t *testing.T) {
	sized := func(mutate func([]byte)) []byte {
		b := CreateSession{Name: "name", Hostname: "host", BasePath: "base"}.Append(nil, 13)
		mutate(b)
		return b
	}
	put := func(off int, v uint32) func([]byte) {
		return func(b []byte) { binary.BigEndian.PutUint32(b[off:], v) }
	}
	stream := func(mutate func([]byte)) []byte {
		b := AddStream{Channel: "ch", Path: "p"}.Append(nil, 11)
		mutate(b)
		return b
	}
	fixed := AddStream{Channel: "ch", Path: strings.Repeat("p", 255)}.Append(nil, 10)
	unterminated := AddStream{Channel: "ch"}.Append(nil, 10)
	for i := range 264 {
		unterminated[i] = 'c'
	}
	noPathEnd := AddStream{Channel: "ch"}.Append(nil, 2)
	for i := 264; i < 4360; i++ {
		noPathEnd[i] = 'p'
	}
	host := CreateSession{Name: "n"}.Append(nil, 4)
	for i := 255; i < 319; i++ {
		host[i] = 'h'
	}
	tests := []struct {
		name string
		err  error
		want string
	}{
		{
			"session name of no bytes", second(ParseCreateSession(sized(put(0, 0)), 13)),
			"lttng: CREATE_SESSION session name at offset 59: not NUL-terminated: got 0",
		},
		{
			"session name too long", second(ParseCreateSession(sized(put(0, 256)), 13)),
			"lttng: CREATE_SESSION session name at offset 59: too long: got 256, want at most 255",
		},
		{
			"session name of 4 GiB", second(ParseCreateSession(sized(put(0, 0xffffffff)), 15)),
			"lttng: CREATE_SESSION session name at offset 63: too long: got 4294967295, want at most 255",
		},
		{
			"hostname of no bytes", second(ParseCreateSession(sized(put(4, 0)), 13)),
			"lttng: CREATE_SESSION hostname at offset 64: not NUL-terminated: got 0",
		},
		{
			"hostname too long", second(ParseCreateSession(sized(put(4, 257)), 13)),
			"lttng: CREATE_SESSION hostname at offset 64: too long: got 257, want at most 256",
		},
		{
			"base path too long", second(ParseCreateSession(sized(put(8, 4097)), 13)),
			"lttng: CREATE_SESSION base path at offset 69: too long: got 4097, want at most 4096",
		},
		{
			"base path not there", second(ParseCreateSession(sized(put(8, 6)), 13)),
			"lttng: CREATE_SESSION base path at offset 69: too short: got 5, want 6",
		},
		{
			"fixed hostname", second(ParseCreateSession(host, 10)),
			"lttng: CREATE_SESSION hostname at offset 255: not NUL-terminated: got 64",
		},
		{
			"channel of no bytes", second(ParseAddStream(stream(put(0, 0)), 11)),
			"lttng: ADD_STREAM channel name at offset 32: not NUL-terminated: got 0",
		},
		{
			"path of no bytes", second(ParseAddStream(stream(put(4, 0)), 11)),
			"lttng: ADD_STREAM path at offset 35: not NUL-terminated: got 0",
		},
		{
			"fixed path too long", second(ParseAddStream(fixed, 10)),
			"lttng: ADD_STREAM path at offset 264: too long: got 256, want at most 255",
		},
		{
			"fixed channel", second(ParseAddStream(unterminated, 10)),
			"lttng: ADD_STREAM channel name at offset 0: not NUL-terminated: got 264",
		},
		{
			"fixed path", second(ParseAddStream(noPathEnd, 2)),
			"lttng: ADD_STREAM path at offset 264: not NUL-terminated: got 4096",
		},
		{
			"empty chunk name", second(ParseCreateTraceChunk(append(make([]byte, 19), 1, 0))),
			"lttng: CREATE_TRACE_CHUNK override name at offset 20: empty: got 1",
		},
		{
			"chunk name too long", second(ParseCreateTraceChunk(append(make([]byte, 18), 1, 0))),
			"lttng: CREATE_TRACE_CHUNK override name at offset 20: too long: got 256, want at most 255",
		},
		{
			"short payload", second(ParseCloseStream(make([]byte, 15))),
			"lttng: CLOSE_STREAM at offset 0: too short: got 15, want 16",
		},
		{
			"reply path too long", third(ParseCloseChunkReply([]byte{0, 0, 0, 10, 0, 1, 0, 0})),
			"lttng: CLOSE_TRACE_CHUNK reply path at offset 8: too long: got 65536, want at most 4096",
		},
		{
			"reply path without NUL", third(ParseCloseChunkReply([]byte{0, 0, 0, 10, 0, 0, 0, 1, 'x'})),
			"lttng: CLOSE_TRACE_CHUNK reply path at offset 8: not NUL-terminated: got 1",
		},
		{
			"second session of a list", third(ParseSessionList(append([]byte{0, 0, 0, 2}, make([]byte, 340)...), 4)),
			"lttng: LIST_SESSIONS entry at offset 343: too short: got 1, want 339",
		},
		{
			"hostname in a list", third(ParseSessionList(append([]byte{0, 0, 0, 1}, fill(339)...), 4)),
			"lttng: LIST_SESSIONS entry hostname at offset 24: not NUL-terminated: got 64",
		},
		{
			"name in a list", third(ParseViewerSession(append(make([]byte, 84), fill(255)...), 4)),
			"lttng: LIST_SESSIONS entry session name at offset 84: not NUL-terminated: got 255",
		},
		{
			"names in a list of minor 15", third(ParseViewerSession(append(make([]byte, 27), 1, 0, 0, 0, 0), 15)),
			"lttng: LIST_SESSIONS entry at offset 0: too short: got 32, want 33",
		},
		{
			"long name in a list of minor 15", third(ParseViewerSession(append(make([]byte, 24), 0, 1, 0, 0, 0, 0, 0, 0), 15)),
			"lttng: LIST_SESSIONS entry session name at offset 32: too long: got 65536, want at most 4096",
		},
		{
			"path in a stream list", third(ParseAttachReply(append([]byte{0, 0, 0, 1, 0, 0, 0, 1}, fill(4371)...))),
			"lttng: viewer stream path at offset 28: not NUL-terminated: got 4096",
		},
		{
			"channel in a stream list", third(ParseViewerStream(append(make([]byte, 4116), fill(255)...))),
			"lttng: viewer stream channel name at offset 4116: not NUL-terminated: got 255",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := fmt.Sprint(tt.err); got != tt.want {
				t.Errorf("error\n%s, want\n%s", got, tt.want)
			}
		})
	}
}

func second[T any](_ T, err error) error       { return err }
func third[T any](_ T, _ int, err error) error { return err }

func fill(n int) []byte { return []byte(strings.Repeat("x", n)) }

// TestBasePathAbsent reads the form without any base path, which no producer
// known writes but relays take.
func TestBasePathAbsent(t *testing.T) {
	want := CreateSession{Name: "n", Hostname: "h"}
	b := want.Append(nil, 11)
	b = b[:len(b)-1]
	binary.BigEndian.PutUint32(b[8:], 0)
	got, err := ParseCreateSession(b, 11)
	if err != nil || got != want {
		t.Errorf("got %+v, error %v", got, err)
	}
}

// TestNameWithNUL checks that a name ends at its first NUL, however long it was
// announced, and is never written with one inside.
func TestNameWithNUL(t *testing.T) {
	b := AddStream{Channel: "abc", Path: "p"}.Append(nil, 11)
	b[sizedStreamLen+1] = 0
	got, err := ParseAddStream(b, 11)
	if err != nil || got.Channel != "a" || got.Path != "p" {
		t.Errorf("got %+v, error %v", got, err)
	}
	got, err = ParseAddStream(AddStream{Channel: "a\x00bc", Path: "p\x00/x"}.Append(nil, 11), 11)
	if err != nil || got.Channel != "a" || got.Path != "p" {
		t.Errorf("got %+v, error %v", got, err)
	}
}

func TestRotateLayouts(t *testing.T) {
	want := RotateStreams{true, 5, []RotatePosition{{1, 2}, {3, 4}}}
	b := want.Append(nil)
	positions := string(b[rotateHeader64:])
	head, chunk := "\x00\x00\x00\x02\x01", "\x00\x00\x00\x00\x00\x00\x00\x05"
	layouts := []struct{ name, header string }{
		{"64-bit", head + "\xdf\xd2\xae\xbf\x01\x02\x03" + chunk},
		{"32-bit", head + "\xdf\xd2\xae" + chunk},
		{"packed", head + chunk},
	}
	for _, l := range layouts {
		t.Run(l.name, func(t *testing.T) {
			payload := []byte(l.header + positions)
			got, err := ParseRotateStreams(payload)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			legal := map[int]bool{20 + 32: true, 16 + 32: true, 13 + 32: true}
			for n := range len(payload) {
				_, err := ParseRotateStreams(payload[:n:n])
				reason := ErrLayout
				if n < rotateHeaderPacked {
					reason = ErrShort
				}
				if legal[n] {
					reason = nil
				}
				if !errors.Is(err, reason) {
					t.Errorf("%d of %d bytes: error %v, want %v", n, len(payload), err, reason)
				}
			}
		})
	}
}

// TestRotateCount announces 2^32-1 streams: nothing may be allocated for them.
func TestRotateCount(t *testing.T) {
	b := make([]byte, rotateHeader64)
	binary.BigEndian.PutUint32(b, 0xffffffff)
	if _, err := ParseRotateStreams(b); !errors.Is(err, ErrLayout) {
		t.Errorf("error %v, want %v", err, ErrLayout)
	}
	binary.BigEndian.PutUint32(b, 0)
	m, err := ParseRotateStreams(b)
	if err != nil || len(m.Streams) != 0 {
		t.Errorf("no streams: %+v, error %v", m, err)
	}
}

// TestListCount announces 2^32-1 entries: a parser must not believe it.
func TestListCount(t *testing.T) {
	if _, _, err := ParseSessionList([]byte{0xff, 0xff, 0xff, 0xff}, 15); !errors.Is(err, ErrShort) {
		t.Errorf("error %v, want %v", err, ErrShort)
	}
	b := []byte{0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff}
	if _, _, err := ParseNewStreamsReply(b); !errors.Is(err, ErrShort) {
		t.Errorf("error %v, want %v", err, ErrShort)
	}
}

// TestStreamsNeedOK checks that no streams follow another status than OK.
func TestStreamsNeedOK(t *testing.T) {
	b := NewStreamsReply{NewStreamsHangup, []ViewerStream{{ID: 1}}}.Append(nil)
	if len(b) != 8 {
		t.Errorf("HUP written in %d bytes, want 8", len(b))
	}
	b = append([]byte{0, 0, 0, 3, 0, 0, 0, 9}, "next reply"...)
	r, n, err := ParseAttachReply(b)
	if err != nil || n != 8 || r.Status != AttachUnknown || r.Streams != nil {
		t.Errorf("got %+v of %d bytes, error %v", r, n, err)
	}
}

func TestPayloadLimit(t *testing.T) {
	tests := []struct {
		cmd  Command
		want uint64
	}{{CmdSendMetadata, 16 << 20}, {CmdRotateStreams, 1 << 20}, {CmdCreateSession, 8 << 10}, {Command(99), 8 << 10}}
	for _, tt := range tests {
		if got := PayloadLimit(tt.cmd); got != tt.want {
			t.Errorf("PayloadLimit(%v) = %d, want %d", tt.cmd, got, tt.want)
		}
	}
	// The longest message of legal names must pass.
	m := CreateSession{Name: strings.Repeat("n", MaxSessionName), Hostname: strings.Repeat("h", MaxHostname), BasePath: strings.Repeat("b", MaxBasePath)}
	b := m.Append(nil, 15)
	if got, err := ParseCreateSession(b, 15); err != nil || got != m || uint64(len(b)) > PayloadLimit(CmdCreateSession) {
		t.Errorf("longest CREATE_SESSION of %d bytes: error %v", len(b), err)
	}
	s := AddStream{Channel: strings.Repeat("c", MaxChannelName), Path: strings.Repeat("p", MaxStreamPath)}
	for _, minor := range []Minor{2, 11} {
		b := s.Append(nil, minor)
		if got, err := ParseAddStream(b, minor); err != nil || got != s || uint64(len(b)) > PayloadLimit(CmdAddStream) {
			t.Errorf("longest ADD_STREAM of minor %d, %d bytes: error %v", minor, len(b), err)
		}
	}
}
