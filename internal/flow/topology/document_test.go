// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"bytes"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"
)

// readDocument reads a document that is good, and its snapshot.
func readDocument(t testing.TB, text string) (*Document, *Snapshot) {
	t.Helper()
	d, err := ReadDocument(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	s, err := d.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	return d, s
}

func twoTenants(t testing.TB) (*Document, *Snapshot) {
	t.Helper()
	text, err := os.ReadFile("testdata/two-tenants.json")
	if err != nil {
		t.Fatal(err)
	}
	return readDocument(t, string(text))
}

func TestDocumentBecomesObjects(t *testing.T) {
	d, s := twoTenants(t)
	if got := []int{len(s.Bridges), len(s.Routers), len(s.Ports), len(s.Chains), len(s.Hosts)}; !reflect.DeepEqual(got, []int{3, 1, 9, 3, 2}) {
		t.Errorf("bridges, routers, ports, chains, hosts = %v, want [3 1 9 3 2]", got)
	}
	if got := len(s.Routes); got != 6 {
		t.Errorf("%d routes, want the 4 of the document and 2 Local ones", got)
	}
	port := func(name string) *Port {
		t.Helper()
		id, err := d.Port(name)
		if err != nil {
			t.Fatal(err)
		}
		return s.Ports[id]
	}
	edge, web := port("edge-web"), port("web-edge")
	if edge.Peer != web.ID || web.Peer != edge.ID {
		t.Errorf("peers of edge-web and web-edge are %v and %v, want each other", edge.Peer, web.Peer)
	}
	if edge.Type != RouterPort || edge.PortAddress != netip.MustParseAddr("10.0.1.1") ||
		edge.Network != netip.MustParsePrefix("10.0.1.0/24") || edge.PortMAC.String() != "02:00:00:00:00:01" {
		t.Errorf("edge-web = %+v", edge)
	}
	if m := port("edge-db").PortMAC; m.IsZero() || m.IsGroup() || m[0]&2 == 0 {
		t.Errorf("Ethernet address made for edge-db = %v, want a local one of a single station", m)
	}
	w1 := port("w1")
	if !w1.Exterior() || w1.Interface != "veth1" || s.Hosts[w1.Host].Name != "h1" {
		t.Errorf("w1 = %+v, want it on veth1 of h1", w1)
	}
	if got, ok := s.Tenant(w1.ID); got != "red" || !ok {
		t.Errorf("tenant of w1 = %q, %v, want red", got, ok)
	}
	if spare := port("spare"); spare.Exterior() || spare.Interior() || !spare.AdminStateUp || port("d1").AdminStateUp {
		t.Errorf("spare = %+v, d1 = %+v", spare, port("d1"))
	}
	rules := s.Rules[w1.InboundFilter]
	if len(rules) != 3 || rules[0].InPorts[0] != w1.ID || rules[1].Type != JumpRule || !rules[1].InvProto ||
		s.Chains[rules[1].JumpChain].Name != "rest" {
		t.Errorf("rules of db-in = %+v", rules)
	}
	load := d.Workloads()[w1.ID]
	if load.Address != netip.MustParseAddr("10.0.1.11") || load.Network != netip.MustParsePrefix("10.0.1.0/24") ||
		load.Gateway != netip.MustParseAddr("10.0.1.1") || load.MAC.String() != "02:00:00:00:01:01" {
		t.Errorf("workload of w1 = %+v", load)
	}
	if got := d.Names()[rules[1].JumpChain]; got != "rest" {
		t.Errorf("name of the chain = %q, want rest", got)
	}
}

func TestDocumentIsReadTheSameTwice(t *testing.T) {
	_, a := twoTenants(t)
	_, b := twoTenants(t)
	if !reflect.DeepEqual(a, b) {
		t.Error("one document made two different snapshots")
	}
}

func TestDocumentSurvivesExport(t *testing.T) {
	d, s := twoTenants(t)
	var out bytes.Buffer
	if err := NewDocument(s, d.Names(), d.Workloads()).Write(&out); err != nil {
		t.Fatal(err)
	}
	again, s2 := readDocument(t, out.String())
	if !reflect.DeepEqual(s, s2) {
		t.Errorf("the exported document makes another snapshot:\n%s", out.String())
	}
	if !reflect.DeepEqual(d.Workloads(), again.Workloads()) || !reflect.DeepEqual(d.Names(), again.Names()) {
		t.Errorf("the exported document has other workloads or names:\n%s", out.String())
	}
	if len(again.Unknown) != 0 {
		t.Errorf("the exported document has members that a reader does not know: %q", again.Unknown)
	}
}

// TestExportWithoutNames exports objects of which some share their names, and others have
// none.
func TestExportWithoutNames(t *testing.T) {
	_, s := twoTenants(t)
	for _, b := range s.Bridges {
		b.Name = "lan"
	}
	for _, c := range s.Chains {
		c.Name = ""
	}
	var out bytes.Buffer
	if err := NewDocument(s, nil, nil).Write(&out); err != nil {
		t.Fatal(err)
	}
	_, s2 := readDocument(t, out.String())
	for _, p := range s.Ports {
		p.Name = ""
	}
	for id, b := range s2.Bridges { // the name had to give way to the id
		if b.Name != id.String() {
			t.Errorf("bridge %v has the name %q", id, b.Name)
		}
		b.Name = "lan"
	}
	for _, c := range s2.Chains {
		c.Name = ""
	}
	if !reflect.DeepEqual(s, s2) {
		t.Errorf("the exported document makes another snapshot:\n%s", out.String())
	}
}

func TestPortNames(t *testing.T) {
	d, s := twoTenants(t)
	for _, p := range s.Ports {
		if p.Name != "d1" {
			p.Name = ""
		}
	}
	names := s.PortNames()
	for port, want := range map[string]string{"w1": "web/veth1", "d1": "d1", "edge-web": "edge/web", "spare": "", "trunk": "blue-lan/web"} {
		id, err := d.Port(port)
		if err != nil {
			t.Fatal(err)
		}
		if names[id] != want {
			t.Errorf("name for %s = %q, want %q", port, names[id], want)
		}
	}
	var out bytes.Buffer
	if err := NewDocument(s, names, d.Workloads()).Write(&out); err != nil {
		t.Fatal(err)
	}
	for id, p := range s.Ports {
		p.Name = names[id]
	}
	if _, again := readDocument(t, out.String()); !reflect.DeepEqual(s, again) {
		t.Errorf("the document with other names makes another snapshot:\n%s", out.String())
	}
}

func TestExportLeavesOutWhatTheSystemMade(t *testing.T) {
	d, s := twoTenants(t)
	var want bytes.Buffer
	if err := NewDocument(s, d.Names(), nil).Write(&want); err != nil {
		t.Fatal(err)
	}
	id, err := d.Port("spare")
	if err != nil {
		t.Fatal(err)
	}
	request := ID{1}
	chain := &Chain{ID: ID{2}, Name: TraceChainPrefix + request.String()}
	s.Chains[chain.ID] = chain
	s.Ports[id].InboundFilter = chain.ID
	s.Rules[chain.ID] = []*Rule{{ID: ID{3}, Chain: chain.ID, Type: TraceRule, Request: request, Device: id, Limit: 1}}
	var out bytes.Buffer
	if err := NewDocument(s, d.Names(), nil).Write(&out); err != nil {
		t.Fatal(err)
	}
	if out.String() != want.String() {
		t.Errorf("with a trace request on spare the export is\n%s\nwant\n%s", out.String(), want.String())
	}
}

func TestDocumentNamesPlaces(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"no object", `[]`, ""},
		{"no array", `{"bridges":{}}`, "bridges"},
		{"element", `{"bridges":[1]}`, "bridges[0]"},
		{"no name", `{"bridges":[{}]}`, "bridges[0].name"},
		{"long name", `{"bridges":[{"name":"` + strings.Repeat("é", 256) + `"}]}`, "bridges[0].name"},
		{"name twice", `{"bridges":[{"name":"a"},{"name":"a"}]}`, "bridges[1].name"},
		{"name of two devices", `{"bridges":[{"name":"a"}],"routers":[{"name":"a"}]}`, "routers[0].name"},
		{"id twice", `{"bridges":[{"name":"a","id":"` + idA + `"},{"name":"b","id":"` + idA + `"}]}`, "bridges[1].id"},
		{"filter", `{"bridges":[{"name":"a","inboundFilter":"x","outboundFilter":7}]}`, "bridges[0].outboundFilter"},
		{"filter that is not there", `{"bridges":[{"name":"a","inboundFilter":"x"}]}`, "bridges[0].inboundFilter"},
		{"device", `{"ports":[{"name":"p"}]}`, "ports[0].device"},
		{"device that is not there", `{"ports":[{"name":"p","device":"x"}]}`, "ports[0].device"},
		{"peer that is not there", `{"bridges":[{"name":"a"}],"ports":[{"name":"p","device":"a","peer":"q"}]}`, "ports[0].peer"},
		{"peer of itself", `{"bridges":[{"name":"a"}],"ports":[{"name":"p","device":"a","peer":"p"}]}`, "ports[0].peer"},
		{"peer of two", `{"routers":[{"name":"a"}],"ports":[{"name":"p","device":"a","peer":"q"},{"name":"q","device":"a"},{"name":"r","device":"a","peer":"q"}]}`, "ports[2].peer"},
		{"bridges without a VLAN", `{"bridges":[{"name":"a"},{"name":"b"}],"ports":[{"name":"p","device":"a","peer":"q"},{"name":"q","device":"b"}]}`, "ports[0].peer"},
		{"bridges with two VLANs", `{"bridges":[{"name":"a"},{"name":"b"}],"ports":[{"name":"p","device":"a","peer":"q","vlanId":1},{"name":"q","device":"b","vlanId":1}]}`, "ports[0].peer"},
		{"VLAN twice", `{"bridges":[{"name":"a"},{"name":"b"}],"ports":[
			{"name":"p","device":"a","vlanId":1,"peer":"q"},{"name":"q","device":"b"},
			{"name":"r","device":"a","vlanId":1,"peer":"s"},{"name":"s","device":"b"}]}`, "ports[2].peer"},
		{"VLAN of a router port", `{"routers":[{"name":"a"}],"ports":[{"name":"p","device":"a","vlanId":1}]}`, "ports[0].vlanId"},
		{"address of a bridge port", `{"bridges":[{"name":"a"}],"ports":[{"name":"p","device":"a","address":"10.0.0.1/8"}]}`, "ports[0].address"},
		{"group address", `{"routers":[{"name":"a"}],"ports":[{"name":"p","device":"a","mac":"01:00:00:00:00:01"}]}`, "ports[0].mac"},
		{"address", `{"routers":[{"name":"a"}],"ports":[{"name":"p","device":"a","address":"10.0.0.1/33"}]}`, "ports[0].address"},
		{"host and peer", `{"bridges":[{"name":"a"}],"routers":[{"name":"r"}],"ports":[{"name":"p","device":"a","host":"h","interface":"i","peer":"q"},{"name":"q","device":"r"}]}`, "ports[0].peer"},
		{"interface twice", `{"bridges":[{"name":"a"}],"ports":[{"name":"p","device":"a","host":"h","interface":"i"},{"name":"q","device":"a","host":"h","interface":"i"}]}`, "ports[1].interface"},
		{"workload", `{"bridges":[{"name":"a"}],"ports":[{"name":"p","device":"a","workload":{"mac":7}}]}`, "ports[0].workload.address ports[0].workload.mac"},
		{"route", `{"routers":[{"name":"a","routes":[{"port":"p","weight":-1}]}]}`, "routers[0].routes[0].dst routers[0].routes[0].weight"},
		{"route without a port", `{"routers":[{"name":"a","routes":[{"dst":"10.0.0.0/8"}]}]}`, "routers[0].routes[0].port"},
		{"route of another router", `{"routers":[{"name":"a","routes":[{"dst":"10.0.0.0/8","port":"p"}]},{"name":"b"}],"ports":[{"name":"p","device":"b"}]}`, "routers[0].routes[0].port"},
		{"type of a route", `{"routers":[{"name":"a","routes":[{"dst":"10.0.0.0/8","type":"Hole"}]}]}`, "routers[0].routes[0].type"},
		{"type of a rule", `{"chains":[{"name":"c","rules":[{"type":"x"}]}]}`, "chains[0].rules[0].type"},
		{"trace rule", `{"chains":[{"name":"c","rules":[{"type":"trace"}]}]}`, "chains[0].rules[0].type"},
		{"jump to nowhere", `{"chains":[{"name":"c","rules":[{"type":"jump"},{"type":"jump","jumpChain":"x"}]}]}`, "chains[0].rules[0].jumpChain chains[0].rules[1].jumpChain"},
		{"no targets", `{"chains":[{"name":"c","rules":[{"type":"dnat"}]}]}`, "chains[0].rules[0].natTargets"},
		{"targets", `{"chains":[{"name":"c","rules":[{"type":"dnat","natTargets":[{"addressFrom":"10.0.0.9","addressTo":"10.0.0.1","portFrom":9,"portTo":1}]}]}]}`, "chains[0].rules[0].natTargets[0].addressTo chains[0].rules[0].natTargets[0].portTo"},
		{"flow action", `{"chains":[{"name":"c","rules":[{"type":"rev_dnat","flowAction":"x"}]}]}`, "chains[0].rules[0].flowAction"},
		{"condition", `{"chains":[{"name":"c","rules":[{"type":"drop","condition":{"inPorts":["x"],"vlan":0}}]}]}`, "chains[0].rules[0].condition.inPorts[0] chains[0].rules[0].condition.vlan"},
		{"condition in words", `{"chains":[{"name":"c","rules":[{"type":"drop","condition":"src x"}]}]}`, "chains[0].rules[0].condition"},
		{"fragments", `{"chains":[{"name":"c","rules":[{"type":"drop","condition":{"fragmentPolicy":"any","tpDst":{"start":1}}}]}]}`, "chains[0].rules[0].condition.fragmentPolicy"},
		{"group", `{"portGroups":[{"name":"g","ports":["x",7]}],"ipAddrGroups":[{"name":"g","addresses":["x"]}]}`, "ipAddrGroups[0].addresses[0] portGroups[0].ports[1]"},
		{"VLAN at a host", `{"bridges":[{"name":"a"}],"ports":[{"name":"p","device":"a","host":"h","interface":"e","vlanId":5}]}`, "ports[0].vlanId"},
		{"group of what is not there", `{"portGroups":[{"name":"g","ports":["x"]}]}`, "portGroups[0].ports[0]"},
		{"tunnel zone", `{"tunnelZones":[{"name":"z","type":"gre","hosts":[{"host":"h"}]}]}`, "tunnelZones[0].hosts[0].address tunnelZones[0].type"},
		{"tunnel zone of what is not there", `{"tunnelZones":[{"name":"z","hosts":[{"host":"h","address":"10.0.0.1"}]}]}`, "tunnelZones[0].hosts[0].host"},
	} {
		d, err := ReadDocument(strings.NewReader(tt.text))
		if err == nil {
			_, err = d.Snapshot()
		} else if d != nil {
			_, _ = d.Snapshot() // what could be read must not be a trap
		}
		if err == nil {
			t.Errorf("%s: no error", tt.name)
			continue
		}
		if got := properties(t, err); got != tt.want {
			t.Errorf("%s: violations at %q, want %q: %v", tt.name, got, tt.want, err)
		}
	}
}

