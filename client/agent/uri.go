// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Default ports of relays.
const (
	ControlPort uint16 = 5342
	DataPort    uint16 = 5343
)

// String returns the canonical form of one URI, such as "tcp4://127.0.0.1:5342/"
// or "file:///traces". A hop's has no slash at its end.
func (u URI) String() string {
	if u.DestinationType == DestinationPath {
		return "file://" + u.Path
	}
	s := u.scheme() + "://" + net.JoinHostPort(u.Address, strconv.Itoa(int(u.Port)))
	if u.Type == Hop {
		return s
	}
	return s + "/" + u.Subdir + FormatOptions(u.Options)
}

// FormatOptions returns options as they are behind a URI, such as
// "?mtu=1400&rate=1000000"; "" for none.
func FormatOptions(options map[string]string) string {
	var s strings.Builder
	separator := "?"
	for _, key := range slices.Sorted(maps.Keys(options)) {
		s.WriteString(separator + key + "=" + url.QueryEscape(options[key]))
		separator = "&"
	}
	return s.String()
}

func (u URI) scheme() string {
	if u.Family == 0 {
		return string(u.Protocol)
	}
	return string(u.Protocol) + strconv.Itoa(u.Family)
}

// FormatURIs returns a consumer's destination in the form of lists: a directory,
// or "tcp4://127.0.0.1:5342/ [data: 5343]".
func FormatURIs(uris []URI) string {
	control, data := split(uris)
	if len(control) == 0 {
		return chain(data)
	}
	last := control[len(control)-1]
	if last.DestinationType == DestinationPath {
		return last.Path
	}
	if len(data) == 0 {
		return chain(control)
	}
	at := chain(data)
	if d := data[len(data)-1]; len(data) == 1 && len(control) == 1 && d.scheme() == last.scheme() && d.Address == last.Address {
		at = strconv.Itoa(int(d.Port))
	}
	return chain(control) + " [data: " + at + "]"
}

// split returns the chains of control, or both, and of data.
func split(uris []URI) (control, data []URI) {
	for _, u := range uris {
		if u.Stream == DataStream {
			data = append(data, u)
			continue
		}
		control = append(control, u)
	}
	return control, data
}

func chain(uris []URI) string {
	var parts []string
	for _, u := range uris {
		parts = append(parts, u.String())
	}
	return strings.Join(parts, ",")
}

// Strings returns the canonical forms of URIs, which [ParseURIs] reads back.
func Strings(uris []URI) []string {
	var list []string
	for _, u := range uris {
		list = append(list, u.String())
	}
	return list
}
