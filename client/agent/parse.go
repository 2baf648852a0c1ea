// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/weir-io/weir/lttng"
)

// Texts of refusals that users know from LTTng, or that are promised.
const (
	textControlTCP = "control path must be TCP"
	textBoth       = "Both control and data URLs must be specified."
	textTrailing   = "Trailing characters not recognized"
	textNoPath     = "Missing destination full path."
)

// ParseConsumerURIs reads where a consumer's data is to go, as a user says it:
// one URI or path for all, or separate URIs for control and data, each with the
// hops before it; "" is what is not said. Relative paths are below cwd. What is
// returned is in order: hops before their destination, control before data.
//
// A URI of a scheme that nobody knows is taken as a file name, as the proposal
// has it; a warning says so. Errors are [*Problem]s.
func ParseConsumerURIs(arg, control, data, cwd string) (uris []URI, warnings []string, err error) {
	p := uriParser{cwd: cwd}
	switch {
	case arg == "" && control == "" && data == "":
		return nil, nil, nil
	case arg != "" && (control != "" || data != ""):
		return nil, nil, NewProblem(CodeInvalid, "one URI for all and separate URIs for control and data exclude each other")
	case arg != "":
		uris, err = p.whole(arg)
	case control == "":
		return nil, nil, NewProblem(CodeNoControlURL, textBoth)
	default:
		uris, err = p.pair(control, data)
	}
	if err != nil {
		return nil, nil, err
	}
	return uris, p.warnings, nil
}

// ParseURIs reads canonical forms back: [Strings].
func ParseURIs(list []string) ([]URI, error) {
	var uris []URI
	p := uriParser{cwd: "/"}
	stream := ControlStream
	for _, s := range list {
		target, err := p.target(s)
		if err != nil {
			return nil, err
		}
		if target.url.Scheme == lttng.SchemeFile {
			return []URI{target.path()}, nil
		}
		u := target.uri(stream, target.url.Port.Or(portOf(stream)))
		if _, authority, _ := strings.Cut(s, "://"); !strings.Contains(authority, "/") {
			u.Type = Hop
		}
		if err := target.checkOptions(isUDP(target.url.Scheme)); err != nil {
			return nil, err
		}
		uris = append(uris, u)
		if u.Type == Destination {
			stream = DataStream
		}
	}
	return uris, nil
}

func portOf(s StreamType) uint16 {
	if s == DataStream {
		return DataPort
	}
	return ControlPort
}

// uriParser reads the URIs of one command.
type uriParser struct {
	cwd      string
	warnings []string
}

// target is one URI as it was written.
type target struct {
	text    string
	url     lttng.URL
	options map[string]string
}

// whole reads the one URI that is for control and data.
func (p *uriParser) whole(s string) ([]URI, error) {
	t, err := p.target(s)
	if err != nil {
		return nil, err
	}
	switch {
	case t.url.Scheme == lttng.SchemeFile:
		return []URI{t.path()}, nil
	case isUDP(t.url.Scheme):
		return nil, refuse(s, textControlTCP)
	}
	if err := t.checkOptions(false); err != nil {
		return nil, err
	}
	return append(t.chain(ControlStream, t.url.Port.Or(ControlPort)), t.chain(DataStream, t.url.Data.Or(DataPort))...), nil
}

// pair reads the URIs of control and data.
func (p *uriParser) pair(control, data string) ([]URI, error) {
	c, err := p.target(control)
	if err != nil {
		return nil, err
	}
	if c.url.Scheme.IsNet() && (data == "" || data == control) {
		return p.whole(control)
	}
	if isUDP(c.url.Scheme) || c.url.Scheme == lttng.SchemeFile {
		return nil, refuse(control, textControlTCP)
	}
	if data == "" {
		return nil, NewProblem(CodeNoDataURL, textBoth)
	}
	d, err := p.target(data)
	if err != nil {
		return nil, err
	}
	if err := checkPair(c, d); err != nil {
		return nil, err
	}
	// The relay makes one directory for a session: control tells it which.
	d.url.Subdir = c.url.Subdir
	return append(c.chain(ControlStream, c.url.Port.Or(ControlPort)), d.chain(DataStream, d.url.Port.Or(DataPort))...), nil
}

func checkPair(c, d target) error {
	switch {
	case c.url.Scheme.IsNet():
		return refuse(c.text, "net stands for control and data: give it alone, or tcp URIs")
	case d.url.Scheme.IsNet():
		return refuse(d.text, "net stands for control and data: not allowed as data URI")
	case d.url.Scheme == lttng.SchemeFile:
		return refuse(d.text, "data URI must be TCP or UDP")
	case d.url.Subdir != "" && d.url.Subdir != c.url.Subdir:
		return refuse(d.text, "control and data differ in their sub-directories")
	}
	if err := c.checkOptions(false); err != nil {
		return err
	}
	return d.checkOptions(isUDP(d.url.Scheme))
}

