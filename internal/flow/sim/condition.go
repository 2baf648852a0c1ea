// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"math/bits"
	"net/netip"
	"slices"

	"github.com/weir-io/weir/internal/flow/packet"
	"github.com/weir-io/weir/internal/flow/topology"
)

// condition is a compiled condition. Its predicates are bits, so that a rule costs what its condition says and not what it could.
type condition struct {
	predicates uint32
	inverted   uint32 // of predicates
	fragments  uint8  // which of packet.Fragment match, as bits
	invert     bool

	proto, tos      uint8
	etherType, vlan uint16
	src, dst        prefix
	tpSrc, tpDst    topology.Range

	*rare // what few conditions look at; nil where this one does not
}

// rare is the operands of predicates that few conditions have. They are apart so that
// the rules of a chain lie close together.
type rare struct {
	quoteSrc         prefix
	quoteDst         prefix
	ethSrc, ethDst   masked
	inPorts          []topology.ID
	outPorts         []topology.ID
	entryGroup       topology.ID
	inGroup          topology.ID
	outGroup         topology.ID
	addrSrc, addrDst map[packet.IPv4]struct{}
	traversed        topology.ID
}

// Predicates, in the order of evaluation. The direction comes first: a rule asks for
// it, so that the connection is tracked, even if its other predicates do not hold.
const (
	onForward = iota
	onReturn
	onProto
	onDst
	onSrc
	onTPDst
	onTPSrc
	onEtherType
	onTOS
	onVLAN
	onNoVLAN
	onEthSrc
	onEthDst
	onInPorts
	onOutPorts
	onEntryGroup
	onInGroup
	onOutGroup
	onAddrSrc
	onAddrDst
	onTraversed
	onQuoteSrc
	onQuoteDst
	onRewritten
)

// prefix is a compiled address prefix.
type prefix struct {
	net  packet.IPv4
	bits int
}

func (p prefix) contains(a packet.IPv4) bool { return a.Mask(p.bits) == p.net }

// masked is an Ethernet address of which some bits are compared.
type masked struct{ mac, mask packet.MAC }

func (m masked) matches(mac packet.MAC) bool {
	for i := range mac {
		if (mac[i]^m.mac[i])&m.mask[i] != 0 {
			return false
		}
	}
	return true
}

// conditionCompiler adds predicates to a condition.
type conditionCompiler struct {
	condition
	snapshot *topology.Snapshot
}

// compileCondition compiles a condition of a rule.
func (k *compiler) compileCondition(r *topology.Rule) condition {
	c := &conditionCompiler{condition: condition{rare: new(rare)}, snapshot: k.snapshot}
	s := &r.Condition
	c.invert = s.Invert
	c.fragments = fragmentsOf(r)
	c.ethernet(s)
	c.network(s)
	c.place(s)
	c.add(onForward, s.MatchForwardFlow, false)
	c.add(onReturn, s.MatchReturnFlow, false)
	c.add(onRewritten, s.MatchDstRewritten, false)
	const common = 1<<onProto | 1<<onDst | 1<<onSrc | 1<<onTPDst | 1<<onTPSrc | 1<<onEtherType | 1<<onTOS
	if c.predicates&^common == 0 {
		c.rare = nil
	}
	return c.condition
}

// add adds a predicate if it is given.
func (c *conditionCompiler) add(predicate int, given, inverted bool) {
	if !given {
		return
	}
	c.predicates |= 1 << predicate
	if inverted {
		c.inverted |= 1 << predicate
	}
}

func (c *conditionCompiler) ethernet(s *topology.Condition) {
	c.etherType, c.vlan = s.EtherType, s.VLAN
	c.add(onEtherType, s.EtherType != 0, s.InvEtherType)
	c.add(onVLAN, s.VLAN != 0, false)
	c.add(onNoVLAN, s.NoVLAN, false)
	c.add(onEthSrc, s.EthSrc != nil, s.InvEthSrc)
	c.add(onEthDst, s.EthDst != nil, s.InvEthDst)
	if s.EthSrc != nil {
		c.ethSrc = maskedOf(*s.EthSrc, s.EthSrcMask)
	}
	if s.EthDst != nil {
		c.ethDst = maskedOf(*s.EthDst, s.EthDstMask)
	}
}

