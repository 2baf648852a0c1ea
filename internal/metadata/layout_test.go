// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metadata

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/weir-io/weir/ctf"
)

const lttngHeader = `trace {
	major = 1; minor = 8; byte_order = BO; uuid = "e187d056-a181-47b4-b338-b17d6e1e318f";
	packet.header := struct {
		integer { size = 32; } magic;
		integer { size = 8; } uuid[16];
		integer { size = 32; } stream_id;
		integer { size = 64; } stream_instance_id;
	};
};
clock { name = c; };
`

const lttngContext = `stream { id = 5; packet.context := struct {
	integer { size = 64; map = clock.c.value; } timestamp_begin;
	integer { size = 64; map = clock.c.value; } timestamp_end;
	integer { size = 64; } content_size;
	integer { size = 64; } packet_size;
	integer { size = 64; } packet_seq_num;
	integer { size = 64; } events_discarded;
	integer { size = 32; } cpu_id;
}; };`

func layoutOf(t *testing.T, text string) (*Layout, *ctf.MetadataParser, bool) {
	t.Helper()
	p := new(ctf.MetadataParser)
	if err := p.Parse([]byte("/* CTF 1.8 */" + text)); err != nil {
		t.Fatal(err)
	}
	l, ok := NewLayout(p.Trace().Streams[0])
	return l, p, ok
}

// The bytes are those that LTTng 2.13 sends, and a reader takes them for what
// they are meant to be.
func TestEmptyPacket(t *testing.T) {
	for order, want := range map[string]string{
		"le": "c11ffcc1" + "e187d056a18147b4b338b17d6e1e318f" + "05000000" + "0100000000000000" +
			"3d234aafdd000000" + "3d234aafdd000000" + "a002000000000000" + "a002000000000000" +
			"0300000000000000" + "0900000000000000" + "01000000",
		"be": "c1fc1fc1" + "e187d056a18147b4b338b17d6e1e318f" + "00000005" + "0000000000000001" +
			"000000ddaf4a233d" + "000000ddaf4a233d" + "00000000000002a0" + "00000000000002a0" +
			"0000000000000003" + "0000000000000009" + "00000001",
	} {
		l, p, ok := layoutOf(t, strings.Replace(lttngHeader, "BO", order, 1)+lttngContext)
		if !ok {
			t.Fatal("no layout")
		}
		b := l.Packet(EmptyPacket{Time: 952128643901, Instance: 1, Sequence: 3, Discarded: 9})
		if got := hex.EncodeToString(b); got != want {
			t.Errorf("%s: packet %s, want %s", order, got, want)
		}
		f := ctf.NewTrace(p.Trace(), ctf.Options{}).NewFeed("f")
		f.Packet(b)
		var kinds []string
		for {
			kind, err := f.Next()
			if errors.Is(err, ctf.ErrDrained) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			kinds = append(kinds, kind.String())
		}
		if got := strings.Join(kinds, ", "); got != "stream begin, discarded events, packet begin, packet end" {
			t.Errorf("%s: read as %s", order, got)
		}
		if i := f.Cursor.Packet().PacketInfo; i.Begin != 952128643901 || i.End != i.Begin || i.Sequence != 3 || i.InstanceID != 1 || i.Size != 672 {
			t.Errorf("%s: read as %+v", order, i)
		}
	}
}

func TestNoLayout(t *testing.T) {
	header := strings.Replace(lttngHeader, "BO", "le", 1)
	for name, text := range map[string]string{
		"no context":   header + "stream { id = 5; };",
		"no time":      header + strings.Replace(lttngContext, "timestamp_begin", "begin", 1),
		"no size":      header + strings.Replace(lttngContext, "packet_size", "size", 1),
		"bits":         header + strings.Replace(lttngContext, "size = 32; } cpu_id", "size = 31; } cpu_id", 1),
		"bit aligned":  header + strings.Replace(lttngContext, "size = 32; } cpu_id", "size = 32; align = 1; } cpu_id", 1),
		"far apart":    header + strings.Replace(lttngContext, "size = 32; } cpu_id", "size = 32; align = 65536; } cpu_id", 1),
		"string":       header + strings.Replace(lttngContext, "integer { size = 32; } cpu_id", "string cpu_id", 1),
		"array":        header + strings.Replace(lttngContext, "cpu_id", "cpu_id[2]", 1),
		"array of 16":  header + strings.Replace(lttngContext, "cpu_id", "cpu_id[16]", 1),
		"unknown uuid": strings.Replace(header, `uuid = "e187d056-a181-47b4-b338-b17d6e1e318f";`, "", 1) + lttngContext,
	} {
		if _, _, ok := layoutOf(t, text); ok {
			t.Errorf("%s: there is a layout", name)
		}
	}
}
