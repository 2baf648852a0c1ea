// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaytest_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	client "github.com/weir-io/weir/client/relay"
	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/peer"
	"github.com/weir-io/weir/internal/relaytest"
	"github.com/weir-io/weir/internal/resend"
	"github.com/weir-io/weir/lttng"
)

// keptPackets is how many packets the trace of a test has.
const keptPackets = 5

// keep writes a trace as a consumer keeps it, of a recording on a relay, and returns its
// directory.
func keep(t *testing.T, dir string, of client.Identity) (kept *resend.Trace, trace string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	b := ctf.NewBuilder(ctf.BuilderOptions{UUID: schema.UUID{1, 2, 3}})
	s, err := b.Stream(ctf.LargeHeader)
	must(err)
	ev, err := s.Event("app:ev", schema.NoLogLevel, ctf.Int("v", 32))
	must(err)
	must(os.MkdirAll(filepath.Join(dir, "name"), 0o755))
	trace = filepath.Join(dir, "name", "kernel")
	w, err := ctf.CreateTrace(trace, b.Trace(), ctf.TraceOptions{})
	must(err)
	sw, err := w.Stream(s.Class(), "chan", 0)
	must(err)
	for packet := range keptPackets {
		e := sw.Event(ev, uint64(1000*packet))
		e.Int(int64(packet))
		must(e.End())
		must(sw.ClosePacket(uint64(1000*packet + 999)))
	}
	must(w.Close())
	var origin handover.Kept
	origin.Relay, err = json.Marshal(of)
	must(err)
	text, err := json.Marshal(origin)
	must(err)
	must(os.WriteFile(filepath.Join(trace, handover.KeptFile), text, 0o600))
	all, err := resend.List(dir, "")
	must(err)
	if len(all) != 1 || all[0].Packets != keptPackets {
		t.Fatalf("got %+v, want one trace of %d packets", all, keptPackets)
	}
	return &all[0], trace
}

// urls are where the relay is.
func urls(t *testing.T, r *relaytest.Relay) (control, data lttng.URL) {
	t.Helper()
	for text, to := range map[string]*lttng.URL{"tcp://" + r.Control: &control, "tcp://" + r.Data: &data} {
		var err error
		if *to, err = lttng.ParseURL(text); err != nil {
			t.Fatal(err)
		}
	}
	return control, data
}

// keptNumbers are those of the packets below a relay's output directory, in order, and in
// how many traces they are.
func keptNumbers(t *testing.T, output string) (all []uint64, traces int) {
	t.Helper()
	err := filepath.WalkDir(output, func(path string, _ os.DirEntry, err error) error {
		if err != nil || filepath.Base(path) != "chan_0.idx" {
			return err
		}
		traces++
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for b = b[ctf.IndexHeaderLen:]; len(b) > 0; b = b[ctf.IndexRecordLenMinor:] {
			e, err := ctf.ParseIndexEntry(b, ctf.IndexRecordLenMinor)
			if err != nil {
				return err
			}
			all = append(all, e.PacketSeqNum)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all, traces
}

// TestNothingTwice sends what was kept of a recording of which the relay has got a part,
// to that relay and to another one, where it ends half-way at first.
func TestNothingTwice(t *testing.T) {
	identity := client.Identity{Session: "s", Hostname: "h", UUID: client.UUID{9}, SessionID: 7, Created: time.Unix(1_700_000_000, 0)}
	want := []uint64{0, 1, 2, 3, 4}
	for _, first := range []int{0, 1, 3, keptPackets} {
		r := relaytest.Start(t, relaytest.Quiet)
		control, data := urls(t, r)
		kept, dir := keep(t, t.TempDir(), identity)
		var o client.Options
		identity.Apply(&o)
		sendPart(t, dir, o, first, control, data)
		if first > 0 {
			readBoth(t, r.Output, dir)
		}
		if err := kept.Send(t.Context(), control, data); err != nil {
			t.Fatalf("%d packets are there: %v", first, err)
		}
		if got, traces := keptNumbers(t, r.Output); !slices.Equal(got, want) || traces != 1 || kept.There != first {
			t.Errorf("%d packets were there: packets %v in %d traces, %d told to be there; want %v in one", first, got, traces, kept.There, want)
		}
		other := relaytest.Start(t, relaytest.Quiet)
		control, data = urls(t, other)
		sendPart(t, dir, client.Options{Session: kept.Name, Hostname: hostname(t), BasePath: kept.Name, Created: kept.Time, UUID: identity.UUID, SessionID: identity.SessionID}, first, control, data)
		if err := kept.Send(t.Context(), control, data); err != nil {
			t.Fatalf("%d packets are at the other relay: %v", first, err)
		}
		if got, traces := keptNumbers(t, other.Output); !slices.Equal(got, want) || traces != 1 {
			t.Errorf("%d packets were at the other relay: packets %v in %d traces, want %v in one", first, got, traces, want)
		}
	}
}

// readBoth has babeltrace2 read what the relay has beside what is kept: a packet that is
// at both places counts once.
func readBoth(t *testing.T, dirs ...string) {
	t.Helper()
	out, err := exec.Command(peer.Need(t, "babeltrace2"), dirs...).CombinedOutput()
	if n := strings.Count(string(out), "app:ev"); err != nil || n != keptPackets || strings.Count(string(out), "\n") != n {
		t.Errorf("babeltrace2: %v, %d events, want %d and nothing else\n%s", err, n, keptPackets, out)
	}
}

func hostname(t *testing.T) string {
	t.Helper()
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// sendPart sends the first packets of a trace, which the relay confirms, and loses the
// relay.
func sendPart(t *testing.T, dir string, o client.Options, n int, control, data lttng.URL) {
	t.Helper()
	if n == 0 {
		return
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	r, err := client.Dial(t.Context(), control, data, o)
	must(err)
	defer r.Abort()
	made, err := r.AddStreams(t.Context(), client.StreamOptions{Channel: "chan_0", Path: "kernel"}, client.StreamOptions{Channel: "metadata", Path: "kernel"})
	must(err)
	read := func(name string) []byte {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(dir, name))
		must(err)
		return b
	}
	must(made[1].SendMetadata(t.Context(), read("metadata")))
	index, packets := read("index/chan_0.idx")[ctf.IndexHeaderLen:], read("chan_0")
	for range n {
		e, err := ctf.ParseIndexEntry(index, ctf.IndexRecordLenMinor)
		must(err)
		index = index[ctf.IndexRecordLenMinor:]
		must(made[0].SendPacket(t.Context(), packets[e.Offset:e.Offset+e.PacketSize/8], ctf.PacketInfo{
			Size: e.PacketSize, ContentSize: e.ContentSize, Begin: e.TimestampBegin, End: e.TimestampEnd,
			Sequence: e.PacketSeqNum, Has: ctf.HasBegin | ctf.HasEnd | ctf.HasSequence,
		}))
	}
	must(r.Drain(t.Context()))
}