func maskedOf(mac packet.MAC, mask topology.EthMask) masked {
	if packet.MAC(mask).IsZero() {
		return masked{mac, packet.Broadcast}
	}
	return masked{mac, packet.MAC(mask)}
}

func (c *conditionCompiler) network(s *topology.Condition) {
	set(&c.tos, s.TOS)
	set(&c.proto, s.Proto)
	set(&c.tpSrc, s.TPSrc)
	set(&c.tpDst, s.TPDst)
	c.src, c.dst = prefixOf(s.Src), prefixOf(s.Dst)
	c.quoteSrc, c.quoteDst = prefixOf(s.QuotedSrc), prefixOf(s.QuotedDst)
	c.add(onTOS, s.TOS != nil, s.InvTOS)
	c.add(onProto, s.Proto != nil, s.InvProto)
	c.add(onSrc, s.Src.IsValid(), s.InvSrc)
	c.add(onDst, s.Dst.IsValid(), s.InvDst)
	c.add(onTPSrc, s.TPSrc != nil, s.InvTPSrc)
	c.add(onTPDst, s.TPDst != nil, s.InvTPDst)
	c.add(onQuoteSrc, s.QuotedSrc.IsValid(), s.InvQuotedSrc)
	c.add(onQuoteDst, s.QuotedDst.IsValid(), s.InvQuotedDst)
	c.add(onAddrSrc, s.AddrGroupSrc != topology.ID{}, s.InvAddrGroupSrc)
	c.add(onAddrDst, s.AddrGroupDst != topology.ID{}, s.InvAddrGroupDst)
	c.addrSrc, c.addrDst = c.addresses(s.AddrGroupSrc), c.addresses(s.AddrGroupDst)
}

// set copies a value that is given.
func set[T any](to *T, v *T) {
	if v != nil {
		*to = *v
	}
}

func prefixOf(p netip.Prefix) prefix {
	return prefix{packet.FromAddr(p.Addr()).Mask(bitsOf(p)), bitsOf(p)}
}

func (c *conditionCompiler) addresses(group topology.ID) map[packet.IPv4]struct{} {
	if group == (topology.ID{}) {
		return nil
	}
	m := map[packet.IPv4]struct{}{}
	for _, a := range c.snapshot.GroupAddrs[group] {
		m[packet.FromAddr(a)] = struct{}{}
	}
	return m
}

// place compiles what a condition says of where the packet is.
func (c *conditionCompiler) place(s *topology.Condition) {
	c.inPorts, c.outPorts = s.InPorts, s.OutPorts
	c.entryGroup, c.inGroup, c.outGroup, c.traversed = s.PortGroup, s.InPortGroup, s.OutPortGroup, s.TraversedDevice
	c.add(onInPorts, len(s.InPorts) > 0, s.InvInPorts)
	c.add(onOutPorts, len(s.OutPorts) > 0, s.InvOutPorts)
	c.add(onEntryGroup, s.PortGroup != topology.ID{}, s.InvPortGroup)
	c.add(onInGroup, s.InPortGroup != topology.ID{}, s.InvInPortGroup)
	c.add(onOutGroup, s.OutPortGroup != topology.ID{}, s.InvOutPortGroup)
	c.add(onTraversed, s.TraversedDevice != topology.ID{}, s.InvTraversedDevice)
}

// fragmentsOf returns which fragments a rule applies to, as bits.
func fragmentsOf(r *topology.Rule) uint8 {
	policy := r.Fragments
	if policy == "" {
		policy = defaultFragments(r)
	}
	const whole, first, later = 1 << packet.Whole, 1 << packet.FirstFragment, 1 << packet.LaterFragment
	switch policy {
	case topology.FragmentHeader:
		return whole | first
	case topology.FragmentNonHeader:
		return later
	case topology.FragmentUnfragmented:
		return whole
	default:
		return whole | first | later
	}
}

