// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/client/relay"
)

func uri(kind agent.URIType, stream agent.StreamType, address string, port uint16) agent.URI {
	return agent.URI{
		DestinationType: agent.DestinationHost, Type: kind, Stream: stream, Protocol: agent.TCP, Family: 4, Address: address, Port: port,
	}
}

func TestParseDestination(t *testing.T) {
	sub := uri(agent.Destination, agent.ControlStream, "h", 0)
	sub.Subdir = "a/b"
	up := sub
	up.Subdir = "a/../b"
	udp := uri(agent.Destination, agent.ControlStream, "h", 0)
	udp.Protocol = agent.UDP
	six := uri(agent.Destination, agent.BothStreams, "::1", 0)
	six.Family = 6
	data := uri(agent.Destination, agent.DataStream, "h", 9)
	datagrams := func(options map[string]string) agent.URI {
		u := uri(agent.Destination, agent.DataStream, "h", 0)
		u.Protocol, u.Options = agent.UDP, options
		return u
	}
	hopping := []agent.URI{
		uri(agent.Hop, agent.ControlStream, "a", 1), uri(agent.Destination, agent.ControlStream, "h", 0),
		uri(agent.Hop, agent.DataStream, "b", 2), uri(agent.Destination, agent.DataStream, "h", 0),
	}
	with := func(u agent.URI, key, value string) agent.URI {
		u.Options = map[string]string{key: value}
		return u
	}
	all := map[string]string{agent.OptionMTU: "1400", agent.OptionWindow: "1048576", agent.OptionRate: "5000000", agent.OptionReliable: "0"}
	tests := []struct {
		name string
		uris []agent.URI
		want string // canonical form
		code agent.Code
		says string
	}{
		{"directory", []agent.URI{localURI("/a//b/")}, "/a/b", 0, ""},
		{"relative directory", []agent.URI{localURI("a")}, "", agent.CodeInvalid, "full path"},
		{"directory beside another", []agent.URI{localURI("/a"), data}, "", agent.CodeInvalid, "no other"},
		{"both streams", []agent.URI{uri(agent.Destination, agent.BothStreams, "h", 7)}, "tcp4://h:7/ [data: 5343]", 0, ""},
		{"IPv6", []agent.URI{six}, "tcp6://[::1]:5342/ [data: 5343]", 0, ""},
		{"subdirectory", []agent.URI{sub, data}, "tcp4://h:5342/a/b [data: 9]", 0, ""},
		{"subdirectory that leaves", []agent.URI{up, data}, "", agent.CodeInvalid, ".."},
		{"two hosts", []agent.URI{uri(agent.Destination, agent.ControlStream, "g", 0), data}, "tcp4://g:5342/ [data: tcp4://h:9]", 0, ""},
		{"control over UDP", []agent.URI{udp, data}, "", agent.CodeInvalid, "TCP"},
		{"data over UDP", []agent.URI{sub, datagrams(all)}, "tcp4://h:5342/a/b [data: udp4://h:5343?mtu=1400&rate=5000000&reliable=0&window=1048576]", 0, ""},
		{"hops", hopping, "tcp4://a:1,tcp4://h:5342/ [data: tcp4://b:2,tcp4://h:5343]", 0, ""},
		{"UDP behind hops", []agent.URI{uri(agent.Hop, agent.ControlStream, "x", 1), sub, datagrams(nil)}, "", agent.CodeInvalid, "hops"},
		{"UDP's MTU", []agent.URI{sub, datagrams(map[string]string{agent.OptionMTU: "70000"})}, "", agent.CodeInvalid, "128 to 65451"},
		{"UDP's window", []agent.URI{sub, datagrams(map[string]string{agent.OptionWindow: "much"})}, "", agent.CodeInvalid, "window"},
		{"UDP's rate", []agent.URI{sub, datagrams(map[string]string{agent.OptionRate: "0"})}, "", agent.CodeInvalid, "rate"},
		{"compression", []agent.URI{sub, with(data, agent.OptionCompress, "zstd")}, "", agent.CodeNotSupported, "compress"},
		{"TCP's rate", []agent.URI{with(sub, agent.OptionRate, "1"), data}, "", agent.CodeNotSupported, "rate"},
		{"TCP's MTU", []agent.URI{with(sub, agent.OptionMTU, "1400"), data}, "", agent.CodeInvalid, "UDP"},
		{"timeout", []agent.URI{with(sub, agent.OptionTimeout, "2s"), data}, "tcp4://h:5342/a/b?timeout=2s [data: 9]", 0, ""},
		{"no timeout", []agent.URI{with(sub, agent.OptionTimeout, "0s"), data}, "", agent.CodeInvalid, "above 0"},
		{"unknown option", []agent.URI{with(sub, "a", "b"), data}, "", agent.CodeInvalid, "unknown"},
		{"no control", []agent.URI{data}, "", agent.CodeNoControlURL, "control"},
		{"no data", []agent.URI{sub}, "", agent.CodeNoDataURL, "data"},
		{"hop without a destination", []agent.URI{sub, data, uri(agent.Hop, agent.DataStream, "x", 1)}, "", agent.CodeInvalid, "x:1"},
		{"no address", []agent.URI{uri(agent.Destination, agent.BothStreams, "", 1)}, "", agent.CodeInvalid, "address"},
		{"nothing", nil, "", agent.CodeNoControlURL, "control"},
	}
	for _, tt := range tests {
		got, err := parseDestination(tt.uris)
		var p *agent.Problem
		switch {
		case tt.code == 0 && (err != nil || got.String() != tt.want):
			t.Errorf("%s: got %q, %v; want %q", tt.name, got, err, tt.want)
		case tt.code != 0 && (!errors.As(err, &p) || p.Code != tt.code || !strings.Contains(p.Message, tt.says)):
			t.Errorf("%s: got %v, want code %d and %q", tt.name, err, tt.code, tt.says)
		}
	}
}

