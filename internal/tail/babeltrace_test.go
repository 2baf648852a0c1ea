// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tail

import (
	"context"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/peer"
)

// metadata of a trace whose only event carries a number.
const metadata = `/* CTF 1.8 */
typealias integer { size = 32; align = 8; signed = false; } := uint32_t;
typealias integer { size = 64; align = 8; signed = false; } := uint64_t;
trace {
	major = 1; minor = 8; byte_order = be;
	packet.header := struct { uint32_t magic; uint32_t stream_id; };
};
stream {
	id = 0;
	packet.context := struct { uint64_t content_size; uint64_t packet_size; };
	event.header := struct { uint32_t id; };
};
event { id = 0; name = "e"; stream_id = 0; fields := struct { uint64_t n; }; };
`

// Sizes in bytes of the parts of such a trace.
const (
	metadataHeader = 37
	ctfHeader      = 24
	ctfEvent       = 12
	ctfEvents      = 5 // in a packet
	ctfPacket      = ctfHeader + ctfEvents*ctfEvent
)

// metadataPacket wraps text into a metadata packet.
func metadataPacket(text string) []byte {
	be := binary.BigEndian
	b := be.AppendUint32(nil, 0x75D11D57)
	b = append(b, make([]byte, 16)...) // UUID
	b = be.AppendUint32(b, 0)          // checksum
	bits := uint32(metadataHeader+len(text)) * 8
	b = be.AppendUint32(b, bits)
	b = be.AppendUint32(b, bits)
	b = append(b, 0, 0, 0, 1, 8)
	return append(b, text...)
}

// ctfPackets returns n packets of events.
func ctfPackets(n int) (b []byte) {
	be := binary.BigEndian
	for p := range n {
		b = be.AppendUint32(b, 0xC1FC1FC1)
		b = be.AppendUint32(b, 0)
		b = be.AppendUint64(b, ctfPacket*8)
		b = be.AppendUint64(b, ctfPacket*8)
		for e := range ctfEvents {
			b = be.AppendUint32(b, 0)
			b = be.AppendUint64(b, uint64(p*ctfEvents+e))
		}
	}
	return b
}

// events returns how many events babeltrace2 reads, and whether it accepts the
// trace. It never ends on metadata that is cut in a packet's text: after
// patience, that is a trace not accepted.
func events(t *testing.T, dir string, patience time.Duration) (int, bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, "babeltrace2", dir).Output()
	if _, failed := err.(*exec.ExitError); err != nil && !failed {
		t.Fatal(err)
	}
	return strings.Count(string(out), "\n"), err == nil
}

// What this package is for: babeltrace2 does not read a trace with a partial
// packet, and reads it after the repair up to the last whole packet.
func TestBabeltraceReadsRepairedTrace(t *testing.T) {
	peer.Need(t, "babeltrace2")
	whole := metadataPacket(metadata)
	index := packetIndex(72, ctfPacket, ctfPacket, ctfPacket)
	for _, c := range []struct {
		name                string
		data, more, indexed int  // bytes of the files, of metadata those of a second packet
		want                int  // events
		readable            bool // before the repair too
	}{
		{"packet cut in its header", 2*ctfPacket + 7, 0, 2, 2 * ctfEvents, false},
		{"packet cut in its events", 2*ctfPacket + ctfHeader + 5, 0, 2, 2 * ctfEvents, false},
		{"packet cut at its last byte, index ahead", 3*ctfPacket - 1, 0, 3, 2 * ctfEvents, false},
		{"only a part of the first packet", 30, 0, 0, 0, false},
		{"metadata cut in the header", 3 * ctfPacket, 20, 3, 3 * ctfEvents, true},
		{"metadata cut in the text", 3 * ctfPacket, metadataHeader + 2, 3, 3 * ctfEvents, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			second := metadataPacket("/* more */\n")
			writeFile(t, filepath.Join(dir, "ch"), ctfPackets(3)[:c.data])
			writeFile(t, filepath.Join(dir, "metadata"), append(whole, second[:c.more]...))
			writeFile(t, filepath.Join(dir, "index/ch.idx"), index[:indexHeaderLen+72*c.indexed])
			patience := time.Second
			if c.readable {
				patience = time.Minute
			}
			if n, ok := events(t, dir, patience); ok != c.readable {
				t.Errorf("babeltrace2 reads %d events before the repair (accepted: %v), want %v", n, ok, c.readable)
			}
			table := newTable(t, 8)
			d := table.Dir(dir)
			follow(t, newSlot(t, table), d, dir, "ch", int64(c.data/ctfPacket*ctfPacket))
			follow(t, newSlot(t, table), d, dir, "metadata", int64(len(whole)))
			recoverTwice(t, died(t, table))
			if n, ok := events(t, dir, time.Minute); !ok || n != c.want {
				t.Errorf("babeltrace2 reads %d events after the repair (accepted: %v), want %d", n, ok, c.want)
			}
			for n := range indexHeaderLen { // killed while it made the index file
				if err := os.WriteFile(filepath.Join(dir, "index/ch.idx"), index[:n], 0o644); err != nil {
					t.Fatal(err)
				}
				if n, ok := events(t, dir, time.Minute); !ok || n != c.want {
					t.Fatalf("babeltrace2 reads %d events with a short index (accepted: %v), want %d", n, ok, c.want)
				}
			}
		})
	}
}
