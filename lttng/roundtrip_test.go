// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package lttng

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// layoutLen says how many bytes each layout of a sample takes: the sizes
// the protocol tables give.
var layoutLen = map[string]int{
	"control header/15": 24, "data header/15": 32, "VERSION/15": 8,
	"CREATE_SESSION/1": 0, "CREATE_SESSION/4": 327, "CREATE_SESSION/11": 59 + 2 + 2 + 4, "CREATE_SESSION/15": 63 + 2 + 2 + 4,
	"ADD_STREAM/1": 4360, "ADD_STREAM/2": 4376, "ADD_STREAM/11": 32 + 6 + 17,
	"SEND_METADATA/15": 12 + 4, "SEND_INDEX/4": 64, "SEND_INDEX/8": 80, "CLOSE_STREAM/15": 16, "DATA_PENDING/15": 16,
	"QUIESCENT_CONTROL/15": 8, "BEGIN_DATA_PENDING/15": 8, "END_DATA_PENDING/15": 8, "RESET_METADATA/15": 16,
	"ROTATE_STREAMS/15": 20 + 2*16, "CREATE_TRACE_CHUNK/15": 20 + 5, "CLOSE_TRACE_CHUNK/15": 21,
	"TRACE_CHUNK_EXISTS/15": 8, "GET_CONFIGURATION/15": 8,
	"code/15": 4, "VERSION reply/15": 8, "CREATE_SESSION reply/4": 12, "CREATE_SESSION reply/11": 16 + 20,
	"ADD_STREAM reply/15": 12, "GET_CONFIGURATION reply/15": 12, "CLOSE_TRACE_CHUNK reply/15": 8 + 15, "TRACE_CHUNK_EXISTS reply/15": 5,
	"viewer header/15": 16, "CONNECT/15": 20, "stream request/15": 8, "session request/15": 8,
	"session entry/4": 339, "session entry/15": 32 + 8, "LIST_SESSIONS reply/4": 4 + 2*339, "LIST_SESSIONS reply/15": 4 + 2*40,
	"ATTACH_SESSION/15": 20, "viewer stream/15": 4371, "ATTACH_SESSION reply/15": 8 + 2*4371, "GET_NEW_STREAMS reply/15": 8 + 2*4371,
	"GET_NEXT_INDEX reply/15": 64, "GET_PACKET/15": 20, "GET_PACKET reply/15": 12, "GET_METADATA reply/15": 12,
	"create status/15": 4, "detach status/15": 4,
	"RESUME/15": 4 + (32 + 6 + 7) + (32 + 9 + 7), "RESUME reply/15": 20 + 2*16, "TOKEN reply/15": 4 + 16, "token/15": 32 + 16,
	"UDP_OPEN/15": 16, "UDP_OPEN reply/15": 24, "UDP_STATUS/15": 4 + 2*16, "UDP_STATUS reply/15": 12 + 2*20 + 2*16,
	"UDP_ABANDON/15": 24, "UDP_ABANDON reply/15": 8, "datagram/15": 56 + 10,
}

// TestRoundTrip writes each sample in each layout, checks the layout's size,
// and reads it back: a field that is lost in one layout only shows when the
// second writing differs from the first.
func TestRoundTrip(t *testing.T) {
	for _, c := range allCodecs() {
		for _, minor := range c.minors {
			name := fmt.Sprintf("%s/%d", c.name, minor)
			t.Run(name, func(t *testing.T) {
				b := c.append(c.sample, []byte("before"), minor)[len("before"):]
				want, ok := layoutLen[name]
				if !ok || len(b) != want {
					t.Fatalf("Append wrote %d bytes, want %d (listed: %v)", len(b), want, ok)
				}
				v, n, err := c.parse(b, minor)
				if err != nil || n != len(b) {
					t.Fatalf("parse used %d of %d bytes, error %v", n, len(b), err)
				}
				if minor == c.minors[len(c.minors)-1] {
					if diff := cmp.Diff(c.sample, v); diff != "" {
						t.Errorf("value changed (-want +got):\n%s", diff)
					}
				}
				if again := c.append(v, nil, minor); !bytes.Equal(again, b) {
					t.Errorf("second Append wrote\n%x, want\n%x", again, b)
				}
			})
		}
	}
}

// TestLayoutsOfEveryMinor checks that all 15 minors use the layout of the
// newest one they know.
func TestLayoutsOfEveryMinor(t *testing.T) {
	for _, c := range allCodecs() {
		for minor := Minor(1); minor <= MinorVersion; minor++ {
			layout := c.minors[0]
			for _, m := range c.minors {
				if m <= minor {
					layout = m
				}
			}
			got, want := c.append(c.sample, nil, minor), c.append(c.sample, nil, layout)
			if !bytes.Equal(got, want) {
				t.Errorf("%s: minor %d writes %d bytes, layout %d has %d", c.name, minor, len(got), layout, len(want))
			}
		}
	}
}

// TestTruncation cuts each layout of each message at every byte.
func TestTruncation(t *testing.T) {
	// Messages that may end early, with the shortest prefix that is whole.
	whole := map[string]int{"SEND_METADATA": metadataHeaderLen}
	for _, c := range allCodecs() {
		if c.name == "ROTATE_STREAMS" {
			continue // its length tells its layout: see TestRotateLayouts
		}
		for _, minor := range c.minors {
			t.Run(fmt.Sprintf("%s/%d", c.name, minor), func(t *testing.T) {
				b := c.append(c.sample, nil, minor)
				end := len(b)
				if n, ok := whole[c.name]; ok {
					end = n
				}
				for n := range end {
					_, _, err := c.parse(b[:n:n], minor)
					if !errors.Is(err, ErrShort) {
						t.Fatalf("%d of %d bytes: error %v, want %v", n, len(b), err, ErrShort)
					}
					p, ok := errors.AsType[*ProtocolError](err)
					if !ok {
						t.Fatalf("%d of %d bytes: error %T, want *ProtocolError", n, len(b), err)
					}
					if p.Got >= p.Want {
						t.Fatalf("%d of %d bytes: %v: got is not below want", n, len(b), err)
					}
				}
			})
		}
	}
}

// TestTrailingBytes checks that requests ignore what follows the layout, and
// that replies leave it to the next parser.
func TestTrailingBytes(t *testing.T) {
	for _, c := range allCodecs() {
		if c.name == "ROTATE_STREAMS" || c.name == "SEND_METADATA" || c.name == "datagram" {
			continue // their length is part of the message
		}
		for _, minor := range c.minors {
			b := c.append(c.sample, nil, minor)
			want, wantN, _ := c.parse(b, minor)
			got, n, err := c.parse(append(b, "more"...), minor)
			if err != nil || n != wantN {
				t.Errorf("%s/%d: used %d bytes, error %v, want %d", c.name, minor, n, err, wantN)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s/%d: value changed (-want +got):\n%s", c.name, minor, diff)
			}
		}
	}
}

// TestReusedBuffer writes into a buffer full of old bytes: none of them may
// show in the padding of names.
func TestReusedBuffer(t *testing.T) {
	for _, c := range allCodecs() {
		for _, minor := range c.minors {
			dirty := bytes.Repeat([]byte{0xff}, 3*viewerStreamLen)
			got, want := c.append(c.sample, dirty[:0], minor), c.append(c.sample, nil, minor)
			if !bytes.Equal(got, want) {
				t.Errorf("%s/%d: old bytes in what was written", c.name, minor)
			}
		}
	}
}