func TestDocumentTellsTheLineOfASyntaxError(t *testing.T) {
	_, err := ReadDocument(strings.NewReader("{\n \"bridges\": [\n}"))
	if err == nil || !strings.Contains(err.Error(), "line 3") {
		t.Errorf("error = %v, want one of line 3", err)
	}
}

func TestDocumentNotesWhatItDoesNotKnow(t *testing.T) {
	d, err := ReadDocument(strings.NewReader(`{"bridges":[{"name":"a","inboundfilter":"x"}],"version":1,
		"chains":[{"name":"c","rules":[{"type":"drop","condition":{"nwproto":6,"inPorts":["p"],"icmpDataDstIpLength":8}}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"bridges[0].inboundfilter", "chains[0].rules[0].condition.nwproto", "version"}; !reflect.DeepEqual(d.Unknown, want) {
		t.Errorf("Unknown = %q, want %q", d.Unknown, want)
	}
}

func TestDocumentNeedNotNameHosts(t *testing.T) {
	_, s := readDocument(t, `{"bridges":[{"name":"a"}],"ports":[
		{"name":"p","device":"a","workload":{"mac":"02:00:00:00:00:01","address":"10.0.0.1"}},
		{"name":"q","device":"a","interface":"eth0"}]}`)
	for _, p := range s.Ports {
		if !p.Exterior() {
			t.Errorf("port %+v is not exterior", p)
		}
	}
}

func FuzzReadDocument(f *testing.F) {
	text, err := os.ReadFile("testdata/two-tenants.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"bridges":[{"name":"a"}],"ports":[{"name":"p","device":"a","peer":"p"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := ReadDocument(bytes.NewReader(data))
		if err != nil {
			return
		}
		s, err := d.Snapshot()
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := NewDocument(s, d.Names(), d.Workloads()).Write(&out); err != nil {
			t.Fatal(err)
		}
		again, err := ReadDocument(&out)
		if err != nil {
			t.Fatal(err)
		}
		s2, err := again.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		if len(s.Ports) != len(s2.Ports) || len(s.Routes) != len(s2.Routes) || len(s.Chains) != len(s2.Chains) {
			t.Fatalf("%s: the export has other objects", data)
		}
	})
}

// A port that is plugged in nowhere may have a VLAN, as REST makes it, and is exported so
// that it can be imported.
func TestUnpluggedPortWithVLAN(t *testing.T) {
	const text = `{"bridges":[{"name":"a"}],"ports":[{"name":"p","device":"a","vlanId":5}]}`
	d, err := ReadDocument(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	s, err := d.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if p := s.Ports[NamedID(KindPort, "p")]; p == nil || p.VLAN != 5 {
		t.Fatalf("got %+v, want a port of VLAN 5", p)
	}
	var out bytes.Buffer
	if err := NewDocument(s, s.PortNames(), nil).Write(&out); err != nil || !strings.Contains(out.String(), `"vlanId": 5`) {
		t.Errorf("exported: %s, %v, want the VLAN", out.String(), err)
	}
	again, err := ReadDocument(&out)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.Snapshot(); err != nil {
		t.Errorf("what was exported cannot be imported: %v", err)
	}
}
