// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func host(kind URIType, stream StreamType, family int, address string, port uint16) URI {
	d := DestinationHost
	switch family {
	case 4:
		d = DestinationIPv4
	case 6:
		d = DestinationIPv6
	}
	return URI{DestinationType: d, Type: kind, Stream: stream, Protocol: TCP, Family: family, Address: address, Port: port}
}

func TestParseConsumerURIs(t *testing.T) {
	v4 := func(control, data uint16) []URI {
		return []URI{host(Destination, ControlStream, 4, "192.168.1.10", control), host(Destination, DataStream, 4, "192.168.1.10", data)}
	}
	with := func(uris []URI, change func(*URI)) []URI {
		for i := range uris {
			change(&uris[i])
		}
		return uris
	}
	path := func(p string) []URI {
		return []URI{{DestinationType: DestinationPath, Type: Destination, Stream: BothStreams, Path: p}}
	}
	udp := v4(5342, 5343)
	udp[1].Protocol = UDP
	udp[1].Options = map[string]string{"mtu": "1400", "reliable": "0"}
	hops := []URI{
		host(Hop, ControlStream, 0, "a", 1), host(Hop, ControlStream, 6, "::1", 2), host(Destination, ControlStream, 4, "192.168.1.10", 5342),
		host(Hop, DataStream, 0, "a", 3), host(Destination, DataStream, 4, "192.168.1.10", 9),
	}
	tests := []struct {
		name               string
		arg, control, data string
		want               []URI
		format             string
		warning            string
	}{
		{name: "nothing"},
		{name: "net", arg: "net://192.168.1.10", want: v4(5342, 5343), format: "tcp4://192.168.1.10:5342/ [data: 5343]"},
		{name: "case", arg: "NET4://192.168.1.10/", want: v4(5342, 5343), format: "tcp4://192.168.1.10:5342/ [data: 5343]"},
		{name: "ports", arg: "net://192.168.1.10:1:2", want: v4(1, 2), format: "tcp4://192.168.1.10:1/ [data: 2]"},
		{name: "first port", arg: "net://192.168.1.10:1", want: v4(1, 5343), format: "tcp4://192.168.1.10:1/ [data: 5343]"},
		{name: "second port", arg: "net://192.168.1.10::2", want: v4(5342, 2), format: "tcp4://192.168.1.10:5342/ [data: 2]"},
		{name: "port 0", arg: "net://192.168.1.10:0:0", want: v4(5342, 5343), format: "tcp4://192.168.1.10:5342/ [data: 5343]"},
		{name: "one tcp", arg: "tcp://192.168.1.10:7", want: v4(7, 5343), format: "tcp4://192.168.1.10:7/ [data: 5343]"},
		{
			name: "subdir", arg: "net://192.168.1.10/a,b/c", format: "tcp4://192.168.1.10:5342/a,b/c [data: 5343]",
			want: with(v4(5342, 5343), func(u *URI) { u.Subdir = "a,b/c" }),
		},
		{
			name: "options", arg: "net://192.168.1.10/x,y?timeout=5", format: "tcp4://192.168.1.10:5342/x,y?timeout=5s [data: 5343]",
			want: with(v4(5342, 5343), func(u *URI) {
				u.Subdir, u.Options = "x,y", map[string]string{"timeout": "5s"}
			}),
		},
		{
			name: "name", arg: "net://relay.example:1", format: "tcp://relay.example:1/ [data: 5343]",
			want: []URI{host(Destination, ControlStream, 0, "relay.example", 1), host(Destination, DataStream, 0, "relay.example", 5343)},
		},
		{
			name: "ipv6", arg: "net6://[fe80::1%eth0]:1:2", format: "tcp6://[fe80::1%eth0]:1/ [data: 2]",
			want: []URI{host(Destination, ControlStream, 6, "fe80::1%eth0", 1), host(Destination, DataStream, 6, "fe80::1%eth0", 2)},
		},
		{name: "both equal", control: "net://192.168.1.10", data: "net://192.168.1.10", want: v4(5342, 5343), format: "tcp4://192.168.1.10:5342/ [data: 5343]"},
		{name: "control net", control: "net://192.168.1.10", want: v4(5342, 5343), format: "tcp4://192.168.1.10:5342/ [data: 5343]"},
		{name: "pair", control: "tcp4://192.168.1.10:8", data: "tcp4://192.168.1.10:9", want: v4(8, 9), format: "tcp4://192.168.1.10:8/ [data: 9]"},
		{
			name: "split", control: "tcp://192.168.1.10", data: "tcp://b", format: "tcp4://192.168.1.10:5342/ [data: tcp://b:5343/]",
			want: []URI{host(Destination, ControlStream, 4, "192.168.1.10", 5342), host(Destination, DataStream, 0, "b", 5343)},
		},
		{
			name: "udp", control: "tcp://192.168.1.10", data: "udp://192.168.1.10?mtu=1400&reliable=0", want: udp,
			format: "tcp4://192.168.1.10:5342/ [data: udp4://192.168.1.10:5343/?mtu=1400&reliable=0]",
		},
		{
			name: "hops", control: "tcp://a:1,tcp6://[::1]:2,tcp://192.168.1.10", data: "tcp://a:3,tcp://192.168.1.10:9", want: hops,
			format: "tcp://a:1,tcp6://[::1]:2,tcp4://192.168.1.10:5342/ [data: tcp://a:3,tcp4://192.168.1.10:9/]",
		},
		{name: "file", arg: "file:///a/../b?c", want: path("/b?c"), format: "/b?c"},
		{name: "absolute", arg: "/a/b/", want: path("/a/b"), format: "/a/b"},
		{name: "relative", arg: "a/b", want: path("/here/a/b"), format: "/here/a/b"},
		{name: "commas", arg: "a,b?x", want: path("/here/a,b?x"), format: "/here/a,b?x"},
		{name: "unknown scheme", arg: "xyz://a", want: path("/here/xyz:/a"), format: "/here/xyz:/a", warning: `unknown scheme in "xyz://a": taken as a file name`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, warnings, err := ParseConsumerURIs(tt.arg, tt.control, tt.data, "/here")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if s := FormatURIs(got); s != tt.format {
				t.Errorf("FormatURIs = %q, want %q", s, tt.format)
			}
			if w := strings.Join(warnings, "|"); w != tt.warning {
				t.Errorf("warnings %q, want %q", w, tt.warning)
			}
			if again, err := ParseURIs(Strings(got)); err != nil || !SameURIs(again, got) {
				t.Errorf("ParseURIs(%q) = %v, %v, want %v", Strings(got), again, err, got)
			}
		})
	}
}

