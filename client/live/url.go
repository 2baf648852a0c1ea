// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"fmt"
	"strings"

	"github.com/weir-io/weir/lttng"
)

// Target names what to attach to: all sessions of a name or, with an ID, the
// one that has this number as well. Only with an ID may the name be missing.
type Target struct {
	ID   lttng.SessionID // 0 = any
	Host string          // that is traced; "" = any
	Name string
}

// String returns the target as messages name it.
func (t Target) String() string {
	switch {
	case t.ID != 0:
		return fmt.Sprintf("session %d", t.ID)
	case t.Host == "":
		return fmt.Sprintf("session %q", t.Name)
	}
	return fmt.Sprintf("session %q of host %q", t.Name, t.Host)
}

func (t Target) matches(s SessionInfo) bool {
	return (t.ID == 0 || s.ID == t.ID) && (t.Host == "" || s.Host == t.Host) &&
		(t.Name == s.Name || t.ID != 0 && t.Name == "")
}

// URL is what viewers name a session by:
//
//	net[4|6]://HOST[:PORT][/host/TARGETHOST/SESSION]
//
// Names hold no slash and nothing is escaped. The tcp schemes mean the same.
type URL struct {
	Network string // for Config
	Address string // for Config
	Target  Target // without a name: the relay as a whole
}

// ParseURL reads the URL of a relay or of a session.
func ParseURL(s string) (URL, error) {
	u, err := lttng.ParseURL(s)
	if err != nil {
		return URL{}, err
	}
	network := u.Scheme.Network()
	switch {
	case !strings.HasPrefix(network, "tcp"):
		return URL{}, &lttng.URLError{URL: s, Part: string(u.Scheme), Err: lttng.ErrURLProtocol}
	case len(u.Hops) > 0:
		return URL{}, &lttng.URLError{URL: s, Part: u.Hops[0].String(), Err: lttng.ErrURLHop}
	case u.Data.Set:
		return URL{}, &lttng.URLError{URL: s, Err: lttng.ErrURLTrailing}
	}
	target, ok := parseTarget(u.Subdir)
	if !ok {
		return URL{}, &lttng.URLError{URL: s, Part: u.Subdir, Err: lttng.ErrURLSubdir}
	}
	return URL{Network: network, Address: u.Addr(lttng.DefaultViewerPort), Target: target}, nil
}

func parseTarget(subdir string) (Target, bool) {
	if subdir == "" {
		return Target{}, true
	}
	parts := strings.Split(subdir, "/")
	if len(parts) != 3 || parts[0] != "host" || parts[1] == "" || parts[2] == "" {
		return Target{}, false
	}
	return Target{Host: parts[1], Name: parts[2]}, true
}
