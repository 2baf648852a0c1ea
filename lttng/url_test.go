// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package lttng

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func port(n uint16) Port { return Port{n, true} }

var urlTests = []struct {
	in   string
	want URL
	out  string // of String, if not in
}{
	{"net://relay", URL{Scheme: SchemeNet, Host: "relay"}, ""},
	{"net://relay:5000", URL{Scheme: SchemeNet, Host: "relay", Port: port(5000)}, ""},
	{"net://relay:5000:5001", URL{Scheme: SchemeNet, Host: "relay", Port: port(5000), Data: port(5001)}, ""},
	{"net://relay::2000", URL{Scheme: SchemeNet, Host: "relay", Data: port(2000)}, ""},
	{"net://relay:2000:", URL{Scheme: SchemeNet, Host: "relay", Port: port(2000)}, "net://relay:2000"},
	{"net://relay:", URL{Scheme: SchemeNet, Host: "relay"}, "net://relay"},
	{"net://relay:0:0", URL{Scheme: SchemeNet, Host: "relay"}, "net://relay"},
	{"net4://10.0.0.1", URL{Scheme: SchemeNet4, Host: "10.0.0.1"}, ""},
	{"net6://[::1]:1:2/dir", URL{Scheme: SchemeNet6, Host: "::1", Port: port(1), Data: port(2), Subdir: "dir"}, ""},
	{"net://[::1]", URL{Scheme: SchemeNet, Host: "::1"}, ""},
	{"net6://[fe80::1%lo]:1", URL{Scheme: SchemeNet6, Host: "fe80::1%lo", Port: port(1)}, ""},
	{"tcp://[127.0.0.1]:80", URL{Scheme: SchemeTCP, Host: "127.0.0.1", Port: port(80)}, "tcp://127.0.0.1:80"},
	{"TCP4://Relay:65535", URL{Scheme: SchemeTCP4, Host: "Relay", Port: port(65535)}, "tcp4://Relay:65535"},
	{"tcp6://relay", URL{Scheme: SchemeTCP6, Host: "relay"}, ""},
	{"tcp://relay:1/", URL{Scheme: SchemeTCP, Host: "relay", Port: port(1)}, "tcp://relay:1"},
	{"udp://relay:1", URL{Scheme: SchemeUDP, Host: "relay", Port: port(1)}, ""},
	{"udp4://relay", URL{Scheme: SchemeUDP4, Host: "relay"}, ""},
	{"udp6://[::1]", URL{Scheme: SchemeUDP6, Host: "::1"}, ""},
	{"net://relay/my/sub_dir", URL{Scheme: SchemeNet, Host: "relay", Subdir: "my/sub_dir"}, ""},
	{"net://relay//x", URL{Scheme: SchemeNet, Host: "relay", Subdir: "/x"}, ""},
	{"net://relay/a..b/..c", URL{Scheme: SchemeNet, Host: "relay", Subdir: "a..b/..c"}, ""},
	{"net://relay/a,b", URL{Scheme: SchemeNet, Host: "relay", Subdir: "a,b"}, ""},
	{"file:///var/traces", URL{Scheme: SchemeFile, Path: "/var/traces"}, ""},
	{"/var/traces", URL{Scheme: SchemeFile, Path: "/var/traces"}, "file:///var/traces"},
	{"/odd://name,too", URL{Scheme: SchemeFile, Path: "/odd://name,too"}, "file:///odd://name,too"},
	{"/a,tcp://b:1,c", URL{Scheme: SchemeFile, Path: "/a,tcp://b:1,c"}, "file:///a,tcp://b:1,c"},
	{"tcp://a:1,tcp6://[::1]:2,net://relay/d,e", URL{
		Hops:   []Hop{{SchemeTCP, "a", 1}, {SchemeTCP6, "::1", 2}},
		Scheme: SchemeNet, Host: "relay", Subdir: "d,e",
	}, ""},
}

func TestParseURL(t *testing.T) {
	for _, tt := range urlTests {
		t.Run(tt.in, func(t *testing.T) {
			got, err := ParseURL(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("ParseURL(%q) (-want +got):\n%s", tt.in, diff)
			}
			out := tt.out
			if out == "" {
				out = tt.in
			}
			if s := got.String(); s != out {
				t.Errorf("String() = %q, want %q", s, out)
			}
		})
	}
}

