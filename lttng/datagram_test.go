// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package lttng

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func sampleDatagram() []byte {
	return Datagram{DatagramData, 1, 2, 3, 4, 16, 6, DatagramLast, []byte("0123456789")}.Append(nil)
}

// Whatever is changed on the way is noticed.
func TestDatagramChanged(t *testing.T) {
	want := map[int]error{0: ErrForeign, 4: ErrForeign, 6: ErrForeign, 7: ErrForeign}
	for i := range sampleDatagram() {
		b := sampleDatagram()
		b[i] ^= 0x80
		_, err := ParseDatagram(b)
		if err == nil || want[i] != nil && !errors.Is(err, want[i]) {
			t.Errorf("byte %d changed: error %v, want %v", i, err, want[i])
		}
	}
	if _, err := ParseDatagram(append(sampleDatagram(), 0)); !errors.Is(err, ErrLayout) {
		t.Errorf("a byte behind the end: error %v, want %v", err, ErrLayout)
	}
	outside := Datagram{Type: DatagramData, PacketSize: 15, Offset: 6, Payload: make([]byte, 10)}.Append(nil)
	if _, err := ParseDatagram(outside); !errors.Is(err, ErrLayout) {
		t.Errorf("a piece outside of its packet: error %v, want %v", err, ErrLayout)
	}
}

func TestDatagramSentAgain(t *testing.T) {
	b := sampleDatagram()
	d, err := ParseDatagram(b)
	if err != nil {
		t.Fatal(err)
	}
	RenumberDatagram(b, 77)
	d.Number, d.Flags = 77, DatagramAgain|DatagramLast
	again, err := ParseDatagram(b)
	if diff := cmp.Diff(d, again); err != nil || diff != "" {
		t.Errorf("sent again: error %v (-want +got):\n%s", err, diff)
	}
	if !bytes.Equal(d.Append(nil), b) {
		t.Errorf("sent again as %x, want %x", b, d.Append(nil))
	}
	if token, ok := DatagramToken(b); !ok || token != 1 {
		t.Errorf("token %d, %v", token, ok)
	}
}

func TestUDPLimits(t *testing.T) {
	full := UDPArrived{Missing: make([]UDPRange, MaxUDPRanges)}
	r := UDPStatusReply{Code: ReplyOK}
	for range MaxUDPStreams {
		r.Streams = append(r.Streams, full)
	}
	if n := len(r.Append(nil)); n != MaxUDPStatusReply {
		t.Errorf("longest UDP_STATUS reply: %d bytes, want %d", n, MaxUDPStatusReply)
	}
	r.Streams = append(r.Streams, full)
	if _, _, err := ParseUDPStatusReply(r.Append(nil)); !errors.Is(err, ErrTooLong) {
		t.Errorf("one stream more: error %v, want %v", err, ErrTooLong)
	}
	r.Streams = []UDPArrived{{Missing: make([]UDPRange, MaxUDPRanges+1)}}
	if _, _, err := ParseUDPStatusReply(r.Append(nil)); !errors.Is(err, ErrTooLong) {
		t.Errorf("one range more: error %v, want %v", err, ErrTooLong)
	}
	m := UDPStatus{make([]UDPSent, MaxUDPStreams+1)}
	if _, err := ParseUDPStatus(m.Append(nil)); !errors.Is(err, ErrTooLong) {
		t.Errorf("one stream more is asked for: error %v, want %v", err, ErrTooLong)
	}
}

// FuzzDatagram corrects the checksum, which would keep everything else out.
func FuzzDatagram(f *testing.F) {
	f.Add(sampleDatagram())
	f.Add(Datagram{Type: DatagramHeartbeat, Token: 1 << 63}.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= DatagramHeaderLen {
			binary.BigEndian.PutUint32(b[datagramCRCOffset:], datagramCRC(b))
		}
		d, err := ParseDatagram(b)
		if err != nil {
			if _, ok := err.(*ProtocolError); !ok {
				t.Fatalf("error %T, want *ProtocolError", err)
			}
			return
		}
		if again := d.Append(nil); !bytes.Equal(again, b) {
			t.Fatalf("%x is written as %x", b, again)
		}
	})
}

func BenchmarkDatagram(b *testing.B) {
	d := Datagram{Type: DatagramData, PacketSize: 32 << 10, Payload: make([]byte, DefaultDatagramPayload)}
	buf := d.Append(nil)
	b.SetBytes(int64(len(d.Payload)))
	for b.Loop() {
		buf = d.Append(buf[:0])
		if _, err := ParseDatagram(buf); err != nil {
			b.Fatal(err)
		}
	}
}