func defaultFragments(r *topology.Rule) topology.FragmentPolicy {
	switch {
	case (r.Type == topology.DNATRule || r.Type == topology.SNATRule) && !isStatic(r.NATTargets):
		return topology.FragmentUnfragmented
	case r.TPSrc != nil || r.TPDst != nil:
		return topology.FragmentHeader
	default:
		return topology.FragmentAny
	}
}

// matches evaluates the condition on the packet where it is now.
func (k *condition) matches(c *Context) bool {
	if k.fragments>>c.match.Fragment&1 == 0 {
		return false
	}
	for left := k.predicates; left != 0; left &= left - 1 {
		p := bits.TrailingZeros32(left)
		if k.holds(p, c) == (k.inverted>>p&1 != 0) {
			return k.invert
		}
	}
	return !k.invert
}

// wants reports whether all packets that match have a predicate hold.
func (k *condition) wants(predicate int) bool {
	return !k.invert && k.predicates>>predicate&1 != 0 && k.inverted>>predicate&1 == 0
}

// holds evaluates one predicate, not inverted.
func (k *condition) holds(predicate int, c *Context) bool {
	m := &c.match
	switch predicate {
	case onProto:
		return m.Net != packet.NoNet && m.Proto == k.proto
	case onDst:
		return m.Net != packet.NoNet && k.dst.contains(m.Dst)
	case onSrc:
		return m.Net != packet.NoNet && k.src.contains(m.Src)
	case onTPDst:
		return m.Transport != packet.NoTransport && inRange(k.tpDst, m.DstPort)
	case onTPSrc:
		return m.Transport != packet.NoTransport && inRange(k.tpSrc, m.SrcPort)
	case onEtherType:
		return m.EtherType == k.etherType
	case onTOS:
		return m.Net == packet.NetIPv4 && m.TOS == k.tos
	case onVLAN:
		vlan, ok := m.VLAN()
		return ok && vlan == k.vlan
	case onNoVLAN:
		return m.NumTags == 0
	case onEthSrc:
		return k.ethSrc.matches(m.EthSrc)
	case onEthDst:
		return k.ethDst.matches(m.EthDst)
	default:
		return k.holdsElsewhere(predicate, c)
	}
}

// holdsElsewhere evaluates predicates on more than the frame's own headers.
func (k *condition) holdsElsewhere(predicate int, c *Context) bool {
	m := &c.match
	switch predicate {
	case onInPorts:
		return c.inPort != nil && slices.Contains(k.inPorts, c.inPort.id)
	case onOutPorts:
		return c.outPort != nil && slices.Contains(k.outPorts, c.outPort.id)
	case onEntryGroup:
		return c.entry.isIn(k.entryGroup)
	case onInGroup:
		return c.inPort.isIn(k.inGroup)
	case onOutGroup:
		return c.outPort.isIn(k.outGroup)
	case onAddrSrc:
		return m.Net != packet.NoNet && has(k.addrSrc, m.Src)
	case onAddrDst:
		return m.Net != packet.NoNet && has(k.addrDst, m.Dst)
	case onTraversed:
		return slices.Contains(c.path, k.traversed)
	case onQuoteSrc:
		return m.Transport == packet.ICMPError && k.quoteSrc.contains(m.Quote.Src)
	case onQuoteDst:
		return m.Transport == packet.ICMPError && k.quoteDst.contains(m.Quote.Dst)
	case onRewritten:
		return c.dstRewritten
	case onForward:
		return c.isForward()
	case onReturn:
		return !c.isForward()
	default:
		panic("sim: unknown predicate")
	}
}

func has(set map[packet.IPv4]struct{}, a packet.IPv4) bool {
	_, ok := set[a]
	return ok
}

// inRange reports whether a port is in a range, whose ends may be open.
func inRange(r topology.Range, port uint16) bool {
	return port >= r.Start && (r.End == 0 || port <= r.End)
}

// isIn reports whether the port, if any, is in a group.
func (p *port) isIn(group topology.ID) bool {
	return p != nil && slices.Contains(p.groups, group)
}
