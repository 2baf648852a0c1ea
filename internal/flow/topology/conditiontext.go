// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/weir-io/weir/internal/flow/packet"
)

// ParseCondition reads the string form of a condition: words "name value" or
// "name=value", where "!" before the value inverts. Its error is an *Invalid whose
// properties are the names.
func ParseCondition(s string) (Condition, error) {
	var c Condition
	var bad []Violation
	words := conditionWords{left: strings.Fields(s)}
	if len(words.left) == 0 {
		bad = append(bad, Violation{Message: "got an empty condition, want words as src 10.0.0.0/8 or an object"})
	}
	seen := make(map[string]bool)
	for len(words.left) > 0 {
		name, value, inverted := words.next()
		err := c.set(name, value, inverted)
		if err == nil && seen[name] {
			err = fmt.Errorf("given twice")
		}
		seen[name] = true
		if err != nil {
			bad = append(bad, Violation{Property: name, Message: err.Error()})
		}
	}
	bad = append(bad, c.violations()...)
	if len(bad) > 0 {
		return Condition{}, invalid(bad)
	}
	return c, nil
}

// conditionWords is what is left to read of a condition.
type conditionWords struct {
	left []string
}

// next takes a name and its value. The flag no-vlan may stand alone.
func (w *conditionWords) next() (name, value string, inverted bool) {
	name, value, joined := strings.Cut(w.take(), "=")
	if name == "no-vlan" && !joined && (len(w.left) == 0 || w.left[0] != "true" && w.left[0] != "false") {
		return name, "true", false
	}
	if value == "" {
		value = w.take()
	}
	if value == "=" {
		value = w.take()
	}
	if value, inverted = strings.CutPrefix(value, "!"); inverted && value == "" {
		value = w.take()
	}
	return name, value, inverted
}

func (w *conditionWords) take() string {
	if len(w.left) == 0 {
		return ""
	}
	word := w.left[0]
	w.left = w.left[1:]
	return word
}

// conditionWord reads the value of a word into a condition, and returns the flag that
// inverts it, which is nil where there is none.
type conditionWord func(c *Condition, value string) (*bool, error)

// conditionNames are the words of the string form.
var conditionNames = map[string]conditionWord{
	"hw-src":               func(c *Condition, v string) (*bool, error) { return &c.InvEthSrc, setMAC(&c.EthSrc, v) },
	"hw-src-mask":          func(c *Condition, v string) (*bool, error) { return nil, setMask(&c.EthSrcMask, v) },
	"hw-dst":               func(c *Condition, v string) (*bool, error) { return &c.InvEthDst, setMAC(&c.EthDst, v) },
	"hw-dst-mask":          func(c *Condition, v string) (*bool, error) { return nil, setMask(&c.EthDstMask, v) },
	"ethertype":            func(c *Condition, v string) (*bool, error) { return &c.InvEtherType, setEtherType(c, v) },
	"src":                  func(c *Condition, v string) (*bool, error) { return &c.InvSrc, setPrefix(&c.Src, v) },
	"dst":                  func(c *Condition, v string) (*bool, error) { return &c.InvDst, setPrefix(&c.Dst, v) },
	"proto":                func(c *Condition, v string) (*bool, error) { return &c.InvProto, setProto(c, v) },
	"tos":                  func(c *Condition, v string) (*bool, error) { return &c.InvTOS, setByte(&c.TOS, v) },
	"src-port":             func(c *Condition, v string) (*bool, error) { return &c.InvTPSrc, setRange(&c.TPSrc, v) },
	"dst-port":             func(c *Condition, v string) (*bool, error) { return &c.InvTPDst, setRange(&c.TPDst, v) },
	"flow":                 func(c *Condition, v string) (*bool, error) { return nil, setFlow(c, v) },
	"port-group":           func(c *Condition, v string) (*bool, error) { return &c.InvPortGroup, setID(&c.PortGroup, v) },
	"in-port-group":        func(c *Condition, v string) (*bool, error) { return &c.InvInPortGroup, setID(&c.InPortGroup, v) },
	"out-port-group":       func(c *Condition, v string) (*bool, error) { return &c.InvOutPortGroup, setID(&c.OutPortGroup, v) },
	"ip-address-group-src": func(c *Condition, v string) (*bool, error) { return &c.InvAddrGroupSrc, setID(&c.AddrGroupSrc, v) },
	"ip-address-group-dst": func(c *Condition, v string) (*bool, error) { return &c.InvAddrGroupDst, setID(&c.AddrGroupDst, v) },
	"in-ports":             func(c *Condition, v string) (*bool, error) { return &c.InvInPorts, setIDs(&c.InPorts, v) },
	"out-ports":            func(c *Condition, v string) (*bool, error) { return &c.InvOutPorts, setIDs(&c.OutPorts, v) },
	"fragment-policy":      func(c *Condition, v string) (*bool, error) { return nil, setFragments(c, v) },
	"vlan":                 func(c *Condition, v string) (*bool, error) { return nil, setVLAN(c, v) },
	"no-vlan":              func(c *Condition, v string) (*bool, error) { return nil, setNoVLAN(c, v) },
}