func TestParseConsumerURIsRefuses(t *testing.T) {
	long := strings.Repeat("x", 300)
	nine := strings.Repeat("tcp://h:1,", 9)
	tests := []struct {
		name               string
		arg, control, data string
		code               Code
		text               string
	}{
		{"third port", "net://h:1:2:3", "", "", CodeInvalid, `"net://h:1:2:3": Trailing characters not recognized: ":2:3"`},
		{"second port of tcp", "tcp://h:1:2", "", "", CodeInvalid, `"tcp://h:1:2": Trailing characters not recognized: ":2"`},
		{"after the port", "net://[::1]x", "", "", CodeInvalid, `"net://[::1]x": Trailing characters not recognized: "x"`},
		{"udp alone", "udp://h", "", "", CodeInvalid, `"udp://h": control path must be TCP`},
		{"udp control", "", "udp://h", "tcp://h", CodeInvalid, `"udp://h": control path must be TCP`},
		{"file control", "", "/a", "tcp://h", CodeInvalid, `"/a": control path must be TCP`},
		{"file data", "", "tcp://h", "/a", CodeInvalid, `"/a": data URI must be TCP or UDP`},
		{"no full path", "file://a", "", "", CodeInvalid, `"file://a": Missing destination full path.`},
		{"no data", "", "tcp://h", "", CodeNoDataURL, "Both control and data URLs must be specified."},
		{"no control", "", "", "tcp://h", CodeNoControlURL, "Both control and data URLs must be specified."},
		{"too many", "net://h", "tcp://h", "", CodeInvalid, "one URI for all and separate URIs for control and data exclude each other"},
		{"net data", "", "tcp://h", "net://h", CodeInvalid, `"net://h": net stands for control and data: not allowed as data URI`},
		{"net control", "", "net://h", "tcp://h", CodeInvalid, `"net://h": net stands for control and data: give it alone, or tcp URIs`},
		{"subdirs", "", "tcp://h/a", "tcp://h/b", CodeInvalid, `"tcp://h/b": control and data differ in their sub-directories`},
		{"climbing", "net://h/a/../b", "", "", CodeInvalid, `"net://h/a/../b": invalid subdirectory: "a/../b"`},
		{"port", "net://h:65536", "", "", CodeInvalid, `"net://h:65536": invalid port number: "65536"`},
		{"family", "net6://127.0.0.1", "", "", CodeInvalid, `"net6://127.0.0.1": address family mismatch: "127.0.0.1"`},
		{"no host", "net://", "", "", CodeInvalid, `"net://": invalid host`},
		{"unknown option", "net://h?a=1", "", "", CodeInvalid, `"net://h?a=1": unknown option "a"`},
		{"twice", "net://h?rate=1&rate=2", "", "", CodeInvalid, `"net://h?rate=1&rate=2": option "rate" is given twice`},
		{"empty option", "net://h?rate=", "", "", CodeInvalid, `"net://h?rate=": option "rate": want a size such as 4096, 256k, 1M or 2G, got ""`},
		{"timeout", "net://h?timeout=-1", "", "", CodeInvalid, `"net://h?timeout=-1": option "timeout": want seconds, or a time such as 500ms, got "-1"`},
		{"compress with", "net://h?compress=lz4", "", "", CodeInvalid, `"net://h?compress=lz4": option "compress": want zstd, got "lz4"`},
		{"compress", "net://h?compress=zstd", "", "", CodeNotSupported, `"net://h?compress=zstd": option "compress": packets are not compressed yet`},
		{"compress data", "", "tcp://h", "udp://h?compress=zstd", CodeNotSupported, `"udp://h?compress=zstd": option "compress": packets are not compressed yet`},
		{"rate of tcp", "", "tcp://h", "tcp://h?rate=1M", CodeNotSupported, `"tcp://h?rate=1M": option "rate" is for UDP: TCP is not limited yet`},
		{"mtu of tcp", "net://h?mtu=1400", "", "", CodeInvalid, `"net://h?mtu=1400": option "mtu" is for UDP`},
		{"mtu", "", "tcp://h", "udp://h?mtu=65452", CodeInvalid, `"udp://h?mtu=65452": option "mtu": want 128 to 65451 bytes, got "65452"`},
		{"hops of udp", "", "tcp://h", "tcp://a:1,udp://h", CodeInvalid, `"tcp://a:1,udp://h": UDP data cannot pass hops`},
		{"hop without port", "", "tcp://a,tcp://h", "tcp://h", CodeInvalid, `"tcp://a,tcp://h": invalid hop: "tcp://a"`},
		{"hop of unknown scheme", "", "xyz://a:1,tcp://h", "tcp://h", CodeInvalid, `"xyz://a:1,tcp://h": unknown protocol: "xyz"`},
		{"hops", nine + "net://h", "", "", CodeInvalid, "invalid hop"},
		{"host length", "net://" + long, "", "", CodeInvalid, "invalid host"},
		{"length", "net://h/" + strings.Repeat("x", 4096), "", "", CodeInvalid, "longer than 4096 bytes"},
		{"control character", "net://h/a\nb", "", "", CodeInvalid, `"net://h/a\nb": control character in URL: "\n"`},
		{"control character in path", "a\nb", "", "", CodeInvalid, "control character in URL"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			uris, _, err := ParseConsumerURIs(tt.arg, tt.control, tt.data, "/here")
			p, ok := errors.AsType[*Problem](err)
			if !ok || p.Code != tt.code || p.Name != tt.code.String() {
				t.Fatalf("= %v, %#v, want a problem with code %d", uris, err, tt.code)
			}
			if p.Message != tt.text && !(len(tt.text) < 30 && strings.Contains(p.Message, tt.text)) {
				t.Errorf("message %q, want %q", p.Message, tt.text)
			}
		})
	}
}