func TestParseURLErrors(t *testing.T) {
	tests := []struct {
		in   string
		err  error
		text string // after the URL
	}{
		{"", ErrURLFormat, `unrecognized URL format`},
		{"relay", ErrURLFormat, `unrecognized URL format "relay"`},
		{"some/dir", ErrURLFormat, `unrecognized URL format "some/dir"`},
		{"relay:5342", ErrURLFormat, `unrecognized URL format "relay:5342"`},
		{"http://relay", ErrURLProtocol, `unknown protocol "http"`},
		{"net5://relay", ErrURLProtocol, `unknown protocol "net5"`},
		{"://relay", ErrURLProtocol, `unknown protocol`},
		{"net://", ErrURLHost, `invalid host`},
		{"net://:5342", ErrURLHost, `invalid host`},
		{"net:///dir", ErrURLHost, `invalid host`},
		{"net://user@relay", ErrURLHost, `invalid host "user@relay"`},
		{"net://relay?x=1", ErrURLHost, `invalid host "relay?x=1"`},
		{"net://fe80%lo", ErrURLHost, `invalid host "fe80%lo"`},
		{"net://[::1", ErrURLHost, `invalid host "[::1"`},
		{"net://[relay]", ErrURLHost, `invalid host "relay"`},
		{"net://[]", ErrURLHost, `invalid host`},
		{"net://a b", ErrURLHost, `invalid host "a b"`},
		{"net6://::1", ErrURLHost, `invalid host`},
		{"net://" + strings.Repeat("h", 256), ErrURLHost, ""},
		{"net4://[::1]", ErrURLFamily, `address family mismatch "::1"`},
		{"tcp4://[::ffff:1.2.3.4]", ErrURLFamily, `address family mismatch "::ffff:1.2.3.4"`},
		{"udp6://127.0.0.1", ErrURLFamily, `address family mismatch "127.0.0.1"`},
		{"net://relay:abc", ErrURLPort, `invalid port number "abc"`},
		{"net://relay:-1", ErrURLPort, `invalid port number "-1"`},
		{"net://relay:+1", ErrURLPort, `invalid port number "+1"`},
		{"net://relay:65536", ErrURLPort, `invalid port number "65536"`},
		{"net://relay:1:x", ErrURLPort, `invalid port number "x"`},
		{"net://relay:1:2:3", ErrURLTrailing, `trailing characters not recognized ":2:3"`},
		{"tcp://relay:1:2", ErrURLTrailing, `trailing characters not recognized ":2"`},
		{"tcp://[::1]x", ErrURLTrailing, `trailing characters not recognized "x"`},
		{"file://", ErrURLPath, `missing destination full path`},
		{"file://dir", ErrURLPath, `missing destination full path "dir"`},
		{"net://relay/a/../b", ErrURLSubdir, `invalid subdirectory "a/../b"`},
		{"net://relay/..", ErrURLSubdir, `invalid subdirectory ".."`},
		{"net://a:1,net://relay", ErrURLHop, `invalid hop "net://a:1"`},
		{"tcp://a,net://relay", ErrURLHop, `invalid hop "tcp://a"`},
		{"tcp://a:0,net://relay", ErrURLHop, `invalid hop "tcp://a:0"`},
		{"a:1,net://relay", ErrURLFormat, `unrecognized URL format "a:1"`},
		{"tcp://a:1,", ErrURLFormat, `unrecognized URL format`},
		{"tcp://a:1,/var/traces", ErrURLHop, `invalid hop "tcp://a:1"`},
		{"tcp://a:1,udp://relay:1", ErrURLHop, `invalid hop "tcp://a:1"`},
		{strings.Repeat("tcp://a:1,", 9) + "net://relay", ErrURLHop, `invalid hop "tcp://a:1"`},
		{"net://relay/a\nb", ErrURLCharacters, `control character in URL "\n"`},
		{"/a\x00b", ErrURLCharacters, `control character in URL "\x00"`},
		{"/" + strings.Repeat("a", 4096), ErrURLTooLong, `URL too long`},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			u, err := ParseURL(tt.in)
			if !errors.Is(err, tt.err) {
				t.Fatalf("ParseURL(%q) = %+v, error %v, want %v", tt.in, u, err, tt.err)
			}
			if e, ok := errors.AsType[*URLError](err); !ok || e.URL == "" && tt.in != "" {
				t.Errorf("error %#v, want *URLError with the URL", err)
			}
			if !strings.HasSuffix(err.Error(), `": `+tt.text) && tt.text != "" {
				t.Errorf("error %q, want ending %q", err, tt.text)
			}
		})
	}
}

func TestParseListenURL(t *testing.T) {
	tests := []struct {
		in   string
		want URL
		err  error
	}{
		{"tcp://0.0.0.0:5342", URL{Scheme: SchemeTCP, Host: "0.0.0.0", Port: port(5342)}, nil},
		{"tcp://localhost", URL{Scheme: SchemeTCP, Host: "localhost"}, nil},
		{"tcp://localhost:0", URL{Scheme: SchemeTCP, Host: "localhost", Port: port(0)}, nil},
		{"tcp6://[::]:5342", URL{Scheme: SchemeTCP6, Host: "::", Port: port(5342)}, nil},
		{"net://h:1:2", URL{Scheme: SchemeTCP, Host: "h", Port: port(1)}, nil},
		{"net4://h:1:2/dir", URL{Scheme: SchemeTCP4, Host: "h", Port: port(1)}, nil},
		{"udp://h:1", URL{}, ErrURLProtocol},
		{"file:///dir", URL{}, ErrURLProtocol},
		{"/dir", URL{}, ErrURLProtocol},
		{"tcp://a:1,tcp://h:1", URL{}, ErrURLHop},
		{"tcp://h:65536", URL{}, ErrURLPort},
		{"h:1", URL{}, ErrURLFormat},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			got, err := ParseListenURL(tt.in)
			if !errors.Is(err, tt.err) {
				t.Fatalf("error %v, want %v", err, tt.err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestURLAddresses(t *testing.T) {
	tests := []struct{ in, control, data, network string }{
		{"net://relay", "relay:5342", "relay:5343", "tcp"},
		{"net6://[::1]:1:2", "[::1]:1", "[::1]:2", "tcp6"},
		{"net4://h::2", "h:5342", "h:2", "tcp4"},
		{"tcp4://h:1", "h:1", "h:5343", "tcp4"},
		{"udp6://h:1", "h:1", "h:5343", "udp6"},
		{"file:///d", ":5342", ":5343", ""},
	}
	for _, tt := range tests {
		u, err := ParseURL(tt.in)
		if err != nil {
			t.Fatal(err)
		}
		if got := u.Addr(DefaultControlPort); got != tt.control {
			t.Errorf("%s: control %q, want %q", tt.in, got, tt.control)
		}
		if got := u.DataAddr(DefaultDataPort); got != tt.data {
			t.Errorf("%s: data %q, want %q", tt.in, got, tt.data)
		}
		if got := u.Scheme.Network(); got != tt.network {
			t.Errorf("%s: network %q, want %q", tt.in, got, tt.network)
		}
	}
}