// TestSpell reads back what a session tells of its destination.
func TestSpell(t *testing.T) {
	for _, text := range [][3]string{
		{"/a/b"},
		{"net://h"},
		{"net4://h:1:2/sub"},
		{"tcp6://[::1]:9/x"},
		{"", "tcp://a:1,tcp://b:2,tcp4://h/sub", "tcp://c:3,tcp4://h"},
		{"", "tcp://h", "udp://h?mtu=1400&rate=5000000&window=1M&reliable=0"},
		{"", "tcp://h:3", "tcp://g"},
	} {
		want, _, err := agent.ParseConsumerURIs(text[0], text[1], text[2], "/")
		if err != nil {
			t.Fatal(err)
		}
		got, err := agent.ParseURIs(agent.Strings(spell(want)))
		if err != nil || !agent.SameURIs(got, want) {
			t.Errorf("%q: got %v, %v; want %v", text, got, err, want)
		}
	}
	both := agent.URI{DestinationType: agent.DestinationIPv4, Type: agent.Destination, Stream: agent.BothStreams, Protocol: agent.TCP, Family: 4, Address: "127.0.0.1"}
	if got, want := agent.Strings(spell([]agent.URI{both})), []string{"tcp4://127.0.0.1:5342/", "tcp4://127.0.0.1:5343/"}; !slices.Equal(got, want) {
		t.Errorf("one for both: got %q, want %q", got, want)
	}
}

// TestTimeoutOption waits for a relay that says nothing as long as its URI says.
func TestTimeoutOption(t *testing.T) {
	h := newHost(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0") // connected by the kernel, and never served
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	to := (&testRelay{T: t, control: silent.Addr().String(), data: silent.Addr().String()}).uris()
	to[0].Options = map[string]string{agent.OptionTimeout: "50ms"}
	_, _, err = h.daemon.Create(t.Context(), h.by, agent.CreateSession{Name: sessionName, URIs: to})
	h.must(err)
	start := time.Now()
	_, err = h.daemon.EnableConsumer(t.Context(), h.by, sessionName, agent.EnableConsumer{})
	p, ok := errors.AsType[*agent.Problem](err)
	if took := time.Since(start); !ok || p.Code != agent.CodeRelayConnect || took >= defaultDialTimeout {
		t.Errorf("got %v after %v, want error %d after 50ms", err, took, agent.CodeRelayConnect)
	}
}

func TestDatagramOptions(t *testing.T) {
	u := uri(agent.Destination, agent.DataStream, "h", 0)
	u.Options = map[string]string{agent.OptionMTU: "1400", agent.OptionWindow: "1048576", agent.OptionRate: "5000000", agent.OptionReliable: "0"}
	got, err := datagramOptions(u)
	if want := (relay.UDP{Payload: 1400, Window: 1 << 20, Rate: 5e6, Unreliable: true}); err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
}

func TestHopsAreOfTheDestinationBehindThem(t *testing.T) {
	d, err := parseDestination([]agent.URI{
		uri(agent.Hop, agent.ControlStream, "a", 1), uri(agent.Hop, agent.ControlStream, "b", 2),
		uri(agent.Destination, agent.ControlStream, "c", 3),
		uri(agent.Hop, agent.DataStream, "d", 4), uri(agent.Destination, agent.DataStream, "c", 5),
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(d.control.Hops) != 2 || d.control.Hops[1].Host != "b" || len(d.data.Hops) != 1 || d.data.Hops[0].Port != 4 {
		t.Errorf("hops of control %v, of data %v", d.control.Hops, d.data.Hops)
	}
}

func TestCheckName(t *testing.T) {
	for name, good := range map[string]bool{
		"a": true, "a b": true, ".a": true, strings.Repeat("x", maxNameBytes): true,
		"a/b": false, ".": false, "..": false, "a\x00": false, "a\nb": false, strings.Repeat("x", maxNameBytes+1): false,
	} {
		if err := checkName(name); (err == nil) != good {
			t.Errorf("name %q: %v", name, err)
		}
	}
}

func TestSettle(t *testing.T) {
	def := agent.ChannelSettings{SubbufBytes: 1 << 18, SubbufCount: 16, Overwrite: true}
	var done agent.Done
	got, err := settle(agent.ChannelSettings{SubbufBytes: 5000, SubbufCount: 3, TracefileBytes: 100}, def, &done)
	if err != nil || got.SubbufBytes != 8192 || got.SubbufCount != 4 || got.TracefileBytes != 8192 || !got.Overwrite || len(done.Warnings) != 3 {
		t.Errorf("got %+v, %v, warnings %v", got, err, done.Warnings)
	}
	done = agent.Done{}
	if got, err := settle(agent.ChannelSettings{}, def, &done); err != nil || got != def || len(done.Warnings) != 0 {
		t.Errorf("defaults: got %+v, %v, warnings %v", got, err, done.Warnings)
	}
	for name, bad := range map[string]agent.ChannelSettings{
		"small": {SubbufBytes: 1024}, "large": {SubbufBytes: 2 << 30}, "many": {SubbufCount: 2 << 20}, "count without size": {TracefileCount: 2},
	} {
		if _, err := settle(bad, def, &done); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