func TestParseSize(t *testing.T) {
	good := map[string]uint64{"0": 0, "4096": 4096, "1k": 1024, "1K": 1024, "2M": 2 << 20, "3G": 3 << 30, "0x10": 16}
	for s, want := range good {
		if n, err := ParseSize(s); err != nil || n != want {
			t.Errorf("ParseSize(%q) = %d, %v, want %d", s, n, err, want)
		}
	}
	for _, s := range []string{"", "k", "-1", "1.5M", "1kk", "1_000", "9999999999G", "10 M"} {
		if n, err := ParseSize(s); err == nil {
			t.Errorf("ParseSize(%q) = %d, want an error", s, n)
		}
	}
}

// What is read is printed in one form, and that reads back to the same.
func FuzzParseConsumerURIs(f *testing.F) {
	for _, seed := range [][3]string{
		{"net://192.168.1.10:1:2/a?timeout=1", "", ""},
		{"", "tcp://a:1,tcp6://[::1]:2,tcp://b/d", "udp4://127.0.0.1?mtu=1400&window=2M&reliable=1"},
		{"net6://[fe80::1%25]", "", ""},
		{"file:///a//b/../c", "", ""},
		{"xyz://a", "", ""},
		{"a,b?c", "", ""},
		{"net://h?timeout=1.5us", "", ""},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, arg, control, data string) {
		uris, _, err := ParseConsumerURIs(arg, control, data, "/cwd")
		if err != nil {
			if _, ok := errors.AsType[*Problem](err); !ok {
				t.Fatalf("%v is no problem", err)
			}
			return
		}
		list := Strings(uris)
		again, err := ParseURIs(list)
		if err != nil || !SameURIs(uris, again) {
			t.Fatalf("%q: read back as %v, %v, want %v", list, again, err, uris)
		}
	})
}
