// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"net"
	"strings"
	"text/tabwriter"

	"github.com/weir-io/weir/internal/hub"
)

// Ports of LTTng's network streaming, which its URLs may leave out.
const (
	controlPort = "5342"
	dataPort    = "5343"
	livePort    = "5344"
)

// welcome returns what "weir up" prints when it is ready; agent is the socket of
// the session daemon, if there is one, and stat are the addresses of host
// statistics.
func welcome(at hub.Addresses, agent string, stat []string) string {
	var b strings.Builder
	b.WriteString("weir is up.\n\n")
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range []struct {
		name, purpose string
		at            []string
	}{
		{"control", "LTTng producers", at.Control},
		{"data", "LTTng producers", at.Data},
		{"live", "viewers", at.Live},
		{"hop", "producers of other relays", at.Hop},
		{"http", "health, metrics, REST", at.HTTP},
		{"hosts", "agents of other hosts", at.Hosts},
		{"xmlsysd", "statistics of this host", stat},
	} {
		for _, address := range row.at {
			fmt.Fprintf(t, "  %s\t%s\t%s\n", row.name, address, row.purpose)
		}
	}
	if agent != "" {
		fmt.Fprintf(t, "  agent\t%s\trecording this host\n", agent)
	}
	if at.Networks.Enabled && len(at.HTTP) > 0 {
		fmt.Fprintf(t, "  networks\t%s\tvirtual networks, traces of their flows\n", networksURL(at.HTTP[0]))
	}
	fmt.Fprintf(t, "  traces\t%s\n", at.Output)
	_ = t.Flush() // a strings.Builder does not fail
	if agent != "" && len(at.Live) > 0 {
		fmt.Fprintf(&b, "\nSee what this machine does now:\n\n  weir view %s/host/$(hostname)/weir\n", viewerURL(at.Live[0]))
	}
	if agent == "" && len(stat) == 0 && len(at.HTTP) > 0 {
		fmt.Fprintf(&b, "\nHave this host recorded and watched, as root:\n\n  weir agent --xmlsysd --hub %s\n  weir top\n", baseURL(at.HTTP[0]))
	}
	if len(stat) > 0 {
		b.WriteString("\nWatch its vital signs, and those of the hosts that register:\n\n  weir top\n")
	}
	if at.Console && len(at.HTTP) > 0 {
		fmt.Fprintf(&b, "\nLook at all of it in a browser:\n\n  %s/\n", baseURL(at.HTTP[0]))
	}
	b.WriteString(networkSteps(at))
	b.WriteString(nextSteps(at))
	return b.String()
}

// networksURL returns the base of the interface of virtual networks.
func networksURL(http string) string { return baseURL(http) + "/midonet-api" }

// baseURL returns the URL of the HTTP interface.
func baseURL(http string) string {
	_, host, port := dialable(http)
	return "http://" + host + ":" + port
}

// networkSteps returns how an administrator asks for virtual networks, for the first
// time with his token.
func networkSteps(at hub.Addresses) string {
	n := at.Networks
	if n.TokenFile == "" || len(at.HTTP) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("\nSee the virtual networks, as their administrator:\n\n")
	fmt.Fprintf(&b, "  curl -H \"X-Auth-Token: $(cat %s)\" %s/\n", n.TokenFile, networksURL(at.HTTP[0]))
	if n.Token != "" {
		fmt.Fprintf(&b, "\n  The token was made just now: %s\n", n.Token)
	}
	return b.String()
}

// nextSteps returns the commands that record a session and read it live, or
// nothing when there is no port for one of the two.
func nextSteps(at hub.Addresses) string {
	if len(at.Control) == 0 || len(at.Data) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("\nRecord the applications of this machine:\n\n")
	live := ""
	if len(at.Live) > 0 {
		live = "--live "
	}
	fmt.Fprintf(&b, "  lttng create demo %s--set-url=%s\n  lttng enable-event -u -a\n  lttng start\n", live, producerURL(at.Control[0], at.Data[0]))
	if len(at.Live) > 0 {
		fmt.Fprintf(&b, "\nRead them live, in another terminal:\n\n  babeltrace2 -i lttng-live %s/host/$(hostname)/demo\n", viewerURL(at.Live[0]))
	}
	b.WriteString("\nCtrl-C stops weir.\n")
	return b.String()
}

// producerURL returns the URL for lttng create: net://HOST[:CONTROL:DATA].
func producerURL(control, data string) string {
	scheme, host, cport := dialable(control)
	_, _, dport := dialable(data)
	if cport == controlPort && dport == dataPort {
		return scheme + "://" + host
	}
	return scheme + "://" + host + ":" + cport + ":" + dport
}

// viewerURL returns the start of the URL for babeltrace2, which knows the
// scheme net only.
func viewerURL(live string) string {
	_, host, port := dialable(live)
	if port == livePort {
		return "net://" + host
	}
	return "net://" + host + ":" + port
}

// dialable turns a listening address into LTTng's scheme, a host to dial, in
// brackets for IPv6, and the port. A wildcard is dialled on loopback.
func dialable(address string) (scheme, host, port string) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "net", address, ""
	}
	ip := net.ParseIP(host)
	switch {
	case host == "", ip != nil && ip.IsUnspecified():
		return "net", "127.0.0.1", port
	case ip != nil && ip.To4() == nil:
		return "net6", "[" + host + "]", port
	}
	return "net", host, port
}