// target reads one URI with its hops, or a path.
func (p *uriParser) target(s string) (target, error) {
	t := target{text: s}
	if len(s) > lttng.MaxURL {
		return t, refuse(s, fmt.Sprintf("longer than %d bytes", lttng.MaxURL))
	}
	address, query := cutOptions(s)
	u, err := lttng.ParseURL(address)
	switch {
	case errors.Is(err, lttng.ErrURLFormat) && !strings.Contains(s, "://"):
		t.url, err = p.file(s)
		return t, err
	case errors.Is(err, lttng.ErrURLProtocol) && strings.Count(s, "://") == 1:
		p.warnings = append(p.warnings, fmt.Sprintf("unknown scheme in %q: taken as a file name", s))
		t.url, err = p.file(s)
		return t, err
	case errors.Is(err, lttng.ErrURLHop) && strings.Contains(strings.ToLower(s), ",udp"):
		return t, refuse(s, "UDP data cannot pass hops")
	case err != nil:
		return t, refuseURL(s, err)
	}
	if u.Scheme == lttng.SchemeFile {
		u.Path = filepath.Clean(u.Path)
	}
	t.url = u
	t.options, err = parseOptions(s, query)
	return t, err
}

// file makes a file URL of a path.
func (p *uriParser) file(path string) (lttng.URL, error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(p.cwd, path)
	}
	u, err := lttng.ParseURL("file://" + filepath.Clean(path))
	if err != nil {
		return u, refuseURL(path, err)
	}
	return u, nil
}

// cutOptions splits a URI at its options. Paths have none: a question mark is
// part of their names.
func cutOptions(s string) (address, options string) {
	scheme, _, found := strings.Cut(s, "://")
	if !found || strings.EqualFold(scheme, string(lttng.SchemeFile)) || strings.ContainsAny(scheme, "/?,") {
		return s, ""
	}
	address, options, _ = strings.Cut(s, "?")
	return address, options
}

func isUDP(s lttng.Scheme) bool { return strings.HasPrefix(string(s), "udp") }

// path makes the URI of a directory.
func (t target) path() URI {
	return URI{DestinationType: DestinationPath, Type: Destination, Stream: BothStreams, Path: t.url.Path}
}

// chain returns hops and destination of one stream.
func (t target) chain(stream StreamType, port uint16) []URI {
	var uris []URI
	for _, h := range t.url.Hops {
		uris = append(uris, networkURI(Hop, stream, h.Scheme, h.Host, h.Port))
	}
	return append(uris, t.uri(stream, port))
}

// uri returns the destination of one stream.
func (t target) uri(stream StreamType, port uint16) URI {
	u := networkURI(Destination, stream, t.url.Scheme, t.url.Host, port)
	u.Subdir, u.Options = t.url.Subdir, t.options
	return u
}

func networkURI(kind URIType, stream StreamType, scheme lttng.Scheme, host string, port uint16) URI {
	u := URI{Type: kind, Stream: stream, Protocol: TCP, Address: host, Port: port, DestinationType: DestinationHost}
	if isUDP(scheme) {
		u.Protocol = UDP
	}
	switch scheme[len(scheme)-1] {
	case '4':
		u.Family = 4
	case '6':
		u.Family = 6
	}
	if a, err := netip.ParseAddr(host); err == nil {
		// What an address is needs no choosing, whatever the scheme leaves open.
		u.DestinationType, u.Family = DestinationIPv6, 6
		if a.Is4() {
			u.DestinationType, u.Family = DestinationIPv4, 4
		}
	}
	return u
}

// refuse makes the problem of one URI.
func refuse(uri, text string) error { return refuseAs(CodeInvalid, uri, text) }

func refuseAs(code Code, uri, text string) error {
	if len(uri) > 80 {
		uri = uri[:80] + "…"
	}
	return NewProblem(code, fmt.Sprintf("%q: %s", uri, text))
}

// refuseURL makes the problem of a URI that the protocol's package refuses.
func refuseURL(uri string, err error) error {
	e, ok := errors.AsType[*lttng.URLError](err)
	if !ok {
		return refuse(uri, err.Error())
	}
	text := e.Err.Error()
	switch e.Err {
	case lttng.ErrURLTrailing:
		text = textTrailing
	case lttng.ErrURLPath:
		return refuse(uri, textNoPath)
	}
	if e.Part != "" {
		text += fmt.Sprintf(": %q", e.Part)
	}
	return refuse(uri, text)
}

// SameURIs reports whether two destinations are the same.
func SameURIs(a, b []URI) bool {
	return slices.EqualFunc(a, b, func(x, y URI) bool {
		if len(x.Options) == 0 {
			x.Options = nil
		}
		if len(y.Options) == 0 {
			y.Options = nil
		}
		return reflect.DeepEqual(x, y)
	})
}
