// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package lttng

import (
	"net/netip"
	"strconv"
	"strings"
)

// Limits of URLs, in bytes.
const (
	MaxURL     = 4096
	MaxURLHost = 255
	MaxHops    = 8
)

// ParseURL reads the URL of a destination. A port of 0 means the default. An
// error that is [ErrURLProtocol] leaves it to the caller to take s as a file
// name, as the first proposal of these URLs did.
func ParseURL(s string) (URL, error) {
	u, err := parseURL(s)
	if err != nil {
		return URL{}, err
	}
	// 0 cannot be connected to: it asks for the default, as LTTng has it.
	for _, p := range []*Port{&u.Port, &u.Data} {
		if p.Number == 0 {
			*p = Port{}
		}
	}
	return u, nil
}

// ParseListenURL reads the URL of a port to listen on, as in the relay's
// options: tcp://0.0.0.0:5342. The port may be missing, or 0 for one the system
// chooses. Only host and first port count, whatever else the URL says, but hops,
// udp and file URLs are refused.
func ParseListenURL(s string) (URL, error) {
	u, err := parseURL(s)
	if err != nil {
		return URL{}, err
	}
	if len(u.Hops) > 0 {
		return URL{}, &URLError{s, u.Hops[0].String(), ErrURLHop}
	}
	if !strings.HasPrefix(u.Scheme.Network(), "tcp") {
		return URL{}, &URLError{s, string(u.Scheme), ErrURLProtocol}
	}
	return URL{Scheme: Scheme(u.Scheme.Network()), Host: u.Host, Port: u.Port}, nil
}

func parseURL(s string) (URL, error) {
	if len(s) > MaxURL {
		return URL{}, &URLError{s[:32] + "…", "", ErrURLTooLong}
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f {
			return URL{}, &URLError{s, s[i : i+1], ErrURLCharacters}
		}
	}
	p := urlParser{whole: s}
	rest := s
	var u URL
	for {
		hop, after, ok := cutHop(rest)
		if !ok {
			break
		}
		h, err := p.hop(hop)
		if err != nil {
			return URL{}, err
		}
		if u.Hops = append(u.Hops, h); len(u.Hops) > MaxHops {
			return URL{}, p.fail(ErrURLHop, hop)
		}
		rest = after
	}
	if err := p.destination(&u, rest); err != nil {
		return URL{}, err
	}
	// Hops forward streams of bytes to another host.
	if len(u.Hops) > 0 && !strings.HasPrefix(u.Scheme.Network(), "tcp") {
		return URL{}, p.fail(ErrURLHop, u.Hops[0].String())
	}
	return u, nil
}

// cutHop splits s at a comma that ends a hop. A comma in a subdirectory or in a
// path does not: hops have neither.
func cutHop(s string) (hop, after string, ok bool) {
	start := 0
	if i := strings.Index(s, "://"); i >= 0 && !strings.ContainsAny(s[:i], ",/") {
		start = i + len("://")
	}
	i := strings.IndexAny(s[start:], ",/")
	if i < 0 || s[start+i] != ',' {
		return "", s, false
	}
	return s[:start+i], s[start+i+1:], true
}

// urlParser reads the parts of one URL and names it in errors.
type urlParser struct{ whole string }

func (p urlParser) fail(reason error, part string) error {
	return &URLError{p.whole, part, reason}
}

func (p urlParser) hop(s string) (Hop, error) {
	var u URL
	if err := p.destination(&u, s); err != nil {
		return Hop{}, err
	}
	if !strings.HasPrefix(string(u.Scheme), "tcp") || u.Port.Number == 0 {
		return Hop{}, p.fail(ErrURLHop, s)
	}
	return Hop{u.Scheme, u.Host, u.Port.Number}, nil
}

func (p urlParser) destination(u *URL, s string) error {
	if strings.HasPrefix(s, "/") {
		u.Scheme, u.Path = SchemeFile, s
		return nil
	}
	proto, rest, found := strings.Cut(s, "://")
	if !found {
		return p.fail(ErrURLFormat, s)
	}
	if u.Scheme = Scheme(strings.ToLower(proto)); !u.Scheme.known() {
		return p.fail(ErrURLProtocol, proto)
	}
	if u.Scheme == SchemeFile {
		if !strings.HasPrefix(rest, "/") {
			return p.fail(ErrURLPath, rest)
		}
		u.Path = rest
		return nil
	}
	authority, subdir, _ := strings.Cut(rest, "/")
	if err := p.subdir(subdir); err != nil {
		return err
	}
	u.Subdir = subdir
	return p.authority(u, authority)
}

func (p urlParser) subdir(s string) error {
	for part := range strings.SplitSeq(s, "/") {
		if part == ".." {
			return p.fail(ErrURLSubdir, s)
		}
	}
	return nil
}

// authority reads host and ports.
func (p urlParser) authority(u *URL, s string) error {
	host, ports, err := p.cutHost(s)
	if err != nil {
		return err
	}
	if err := p.checkHost(u.Scheme, host, strings.HasPrefix(s, "[")); err != nil {
		return err
	}
	u.Host = host
	first, second, more := strings.Cut(ports, ":")
	if u.Port, err = p.port(first); err != nil || !more {
		return err
	}
	if !u.Scheme.IsNet() || strings.Contains(second, ":") {
		return p.fail(ErrURLTrailing, ":"+second)
	}
	u.Data, err = p.port(second)
	return err
}

// cutHost splits "host:ports"; ports is without its first colon.
func (p urlParser) cutHost(s string) (host, ports string, err error) {
	if !strings.HasPrefix(s, "[") {
		host, ports, _ = strings.Cut(s, ":")
		return host, ports, nil
	}
	host, rest, found := strings.Cut(s[1:], "]")
	switch {
	case !found:
		return "", "", p.fail(ErrURLHost, s)
	case rest == "":
		return host, "", nil
	case rest[0] != ':':
		return "", "", p.fail(ErrURLTrailing, rest)
	}
	return host, rest[1:], nil
}

func (p urlParser) checkHost(scheme Scheme, host string, bracketed bool) error {
	if host == "" || len(host) > MaxURLHost {
		return p.fail(ErrURLHost, host)
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		if bracketed || strings.ContainsAny(host, "@?#%[] ,\\") {
			return p.fail(ErrURLHost, host)
		}
		return nil
	}
	family := scheme[len(scheme)-1]
	if family == '4' && !addr.Is4() || family == '6' && addr.Is4() {
		return p.fail(ErrURLFamily, host)
	}
	return nil
}

func (p urlParser) port(s string) (Port, error) {
	if s == "" {
		return Port{}, nil
	}
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return Port{}, p.fail(ErrURLPort, s)
	}
	return Port{uint16(n), true}, nil
}
