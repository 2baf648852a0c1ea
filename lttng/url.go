// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package lttng

import (
	"errors"
	"net"
	"strconv"
	"strings"
)

// Scheme is the protocol part of a [URL], in lower case.
type Scheme string

// Schemes of URLs. The net schemes mean a control and a data connection, the
// tcp and udp schemes one connection; 4 and 6 fix the address family.
const (
	SchemeNet  Scheme = "net"
	SchemeNet4 Scheme = "net4"
	SchemeNet6 Scheme = "net6"
	SchemeTCP  Scheme = "tcp"
	SchemeTCP4 Scheme = "tcp4"
	SchemeTCP6 Scheme = "tcp6"
	SchemeUDP  Scheme = "udp"
	SchemeUDP4 Scheme = "udp4"
	SchemeUDP6 Scheme = "udp6"
	SchemeFile Scheme = "file"
)

// IsNet reports whether the scheme stands for a control and a data connection.
func (s Scheme) IsNet() bool { return strings.HasPrefix(string(s), "net") }

// Network returns the network name for package net: "tcp", "udp", or one of
// them with the family; "" for file. The plain forms prefer IPv4, as LTTng,
// which knows nothing else there, made everybody expect.
func (s Scheme) Network() string {
	switch {
	case s == SchemeFile:
		return ""
	case s.IsNet():
		return "tcp" + strings.TrimPrefix(string(s), "net")
	}
	return string(s)
}

func (s Scheme) known() bool {
	switch s {
	case SchemeNet, SchemeNet4, SchemeNet6, SchemeTCP, SchemeTCP4, SchemeTCP6,
		SchemeUDP, SchemeUDP4, SchemeUDP6, SchemeFile:
		return true
	}
	return false
}

// Port is a port of a URL. It may be missing, which differs from 0: a relay
// told to listen on 0 lets the system choose.
type Port struct {
	Number uint16
	Set    bool
}

// Or returns the number, or def if the URL has none.
func (p Port) Or(def uint16) uint16 {
	if !p.Set {
		return def
	}
	return p.Number
}

// Hop is a relay on the way to the destination of a [URL].
type Hop struct {
	Scheme Scheme // tcp, tcp4 or tcp6
	Host   string // without brackets
	Port   uint16
}

// String returns the hop as it stands in a list.
func (h Hop) String() string {
	return string(h.Scheme) + "://" + joinHostPort(h.Host, strconv.Itoa(int(h.Port)))
}

// URL names a place for traces: a relay, or a local directory.
//
//	url     = [hop "," …] network / local
//	hop     = ("tcp" / "tcp4" / "tcp6") "://" host ":" port
//	network = proto "://" host [":" [port] [":" [port]]] ["/" subdir]
//	local   = "/" path / "file://" "/" path
//
// Only net URLs have a second port. A port of 0 counts as missing, save in
// [ParseListenURL].
type URL struct {
	Hops   []Hop // in the order of travel
	Scheme Scheme
	Host   string // name or address, without brackets; "" for file
	Port   Port   // of a net URL: the control port
	Data   Port   // of a net URL: the data port
	Subdir string // base path of the session, verbatim, without the first slash
	Path   string // of a file URL: absolute
}

// String returns a URL that [ParseURL] reads back to the same value.
func (u URL) String() string {
	var b strings.Builder
	for _, h := range u.Hops {
		b.WriteString(h.String() + ",")
	}
	b.WriteString(string(u.Scheme) + "://")
	if u.Scheme == SchemeFile {
		b.WriteString(u.Path)
		return b.String()
	}
	b.WriteString(joinHostPort(u.Host, ""))
	if u.Port.Set || u.Data.Set {
		b.WriteByte(':')
	}
	if u.Port.Set {
		b.WriteString(strconv.Itoa(int(u.Port.Number)))
	}
	if u.Data.Set {
		b.WriteString(":" + strconv.Itoa(int(u.Data.Number)))
	}
	if u.Subdir != "" {
		b.WriteString("/" + u.Subdir)
	}
	return b.String()
}

// Addr returns "host:port" of the first port, def if it is missing.
func (u URL) Addr(def uint16) string {
	return net.JoinHostPort(u.Host, strconv.Itoa(int(u.Port.Or(def))))
}

// DataAddr returns "host:port" of a net URL's data port, def if it is missing.
func (u URL) DataAddr(def uint16) string {
	return net.JoinHostPort(u.Host, strconv.Itoa(int(u.Data.Or(def))))
}

// joinHostPort brackets IPv6 addresses; an empty port is left out.
func joinHostPort(host, port string) string {
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port == "" {
		return host
	}
	return host + ":" + port
}

// Reasons a URL is refused. A [*URLError] wraps one of them.
var (
	ErrURLFormat     = errors.New("unrecognized URL format")
	ErrURLProtocol   = errors.New("unknown protocol")
	ErrURLHost       = errors.New("invalid host")
	ErrURLFamily     = errors.New("address family mismatch")
	ErrURLPort       = errors.New("invalid port number")
	ErrURLTrailing   = errors.New("trailing characters not recognized")
	ErrURLPath       = errors.New("missing destination full path")
	ErrURLSubdir     = errors.New("invalid subdirectory")
	ErrURLHop        = errors.New("invalid hop")
	ErrURLTooLong    = errors.New("URL too long")
	ErrURLCharacters = errors.New("control character in URL")
)

// URLError says which part of a URL could not be read.
type URLError struct {
	URL  string
	Part string // the offending text; "" if nothing is there
	Err  error
}

// Error gives the message on one line.
func (e *URLError) Error() string {
	s := "lttng: URL " + strconv.Quote(e.URL) + ": " + e.Err.Error()
	if e.Part != "" {
		s += " " + strconv.Quote(e.Part)
	}
	return s
}

// Unwrap returns the reason.
func (e *URLError) Unwrap() error { return e.Err }
