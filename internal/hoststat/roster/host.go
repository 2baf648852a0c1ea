// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package roster

import (
	"net"
	"strconv"
	"strings"

	"github.com/weir-io/weir/xmlsysd"
)

// Host is a host to watch.
type Host struct {
	Name    string // by which it is shown
	Address string // host:port, or the path of a socket
	Group   string
	TLS     bool
	// Enrolled says that it has a certificate of its hub for this name.
	Enrolled bool
	Problem  string // why it cannot be asked; "": it can
}

// Local is what is watched when nothing is said.
func Local() Host { return Host{Name: "localhost", Address: address("localhost", xmlsysd.Port)} }

func address(host string, port int) string {
	return net.JoinHostPort(host, strconv.Itoa(port))
}

// merge drops hosts whose address is there before, and gives those of one name
// another one.
func merge(hosts []Host) []Host {
	seen := make(map[string]bool, len(hosts))
	names := make(map[string]bool, len(hosts))
	kept := make([]Host, 0, len(hosts))
	for _, h := range hosts {
		if seen[h.Address] {
			continue
		}
		seen[h.Address] = true
		if names[h.Name] {
			h.Name = h.Address
		}
		names[h.Name] = true
		kept = append(kept, h)
	}
	return kept
}

// ParseList reads hosts as they are typed: names, addresses or paths of sockets,
// with or without a port, between commas, with ranges in brackets.
func ParseList(text string) ([]Host, error) {
	words, err := expand(text)
	if err != nil {
		return nil, err
	}
	hosts := make([]Host, 0, len(words))
	for _, w := range words {
		h, err := parseHost(w, xmlsysd.Port)
		if err != nil {
			return nil, err
		}
		hosts = append(hosts, h)
	}
	return merge(hosts), nil
}

// parseHost reads a name with or without a port.
func parseHost(word string, port int) (Host, error) {
	if strings.Contains(word, "/") {
		return Host{Name: word, Address: word}, nil
	}
	name := word
	if strings.HasPrefix(word, "[") && strings.HasSuffix(word, "]") || strings.Count(word, ":") > 1 && !strings.HasPrefix(word, "[") {
		name = strings.Trim(word, "[]") // IPv6 without a port
	} else if host, text, err := net.SplitHostPort(word); err == nil {
		n, err := parsePort(text)
		if err != nil {
			return Host{}, err
		}
		name, port = host, n
	}
	if err := checkName(name); err != nil {
		return Host{}, err
	}
	shown := name
	if port != xmlsysd.Port {
		shown = address(name, port)
	}
	return Host{Name: shown, Address: address(name, port)}, nil
}

func parsePort(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return 0, fail("no port: %q", text)
	}
	return int(n), nil
}

// checkName refuses what can be neither a name nor an address.
func checkName(name string) error {
	if name == "" {
		return fail("a host without a name")
	}
	for _, r := range name {
		if r <= ' ' || strings.ContainsRune(`[]<>"'\,;|&$()*?!`, r) || r == 0x7f {
			return fail("no name of a host: %q", name)
		}
	}
	if len(name) > 253 {
		return fail("a name of more than 253 bytes: %q", name[:20]+"…")
	}
	return nil
}
