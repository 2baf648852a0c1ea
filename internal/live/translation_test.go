// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/internal/tracestore"
	"github.com/weir-io/weir/lttng"
)

// fragments returns the metadata of live-bt2-uid as LTTng 2.15 declares it in
// CTF 2: what is there at first, and what comes later.
func fragments(t *testing.T) [2][]byte {
	t.Helper()
	a, err := txtar.ParseFile("../metadata/testdata/lttng-ust.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var parts [2][]byte
	for i := range parts {
		parts[i] = bytes.ReplaceAll(a.Files[i].Data, []byte("␞"), []byte{0x1e})
	}
	return parts
}

// newCTF2Producer opens a session in CTF 2.
func (b *bench) newCTF2Producer(name string) *producer {
	b.t.Helper()
	p := newProducerOf(b.t, b.store, lttng.CreateSession{Name: name, Hostname: "vm", LiveTimer: liveTimer, TraceFormat: lttng.FormatCTF2})
	p.class = 0
	return p
}

// Viewers of CTF 1.8 get text of it, whole and once, however the fragments were
// cut; others get the fragments.
func TestTranslatedMetadata(t *testing.T) {
	parts := fragments(t)
	all := bytes.Join(parts[:], nil)
	for _, cut := range []int{1, 900, 5000, len(all)} {
		b := newBench(t, nil)
		p := b.newCTF2Producer("s")
		meta, data := p.trace(tracePath, "", "ch_0")
		old, late, modern := b.connect(oldMinor), b.connect(14), b.connect(15)
		for _, c := range []*client{old, modern} {
			c.attach(p.ss.ID(), lttng.SeekLast)
		}
		old.wantIndex("nothing there", data[0].ID(), answer{lttng.IndexRetry, lttng.FlagNewMetadata, 0})
		var raw, packets []byte
		for rest := all; len(rest) > 0; rest = rest[min(cut, len(rest)):] {
			p.metadata(meta, rest[:min(cut, len(rest))])
			if cut == 1 && len(rest) > 1 && rest[0] != '}' && rest[0] != '\n' {
				continue // between these, a fragment may be whole
			}
			_, more := modern.metadata(meta.ID())
			raw = append(raw, more...)
			if r := old.index(data[0].ID()); r.Flags&lttng.FlagNewMetadata != 0 {
				_, more = old.metadata(meta.ID())
				packets = append(packets, more...)
			}
		}
		old.wantIndex("all read", data[0].ID(), answer{lttng.IndexRetry, 0, 0})
		for range 2 {
			if st, more := old.metadata(meta.ID()); st != lttng.MetadataNone || len(more) != 0 {
				t.Errorf("cut at %d: more metadata: %v of %d bytes, want NO_NEW", cut, st, len(more))
			}
		}
		if !bytes.Equal(raw, all) {
			t.Errorf("cut at %d: minor 15 has %d bytes, want the %d sent", cut, len(raw), len(all))
		}
		text, uuids := textOf(t, packets)
		if uuids[0] != uuidHex {
			t.Errorf("cut at %d: UUID %s, want %s", cut, uuids[0], uuidHex)
		}
		tr, _, err := ctf.ParseMetadata([]byte(text))
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		if n := len(tr.Streams[0].Events); n != 7 {
			t.Errorf("cut at %d: %d event classes, want 7", cut, n)
		}
		late.attach(p.ss.ID(), lttng.SeekLast)
		_, again := late.metadata(meta.ID())
		if other, _ := textOf(t, again); other != text {
			t.Errorf("cut at %d: a later viewer has other text:\n%s", cut, other)
		}
		if st, _ := old.packet(meta.ID(), 0, 10); st != lttng.PacketError {
			t.Errorf("GET_PACKET of translated metadata: %v, want ERR", st)
		}
		p.end(meta)
		if st, _ := old.metadata(meta.ID()); st != lttng.MetadataNone {
			t.Errorf("at the end: %v, want NO_NEW", st)
		}
		for _, c := range []*client{old, late} {
			if _, err := c.Detach(p.ss.ID()); err != nil {
				t.Fatal(err)
			}
		}
		checkNoTranslation(t, b)
	}
}

// checkNoTranslation waits until no viewer needs a translation, and looks that
// none is left.
func checkNoTranslation(t *testing.T, b *bench) {
	t.Helper()
	left := make(chan int, 1)
	if err := b.srv.loop.Post(func() { left <- len(b.srv.translations) }); err != nil {
		t.Fatal(err)
	}
	if n := <-left; n != 0 {
		t.Errorf("%d translations are left", n)
	}
}

// A packet waits for the translation of all metadata that was stored before it,
// also when that takes many turns.
func TestPacketWaitsForTranslation(t *testing.T) {
	parts := fragments(t)
	var many bytes.Buffer
	many.Write(parts[0])
	for i := range 2000 {
		many.WriteString("\x1e{\"type\": \"event-record-class\", \"name\": \"" + strings.Repeat("n", 200) + "\", \"id\": ")
		many.WriteString(strings.Repeat(" ", 100) + string('1'+rune(i%9)) + strings.Repeat("0", 1+i/9%3) + string('0'+rune(i/27%10)) + string('0'+rune(i/270)))
		many.WriteString("}\n")
	}
	many.Write(parts[1])
	b := newBench(t, nil)
	p := b.newCTF2Producer("s")
	meta, data := p.trace(tracePath, "", "ch_0")
	c, _ := b.attached(p.ss.ID(), lttng.SeekLast)
	p.metadata(meta, many.Bytes())
	p.packet(data[0], 10, 20, 64)
	c.wantIndex("packet", data[0].ID(), answer{lttng.IndexOK, lttng.FlagNewMetadata, 20})
	_, packets := c.metadata(meta.ID())
	text, _ := textOf(t, packets)
	if !strings.Contains(text, "lttng_ust_statedump:end") {
		t.Errorf("text of %d bytes lacks the last event class", len(text))
	}
}

// optional is what CTF 1.8 has not.
const optional = `{"type": "structure", "member-classes": [
	{"name": "there", "field-class": {"type": "fixed-length-boolean", "length": 8, "byte-order": "little-endian"}},
	{"name": "maybe", "field-class": {"type": "optional", "selector-field-location": {"path": ["there"]},
		"field-class": {"type": "null-terminated-string"}}}]}`

// What CTF 1.8 lacks refuses a viewer when a packet needs it, and says so.
func TestTranslationRefusesPackets(t *testing.T) {
	parts := fragments(t)
	rec := readRecording(t, "live-bt2-uid")
	for _, tt := range []struct {
		name, fragment, log string
		packets             int // of ch_1 that are given before
	}{
		{
			"an event class that nothing needs",
			`{"type": "event-record-class", "id": 700, "name": "odd", "payload-field-class": ` + optional + `}`,
			`event class 700 (\"odd\") of stream class 0`, 3,
		}, {
			"an event class that the third packet needs",
			strings.Replace(optional, `{"type"`, `{"type": "event-record-class", "id": 1, "name": "odd", "payload-field-class": {"type"`, 1) + "}",
			`event class 1 (\"odd\") of stream class 0 is not translated`, 2,
		}, {
			"broken", "{}", "metadata not translated", 0,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log bytes.Buffer
			b := newBench(t, func(o *Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
			p := b.newCTF2Producer("s")
			meta, data := p.trace(tracePath, string(parts[0]), "ch_1")
			c, _ := b.attached(p.ss.ID(), lttng.SeekLast)
			p.metadata(meta, []byte("\x1e"+tt.fragment+"\n"))
			rec.play(p, map[string]*tracestore.Stream{"ch_1": data[0]}, func(x recorded) bool { return x.index.ContentSize > 672 || x.part == 1 })
			given := 0
			for ; c.index(data[0].ID()).Status == lttng.IndexOK; given++ {
			}
			if given != tt.packets {
				t.Errorf("%d packets given, want %d", given, tt.packets)
			}
			st, packets := c.metadata(meta.ID())
			if _, uuids := textOf(t, packets); st != lttng.MetadataOK || uuids[0] != uuidHex {
				t.Errorf("metadata %v with UUIDs %v, want OK with %s", st, uuids, uuidHex)
			}
			last := lttng.MetadataNone
			if tt.fragment == "{}" {
				last = lttng.MetadataError
			}
			if st, _ := c.metadata(meta.ID()); st != last {
				t.Errorf("metadata then %v, want %v", st, last)
			}
			modern := b.connect(15)
			modern.attach(p.ss.ID()|historyBit, lttng.SeekLast)
			for i := range 3 {
				if r := modern.index(data[0].ID()); r.Status != lttng.IndexOK {
					t.Errorf("minor 15: packet %d is %v, want OK", i, r.Status)
				}
			}
			refused := given < 3
			if st := b.srv.Stats(); st.RefusedPackets == 1 != refused || st.Untranslated != 1 {
				t.Errorf("%d packets refused, %d classes not translated", st.RefusedPackets, st.Untranslated)
			}
			if refused {
				c.wantIndex("for good", data[0].ID(), answer{lttng.IndexError, 0, 0})
			}
			b.stop()
			if !strings.Contains(log.String(), tt.log) || strings.Contains(log.String(), "viewer refused") != refused {
				t.Errorf("log lacks %q, or has what it should not:\n%s", tt.log, log.String())
			}
		})
	}
}

// Fragments without end, or too many of them, cost no more than the limit.
func TestTranslationLimits(t *testing.T) {
	b := newBench(t, nil)
	p := b.newCTF2Producer("s")
	meta, data := p.trace(tracePath, "", "ch_0")
	c, _ := b.attached(p.ss.ID(), lttng.SeekLast)
	part := bytes.Repeat([]byte("["), 1<<20)
	part[0] = 0x1e
	for range maxTranslated>>20 + 1 {
		p.metadata(meta, part)
	}
	c.wantIndex("endless", data[0].ID(), answer{lttng.IndexRetry, lttng.FlagNewMetadata, 0})
	if st, _ := c.metadata(meta.ID()); st != lttng.MetadataError {
		t.Errorf("metadata = %v, want ERR", st)
	}
}

// The real thing: babeltrace2 2.0.4 reads a session in CTF 2, event by event as
// it reads the same in CTF 1.8.
func TestBabeltraceCTF2(t *testing.T) {
	rec := readRecording(t, "live-bt2-uid")
	parts := fragments(t)
	read := func(p func(*bench) *producer, metadata [2][]byte) string {
		b := newBench(t, nil)
		producer := p(b)
		wait := b.babeltrace("babeltrace2", "s")
		meta, data := producer.trace(tracePath, "", "ch_0", "ch_1")
		streams := map[string]*tracestore.Stream{"ch_0": data[0], "ch_1": data[1]}
		sent := uint64(0)
		for i, part := range metadata {
			producer.metadata(meta, part)
			sent += rec.play(producer, streams, func(x recorded) bool { return x.part == i+1 })
			until(t, "packets are read", func() bool { return b.srv.Stats().Packets == sent })
		}
		producer.end(append(data, meta)...)
		producer.ss.Close()
		return wait()
	}
	ctf1 := read(func(b *bench) *producer { return newProducer(t, b.store, "s") }, [2][]byte{rec.metadata[0], rec.metadata[1]})
	ctf2 := read(func(b *bench) *producer { return b.newCTF2Producer("s") }, parts)
	if ctf1 != ctf2 || countEvents(ctf2) != recordedEvents {
		t.Errorf("CTF 2 reads as\n%s\nCTF 1.8 as\n%s", ctf2, ctf1)
	}
	plain1 := read(func(b *bench) *producer { return newProducer(t, b.store, "s") }, [2][]byte{plain(rec.metadata[0]), plain(rec.metadata[1])})
	if plain1 != ctf1 {
		t.Errorf("plain text reads as\n%s\npackets as\n%s", plain1, ctf1)
	}
}
