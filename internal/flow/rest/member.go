// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"encoding/json"
	"net/netip"

	"github.com/weir-io/weir/internal/flow/topology"
)

// textMember returns a string of a small body.
func textMember(raw json.RawMessage, name string) (string, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return "", violation(name, "%v", err)
	}
	value, ok := members[name]
	if !ok || string(value) == "null" {
		return "", violation(name, "got none")
	}
	var s string
	if err := json.Unmarshal(value, &s); err != nil {
		return "", violation(name, "got %.60s, want a string", value)
	}
	return s, nil
}

func idMember(raw json.RawMessage, name string) (topology.ID, error) {
	s, err := textMember(raw, name)
	if err != nil {
		return topology.ID{}, err
	}
	id, err := topology.ParseID(s)
	if err != nil {
		return id, violation(name, "%v", err)
	}
	return id, nil
}

func addrMember(raw json.RawMessage, name string) (netip.Addr, error) {
	s, err := textMember(raw, name)
	if err != nil {
		return netip.Addr{}, err
	}
	a, err := netip.ParseAddr(s)
	if err != nil || !a.Is4() {
		return a, violation(name, "got %.60q, want an IPv4 address", s)
	}
	return a, nil
}
