// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package console_test

import (
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/weir-io/weir/client/relay"
	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/lttng"
)

// producer plays a producer with one stream and metadata.
type producer struct {
	t        *testing.T
	session  *relay.Session
	data     *relay.Stream
	metadata *relay.Stream
	sent     uint64
}

func produce(t *testing.T, h *testHub, host, name string) *producer {
	t.Helper()
	port := func(address string) lttng.Port {
		_, text, err := net.SplitHostPort(address)
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			t.Fatal(err)
		}
		return lttng.Port{Number: uint16(n), Set: true}
	}
	url := lttng.URL{Scheme: lttng.SchemeNet, Host: "127.0.0.1", Port: port(h.at.Control[0]), Data: port(h.at.Data[0])}
	session, err := relay.Dial(t.Context(), url, lttng.URL{}, relay.Options{Session: name, Hostname: host, LiveTimer: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(session.Abort)
	streams, err := session.AddStreams(t.Context(),
		relay.StreamOptions{Channel: "requests_0", Path: "ust/uid/0/64-bit"}, relay.StreamOptions{Channel: "metadata", Path: "ust/uid/0/64-bit"})
	if err != nil {
		t.Fatal(err)
	}
	return &producer{t: t, session: session, data: streams[0], metadata: streams[1]}
}

// send sends packets; discarded is what the last one tells.
func (p *producer) send(packets int, discarded uint64) {
	p.t.Helper()
	for range packets {
		info := ctf.PacketInfo{
			Has:   ctf.HasBegin | ctf.HasEnd | ctf.HasSequence | ctf.HasDiscarded,
			Begin: 1000 * p.sent, End: 1000*p.sent + 999, Sequence: p.sent, Discarded: discarded,
		}
		p.sent++
		if err := p.data.SendPacket(p.t.Context(), make([]byte, 4096), info); err != nil {
			p.t.Fatal(err)
		}
	}
}

// cell is an expression for a cell of a host's or session's row.
func cell(name string, column int) string {
	return row(name) + "?.cells[" + strconv.Itoa(column) + "].innerText"
}

func TestSessionsAreShownLive(t *testing.T) {
	h := newHub(t)
	h.start()
	b := openTab(t, h.url(), "#/sessions")
	b.shows("Nothing is recorded yet")
	b.pictures("sessions-none")
	web := produce(t, h, "web1", "requests")
	odd := produce(t, h, "db1", "<b>odd<b>")
	web.send(3, 0)
	odd.send(2, 7)
	if err := odd.metadata.SendMetadata(t.Context(), []byte("/* CTF 1.8 */\ntypealias integer { size = 7 x } := y;\n")); err != nil {
		t.Fatal(err)
	}
	b.until("packets", cell("requests", 6)+" === '3'")
	b.until("what was discarded", cell("<b>odd<b>", 9)+" === '7 events'")
	b.until("broken metadata", cell("<b>odd<b>", 10)+" === '1 fault'")
	web.send(2, 0)
	b.until("more packets", cell("requests", 6)+" === '5'")
	b.pictures("sessions")
	b.click("tbody tr a[href*=sessions]")
	b.until("the session", `["requests", "<b>odd<b>"].includes(document.querySelector("h1").innerText)`)
	b.text("history.back()")
	b.until("the list", cell("requests", 6)+" === '5'")
	b.text(row("requests") + ".querySelector('a').click()")
	b.until("its stream", cell("requests_0", 2)+" === '5'")
	b.shows("weir view net://127.0.0.1:" + h.at.Live[0][len("127.0.0.1:"):] + "/host/web1/requests")
	web.send(1, 0)
	b.until("another packet", cell("requests_0", 2)+" === '6'")
	b.pictures("session")
	if err := web.session.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.until("its end", `document.querySelector(".badge").innerText === "closed"`)
	b.open("#/sessions?q=db1")
	b.until("the filter of the address", `[...document.querySelectorAll("tbody tr")].filter(tr => !tr.hidden).length === 1`)
	b.text(row("<b>odd<b>") + ".querySelector('a').click()")
	b.shows("What is wrong with the metadata")
	b.pictures("session-faults")
}

func TestAboutTellsOfTheHub(t *testing.T) {
	h := newHub(t)
	h.start()
	odd := produce(t, h, "db1", "odd")
	odd.send(1, 12)
	b := openTab(t, h.url(), "#/about")
	b.until("it is well", `document.querySelector(".badge")?.innerText.startsWith("w")`)
	for _, at := range []string{h.at.Control[0], h.at.Data[0], h.at.Live[0], h.at.HTTP[0]} {
		b.shows(at)
	}
	b.until("discarded events", cell("weir_relay_discarded_events", 1)+" === '12'")
	b.pictures("about")
}