// set reads one word.
func (c *Condition) set(name, value string, inverted bool) error {
	word, ok := conditionNames[name]
	if !ok {
		return fmt.Errorf("no such word of a condition")
	}
	if value == "" {
		return fmt.Errorf("got no value")
	}
	inv, err := word(c, value)
	switch {
	case err != nil || !inverted:
		return err
	case inv == nil:
		return fmt.Errorf("cannot be inverted")
	}
	*inv = true
	return nil
}

func setMAC(p **packet.MAC, v string) error {
	m, err := packet.ParseMAC(v)
	*p = &m
	return err
}

func setMask(p *EthMask, v string) (err error) {
	*p, err = parseEthMask(v)
	return err
}

// etherTypes and protocols are the numbers that have names.
var (
	etherTypes = map[string]uint64{"ip": 0x0800, "ipv4": 0x0800, "arp": 0x0806, "ipv6": 0x86dd}
	protocols  = map[string]uint64{"icmp": 1, "tcp": 6, "udp": 17}
)

func setEtherType(c *Condition, v string) error {
	n, ok := etherTypes[strings.ToLower(v)]
	if !ok {
		var err error
		if n, err = parseNumber(v, 0x0600, 0xffff); err != nil {
			return err
		}
	}
	c.EtherType = uint16(n)
	return nil
}

func setProto(c *Condition, v string) error {
	if n, ok := protocols[strings.ToLower(v)]; ok {
		c.Proto = new(uint8(n))
		return nil
	}
	return setByte(&c.Proto, v)
}

func setByte(p **uint8, v string) error {
	n, err := parseNumber(v, 0, 255)
	*p = new(uint8(n))
	return err
}

func setVLAN(c *Condition, v string) error {
	n, err := parseNumber(v, 1, 4094)
	c.VLAN = uint16(n)
	return err
}

func setNoVLAN(c *Condition, v string) (err error) {
	if c.NoVLAN, err = strconv.ParseBool(v); err != nil {
		return fmt.Errorf("got %.60q, want true or false", v)
	}
	return nil
}

// parseNumber reads a number, decimal or hexadecimal after 0x.
func parseNumber(v string, low, high uint64) (uint64, error) {
	digits, base := v, 10
	if hex, ok := strings.CutPrefix(v, "0x"); ok {
		digits, base = hex, 16
	}
	n, err := strconv.ParseUint(digits, base, 64)
	if err != nil || n < low || n > high {
		return 0, fmt.Errorf("got %.60q, want a number from %d to %d", v, low, high)
	}
	return n, nil
}

// setPrefix reads an address with or without a length.
func setPrefix(p *netip.Prefix, v string) (err error) {
	*p, err = parsePrefix(v)
	return err
}

// parsePrefix reads a.b.c.d/n; an address alone is /32. Bits beyond the length stay as
// they are written.
func parsePrefix(v string) (netip.Prefix, error) {
	if !strings.Contains(v, "/") {
		v += "/32"
	}
	p, err := netip.ParsePrefix(v)
	if err != nil || !p.Addr().Is4() {
		return netip.Prefix{}, fmt.Errorf("got %.60q, want an IPv4 address and a length as 10.0.0.0/8", v)
	}
	return p, nil
}

func setRange(p **Range, v string) error {
	first, last, pair := strings.Cut(v, "-")
	if !pair {
		first, last, pair = strings.Cut(v, ":")
	}
	if !pair {
		last = first
	}
	start, err := parseNumber(first, 1, 65535)
	if err != nil {
		return err
	}
	end, err := parseNumber(last, 1, 65535)
	if err != nil {
		return err
	}
	if start > end {
		return fmt.Errorf("got start %d after end %d", start, end)
	}
	*p = &Range{Start: uint16(start), End: uint16(end)}
	return nil
}

func setFlow(c *Condition, v string) error {
	switch v {
	case "fwd-flow":
		c.MatchForwardFlow = true
	case "return-flow":
		c.MatchReturnFlow = true
	default:
		return fmt.Errorf("got %.60q, want fwd-flow or return-flow", v)
	}
	return nil
}

func setID(p *ID, v string) (err error) {
	*p, err = ParseID(v)
	return err
}

func setIDs(p *[]ID, v string) error {
	for s := range strings.SplitSeq(v, ",") {
		id, err := ParseID(s)
		if err != nil {
			return err
		}
		*p = append(*p, id)
	}
	return nil
}

func setFragments(c *Condition, v string) error {
	c.Fragments = FragmentPolicy(v)
	for _, p := range fragmentPolicies {
		if p == c.Fragments {
			return nil
		}
	}
	return fmt.Errorf("got %.60q, want one of %q", v, fragmentPolicies)
}
