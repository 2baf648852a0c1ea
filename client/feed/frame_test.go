// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"testing"
	"time"
)

var sampleFrames = []Frame{
	{Op: OpHello, Payload: AppendHello(nil, FormatJSON)},
	{Op: OpList, Tag: 1, Payload: []byte{}},
	{Op: OpRead, Flags: FlagKeep, Tag: 0xFFFF, Payload: AppendRead(nil, &ReadOptions{MaxRecords: 1, MaxBytes: 4096, Wait: -1})},
	{Op: OpError, Tag: 7, Payload: []byte(`{"code":"protocol","message":"x"}`)},
}

func TestFrameRoundTrip(t *testing.T) {
	var all []byte
	for i := range sampleFrames {
		all = sampleFrames[i].Append(all)
	}
	r := bytes.NewReader(all)
	for _, want := range sampleFrames {
		var buf []byte
		got, err := ReadFrame(r, &buf, MaxRequest)
		if err != nil || !bytes.Equal(got.Append(nil), want.Append(nil)) {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
	if _, err := ReadFrame(r, new([]byte), MaxRequest); err != io.EOF {
		t.Errorf("behind the last: got %v, want %v", err, io.EOF)
	}
}

func TestFrameCutAnywhere(t *testing.T) {
	for i := range sampleFrames {
		b := sampleFrames[i].Append(nil)
		for n := range b {
			_, err := ReadFrame(bytes.NewReader(b[:n]), new([]byte), MaxRequest)
			want := io.ErrUnexpectedEOF
			if n == 0 {
				want = io.EOF
			}
			if err != want {
				t.Errorf("%v cut at %d: got %v, want %v", sampleFrames[i].Op, n, err, want)
			}
		}
	}
}

func TestFrameLimits(t *testing.T) {
	for _, length := range []string{"\x00\x00\x00\x00", "\x03\x00\x00\x00", "\xff\xff\xff\xff", "\x05\x00\x01\x00"} {
		var frame *FrameError
		buf := []byte{}
		_, err := ReadFrame(bytes.NewReader([]byte(length+"\x01\x00\x00\x00")), &buf, MaxRequest)
		if !errors.As(err, &frame) || frame.Offset != -1 || cap(buf) > 0 {
			t.Errorf("length %x: got %v and %d bytes of memory, want an error of the header and none", length, err, cap(buf))
		}
	}
	f := Frame{Op: OpCreate, Payload: make([]byte, MaxRequest)}
	if _, err := ReadFrame(bytes.NewReader(f.Append(nil)), new([]byte), MaxRequest); err != nil {
		t.Errorf("frame as long as the limit: %v", err)
	}
}

func TestHelloRefusals(t *testing.T) {
	good := AppendHello(nil, FormatText)
	if f, err := ParseHello(good); err != nil || f != FormatText {
		t.Errorf("got %v, %v, want %v", f, err, FormatText)
	}
	for n := range good {
		if _, err := ParseHello(good[:n]); err == nil {
			t.Errorf("cut at %d: got no error", n)
		}
	}
	for _, c := range []struct{ at, offset int }{{0, 0}, {3, 0}, {4, 4}, {5, 4}, {6, 6}} {
		b := bytes.Clone(good)
		b[c.at] ^= 0x80
		var frame *FrameError
		if _, err := ParseHello(b); !errors.As(err, &frame) || frame.Offset != c.offset {
			t.Errorf("byte %d changed: got %v, want an error at offset %d", c.at, err, c.offset)
		}
	}
}

func TestReadRoundTrip(t *testing.T) {
	for _, want := range []ReadOptions{
		{},
		{MaxRecords: 65_536, MaxBytes: 16 << 20, Wait: -1, Linger: time.Second, Keep: true},
		{MaxRecords: 1, MaxBytes: 4096, Wait: 1500 * time.Millisecond},
	} {
		var flags uint8
		if want.Keep {
			flags = FlagKeep
		}
		b := AppendRead(nil, &want)
		if got, err := ParseRead(b, flags); err != nil || got != want {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
		for n := range b {
			if _, err := ParseRead(b[:n], 0); err == nil {
				t.Errorf("cut at %d: got no error", n)
			}
		}
	}
	long := ReadOptions{Wait: 100 * 365 * 24 * time.Hour}
	if got, err := ParseRead(AppendRead(nil, &long), 0); err != nil || got.Wait != (Forever-1)*time.Millisecond {
		t.Errorf("wait of a century: got %v, %v, want as long as there is, and not for ever", got.Wait, err)
	}
}

// sampleBatch is the answer to READ with two records.
func sampleBatch() []byte {
	b := AppendBatchHead(nil, 42, 2, BatchMore|BatchGap)
	b = append(b, 3, 0, 0, 0, 'o', 'n', 'e')
	return append(b, 0, 0, 0, 0)
}

func TestBatchCutAnywhere(t *testing.T) {
	whole := sampleBatch()
	var records []string
	b, err := ParseBatch(whole, func(r []byte) error {
		records = append(records, string(r))
		return nil
	})
	if want := (Batch{Through: 42, More: true, Gap: true}); err != nil || !reflect.DeepEqual(b, want) || !reflect.DeepEqual(records, []string{"one", ""}) {
		t.Errorf("got %+v, %q, %v, want %+v", b, records, err, want)
	}
	ignore := func([]byte) error { return nil }
	for n := range whole {
		var frame *FrameError
		if _, err := ParseBatch(whole[:n], ignore); !errors.As(err, &frame) || frame.Offset > n {
			t.Errorf("cut at %d: got %v, want an error at that or before", n, err)
		}
	}
	if _, err := ParseBatch(append(whole, 0), ignore); err == nil {
		t.Error("a byte behind: got no error")
	}
	stop := errors.New("stop")
	if _, err := ParseBatch(whole, func([]byte) error { return stop }); err != stop {
		t.Errorf("error of the caller: got %v, want it", err)
	}
}

func FuzzReadFrame(f *testing.F) {
	for i := range sampleFrames {
		f.Add(sampleFrames[i].Append(nil))
	}
	f.Add([]byte("\xff\xff\xff\xff\x01\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var buf []byte
		got, err := ReadFrame(bytes.NewReader(b), &buf, MaxRequest)
		if cap(buf) > MaxRequest {
			t.Errorf("%d bytes of memory, want at most %d", cap(buf), MaxRequest)
		}
		if err != nil {
			return
		}
		if again := got.Append(nil); !bytes.Equal(again, b[:len(again)]) {
			t.Errorf("got %x again, want %x", again, b)
		}
	})
}

func FuzzParseHello(f *testing.F) {
	f.Add(AppendHello(nil, FormatLustre))
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, err := ParseHello(b); err == nil && !bytes.Equal(AppendHello(nil, got), b) {
			t.Errorf("%x was taken for HELLO with format %v", b, got)
		}
	})
}

func FuzzParseRead(f *testing.F) {
	f.Add(AppendRead(nil, &ReadOptions{MaxRecords: 9, Wait: -1}), uint8(1))
	f.Fuzz(func(t *testing.T, b []byte, flags uint8) {
		if got, err := ParseRead(b, flags); err == nil && !bytes.Equal(AppendRead(nil, &got), b) {
			t.Errorf("%x became %+v", b, got)
		}
	})
}

func FuzzParseBatch(f *testing.F) {
	f.Add(sampleBatch())
	f.Add(AppendBatchHead(nil, 1, 0xFFFFFFFF, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		size, count := 16, uint32(0)
		got, err := ParseBatch(b, func(r []byte) error {
			size += 4 + len(r)
			count++
			return nil
		})
		if err == nil && (size != len(b) || !bytes.HasPrefix(b, AppendBatchHead(nil, got.Through, count, 0)[:12])) {
			t.Errorf("%x: %d records of %d bytes, through %d", b, count, size, got.Through)
		}
	})
}
