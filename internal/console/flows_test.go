// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package console_test

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/client/flow"
	"github.com/weir-io/weir/internal/flow/packet"
	"github.com/weir-io/weir/internal/flow/record"
	"github.com/weir-io/weir/internal/flow/rest"
	"github.com/weir-io/weir/internal/flow/ship"
	"github.com/weir-io/weir/internal/flow/topology"
	"github.com/weir-io/weir/internal/hub"
)

const webBridge = "b1000000-0000-4000-8000-000000000001"

// tracedHub is a hub with the networks of two tenants, and a request that traces.
func tracedHub(t *testing.T) (h *testHub, token, request string) {
	t.Helper()
	h = newHub(t)
	h.use = func(one *hub.Hub) { one.UseNetworks() }
	h.start()
	text, err := os.ReadFile(h.at.Networks.TokenFile)
	if err != nil {
		t.Fatal(err)
	}
	token = strings.TrimSpace(string(text))
	admin, err := flow.New(h.url(), token)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(admin.Close)
	networks, err := os.Open(filepath.Join("..", "..", "docs", "guide", "two-tenants.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer networks.Close()
	if err := admin.ImportTopology(t.Context(), networks); err != nil {
		t.Fatal(err)
	}
	request, err = admin.CreateTrace(t.Context(), flow.TraceRequest{
		Name: "why", DeviceType: flow.Bridge, DeviceID: webBridge, Condition: flow.Words("proto tcp"), Limit: 10, Enabled: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return h, token, request
}

// Objects of two-tenants.json, and words of records.
const (
	webPort   = `"a1000000-0000-4000-8000-000000000001"`
	webChain  = `"c1000000-0000-4000-8000-000000000001"`
	atWeb     = `"device":"` + webBridge + `"`
	tcpPacket = `{"ethSrc":"02:00:00:00:01:11","ethDst":"02:00:00:00:01:01","etherType":2048,"networkSrc":"10.0.1.11","networkDst":"10.0.2.11","networkProto":6,"srcPort":40000,"dstPort":80}`
)

// step is a record of a packet: its kind, and what it has of it.
type step struct{ kind, members string }

// dropped is a packet that a rule drops, and delivered one that leaves on another host.
var (
	dropped = []step{
		{"start", `"run":1,"inputPort":` + webPort + `,"match":` + tcpPacket},
		{"port-in", `"port":` + webPort + `,` + atWeb},
		{"chain", `"chain":` + webChain + `,"name":"web-in",` + atWeb + `,"direction":"in"`},
		{"rule", `"chain":` + webChain + `,"position":2,"type":"accept","matched":false,"applied":false,"result":"CONTINUE"`},
		{"rule", `"chain":` + webChain + `,"position":4,"type":"drop","matched":true,"applied":true,"result":"DROP"`},
		{"learn", atWeb + `,"mac":"02:00:00:00:01:11","vlan":0,"port":` + webPort + `,"result":"new"`},
		{"result", `"outcome":"Drop","dropReason":{"reason":"rule",` + atWeb + `,"chain":` + webChain + `,"position":4}`},
	}
	delivered = []step{
		{"start", `"run":1,"inputPort":` + webPort + `,"match":` + tcpPacket},
		{"port-in", `"port":` + webPort + `,` + atWeb},
		{"result", `"outcome":"Forward","outputs":[{"port":` + webPort + `}]`},
	}
	arrived = []step{{"egress", `"port":` + webPort}}
)

// report has the agent of a host send records of a packet.
func report(t *testing.T, h *testHub, request, host, role string, packetNumber byte, steps []step) {
	t.Helper()
	accounts := filepath.Join(h.cfg.Hub.StateDir, "flow", "accounts.json")
	id := topology.NamedID(topology.KindHost, host)
	list, err := rest.ReadAccounts(accounts)
	token := host + string('a'+rune(packetNumber))
	if err == nil {
		err = rest.WriteAccounts(accounts, append(list, rest.Account{Name: token, Role: rest.Agent, Host: id, Token: token}))
	}
	if err != nil {
		t.Fatal(err)
	}
	of, err := topology.ParseID(request)
	if err != nil {
		t.Fatal(err)
	}
	proto, from, to := uint8(6), uint16(40000), uint16(80)
	scope := &record.Scope{
		Cookie: 1, Flow: topology.ID{15: packetNumber}, Requests: []topology.ID{of}, Host: id,
		Header: record.Header{
			EthSrc: packet.MAC{2, 0, 0, 0, 1, 0x11}, EthDst: packet.MAC{2, 0, 0, 0, 1, 1}, EtherType: 0x800,
			Src: netip.MustParseAddr("10.0.1.11"), Dst: netip.MustParseAddr("10.0.2.11"), Proto: &proto, SrcPort: &from, DstPort: &to,
		},
	}
	batch := make([]record.Record, len(steps))
	for i, s := range steps {
		batch[i] = record.Record{Scope: scope, Time: time.Now(), Seq: uint64(i), Kind: s.kind, Event: json.RawMessage(`{"role":"` + role + `",` + s.members + `}`)}
	}
	agent := &ship.Hub{URL: h.url(), Token: token, Host: id, Client: &http.Client{Timeout: time.Minute}}
	if refused, left, err := agent.Send(t.Context(), batch); refused > 0 || len(left) > 0 || err != nil {
		t.Fatalf("%s: %d refused, %d left, %v", host, refused, len(left), err)
	}
}

func TestATracedFlowIsShown(t *testing.T) {
	h, token, request := tracedHub(t)
	b := openTab(t, h.url(), "#/flows")
	b.shows("Whose networks?")
	b.pictures("flows-token")
	b.forgive() // browsers complain of 401
	b.enter("input[type=password]", "wrong")
	b.click(".token .tools button")
	b.shows("A token is wanted")
	b.click(".token > button") // forget it
	b.enter("input[type=password]", token)
	b.click(".token .tools button")
	b.until("the request", row("why")+"?.cells[1].innerText === 'enabled'")
	b.until("the tenants' devices", row("web")+" !== undefined && document.body.innerText.includes('Of blue, red.')")
	b.pictures("flows")
	b.text(row("why") + ".querySelector('a').click()")
	b.shows("No packet has met it yet")
	report(t, h, request, "h1", "ingress", 1, dropped)
	b.until("the flow", row("10.0.1.11:40000 → 10.0.2.11:80")+"?.cells[2].innerText === 'Drop'")
	b.pictures("trace")
	b.click("tbody tr a")
	b.until("what decided", `document.querySelector(".step:last-child")?.innerText === "Drop: rule 4 of chain web-in at web"`)
	b.shows("On host h1")
	b.pictures("flow")
	b.text("history.back()")
	b.until("its request", `document.querySelector("h1").innerText === "why"`)
	report(t, h, request, "h1", "ingress", 2, delivered)
	report(t, h, request, "h2", "egress", 2, arrived)
	b.until("the other flow", `[...document.querySelectorAll("td.state")].some(td => td.innerText === "Forward")`)
	b.open("#/flows/" + request + "/" + topology.ID{15: 2}.String())
	b.until("both its hosts, in order", `[...document.querySelectorAll(".hops h2")].map(h => h.firstChild.data).join() === "On host h1,On host h2"`)
	if got := b.text("JSON.stringify(localStorage) + document.cookie"); got != "{}" {
		t.Errorf("kept beyond the tab: %s", got)
	}
}
