// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/client/relay"
	"github.com/weir-io/weir/lttng"
)

const (
	controlPort uint16 = 5342
	dataPort    uint16 = 5343

	defaultDialTimeout = 10 * time.Second
)

// localURI is a directory.
func localURI(path string) agent.URI {
	return agent.URI{DestinationType: agent.DestinationPath, Type: agent.Destination, Stream: agent.BothStreams, Path: path}
}

// isLocal reports whether a destination is a directory.
func isLocal(uris []agent.URI) bool {
	return len(uris) == 1 && uris[0].DestinationType == agent.DestinationPath
}

// spelled is the destination that is described, each stream with its hops and its
// port: what reads it back needs to guess nothing.
func (c *consumer) spelled() []agent.URI {
	uris := c.uris
	if c.state == agent.ConsumerTemplate {
		uris = c.template
	}
	return spell(uris)
}

// spell writes out what a URI for both streams stands for, and ports.
func spell(uris []agent.URI) []agent.URI {
	if isLocal(uris) {
		return uris
	}
	var control, data []agent.URI
	for _, u := range uris {
		if u.Stream != agent.DataStream {
			u := u
			u.Stream = agent.ControlStream
			if u.Type == agent.Destination {
				u.Port = cmp.Or(u.Port, controlPort)
			}
			control = append(control, u)
		}
		if u.Stream != agent.ControlStream {
			if u.Type == agent.Destination {
				if u.Stream == agent.BothStreams {
					u.Port = 0 // that of the control stream
				}
				u.Port = cmp.Or(u.Port, dataPort)
			}
			u.Stream = agent.DataStream
			data = append(data, u)
		}
	}
	return append(control, data...)
}

// destination is what a list of URIs says: a directory, or the two ways to a
// relay.
type destination struct {
	path          string
	control, data lttng.URL
	subdir        string
	udp           bool
	trusted       bool          // that both ways lead to one relay
	datagrams     relay.UDP     // if udp
	timeout       time.Duration // of connecting; 0: not said

	controlOptions, dataOptions map[string]string
}

// parseDestination reads a list of URIs. Hops come before their destination.
func parseDestination(uris []agent.URI) (destination, error) {
	var d destination
	var hops []lttng.Hop
	var haveControl, haveData bool
	for _, u := range uris {
		switch {
		case u.DestinationType == agent.DestinationPath:
			if len(uris) != 1 {
				return d, problemf(agent.CodeInvalid, "directory %s: want no other destination beside it", u.Path)
			}
			if !filepath.IsAbs(u.Path) {
				return d, problemf(agent.CodeInvalid, "directory %q: Missing destination full path.", u.Path)
			}
			d.path = filepath.Clean(u.Path)
			return d, nil
		case u.Type == agent.Hop:
			hops = append(hops, lttng.Hop{Scheme: scheme(u, "tcp"), Host: u.Address, Port: u.Port})
			continue
		}
		if err := d.takeOptions(u); err != nil {
			return d, err
		}
		if u.Address == "" {
			return d, problemf(agent.CodeInvalid, "destination of the %s stream has no address", u.Stream)
		}
		if u.Stream != agent.DataStream {
			if u.Protocol == agent.UDP {
				return d, problemf(agent.CodeInvalid, "control path must be TCP")
			}
			d.control, d.subdir, haveControl, d.controlOptions = wayTo(u, hops, controlPort), u.Subdir, true, u.Options
		}
		if u.Stream != agent.ControlStream {
			if u.Stream == agent.BothStreams {
				u.Port = 0 // that of the control stream
			}
			d.data, d.udp, haveData, d.dataOptions = wayTo(u, hops, dataPort), u.Protocol == agent.UDP, true, u.Options
			if d.udp {
				var err error
				if d.datagrams, err = datagramOptions(u); err != nil {
					return d, err
				}
			}
		}
		hops = nil
	}
	switch {
	case !haveControl:
		return d, problemf(agent.CodeNoControlURL, "control URI missing")
	case !haveData:
		return d, problemf(agent.CodeNoDataURL, "data URI missing")
	case len(hops) > 0:
		return d, problemf(agent.CodeInvalid, "hop %s: no destination behind it", hops[0])
	case d.udp && len(d.control.Hops)+len(d.data.Hops) > 0:
		return d, problemf(agent.CodeInvalid, "UDP data cannot pass hops")
	case strings.Contains("/"+d.subdir+"/", "/../"):
		return d, problemf(agent.CodeInvalid, "subdirectory %q: want a path without ..", d.subdir)
	}
	return d, nil
}

// takeOptions reads the options that are not for datagrams only, and refuses those
// that nobody honours.
func (d *destination) takeOptions(u agent.URI) error {
	for _, key := range slices.Sorted(maps.Keys(u.Options)) {
		value := u.Options[key]
		switch key {
		case agent.OptionTimeout:
			t, err := time.ParseDuration(value)
			if err != nil || t <= 0 {
				return problemf(agent.CodeInvalid, "option %s: got %q, want a time above 0", key, value)
			}
			d.timeout = max(d.timeout, t)
		case agent.OptionMTU, agent.OptionWindow, agent.OptionReliable:
			if u.Protocol != agent.UDP {
				return problemf(agent.CodeInvalid, "option %s is for UDP", key)
			}
		case agent.OptionRate:
			if u.Protocol != agent.UDP {
				return problemf(agent.CodeNotSupported, "option %s is for UDP: TCP is not limited yet", key)
			}
		case agent.OptionCompress:
			return problemf(agent.CodeNotSupported, "option %s: packets are not compressed yet", key)
		default:
			return problemf(agent.CodeInvalid, "option %q: unknown", key)
		}
	}
	return nil
}

// within is how long connecting may take: as the command says, or a URI.
func (d *destination) within(o agent.EnableConsumer) time.Duration {
	return cmp.Or(o.Timeout, d.timeout, defaultDialTimeout)
}

func scheme(u agent.URI, protocol string) lttng.Scheme {
	if u.Family != 0 {
		protocol += strconv.Itoa(u.Family)
	}
	return lttng.Scheme(protocol)
}

// wayTo is one way to a relay.
func wayTo(u agent.URI, hops []lttng.Hop, port uint16) lttng.URL {
	if u.Port != 0 {
		port = u.Port
	}
	protocol := "tcp"
	if u.Protocol == agent.UDP {
		protocol = "udp"
	}
	return lttng.URL{Hops: hops, Scheme: scheme(u, protocol), Host: u.Address, Port: lttng.Port{Number: port, Set: true}, Subdir: u.Subdir}
}

// String is the canonical form, as lttng prints it, with hops before it and options
// behind it.
func (d destination) String() string {
	switch {
	case d.path != "":
		return d.path
	case d.control.Host == "":
		return ""
	}
	family := "tcp4"
	if strings.Contains(d.control.Host, ":") || d.control.Scheme == "tcp6" {
		family = "tcp6"
	}
	s := fmt.Sprintf("%s%s://%s/", hopsText(d.control.Hops), family, net.JoinHostPort(d.control.Host, strconv.Itoa(int(d.control.Port.Number))))
	s += d.subdir + agent.FormatOptions(d.controlOptions)
	options := agent.FormatOptions(d.dataOptions)
	if d.data.Host != d.control.Host || d.udp || len(d.data.Hops) > 0 {
		at := net.JoinHostPort(d.data.Host, strconv.Itoa(int(d.data.Port.Number)))
		return s + fmt.Sprintf(" [data: %s%s://%s%s]", hopsText(d.data.Hops), d.data.Scheme, at, options)
	}
	if maps.Equal(d.controlOptions, d.dataOptions) {
		options = "" // those of net://
	}
	return s + fmt.Sprintf(" [data: %d%s]", d.data.Port.Number, options)
}

// hopsText is what comes before a destination.
func hopsText(hops []lttng.Hop) string {
	var s strings.Builder
	for _, h := range hops {
		s.WriteString(h.String() + ",")
	}
	return s.String()
}
