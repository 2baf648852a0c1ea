// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tsdl

import (
	"math"
	"slices"
	"strings"

	"github.com/weir-io/weir/ctf/schema"
)

var traceBlock = []string{"major", "minor", "byte_order", "uuid", "packet.header"}

// traceBlock reads the trace block from its keyword on.
func (b *batch) traceBlock() error {
	start := b.tok.pos
	b.next()
	if b.blocks++; b.blocks > 1 || b.p.known {
		return b.failf(start, "second trace block")
	}
	var major, minor, order bool
	err := b.entries(block{"trace", traceBlock, newScope(b.root)}, func(e entry) error {
		switch e.name {
		case "major":
			major = true
			_, err := b.uintOf(e, 1, 1)
			return err
		case "minor":
			minor = true
			_, err := b.uintOf(e, 8, 8)
			return err
		case "uuid":
			u, err := b.uuidOf(e)
			b.trace.UUID = u
			return err
		case "packet.header":
			return b.packetHeader(e)
		default: // byte_order: findByteOrder has read it
			order = true
			_, err := b.byteOrderOf(e, 0)
			return err
		}
	})
	switch {
	case err != nil:
		return err
	case !major:
		return b.failf(start, "trace block without attribute %q", "major")
	case !minor:
		return b.failf(start, "trace block without attribute %q", "minor")
	case !order:
		return b.failf(start, "trace block without attribute %q", "byte_order")
	}
	return nil
}

func (b *batch) packetHeader(e entry) error {
	s, err := b.structOf(e)
	if err != nil {
		return err
	}
	r := resolver{b: b, scope: schema.PacketHeader, at: e.at}
	b.trace.PacketHeader, err = r.run(s)
	return err
}

// findByteOrder looks into the trace block before anything else is read, as
// integers at the root may have the trace's byte order.
func (b *batch) findByteOrder(decls []declaration) error {
	if b.p.known {
		return nil
	}
	b.trace.ByteOrder = schema.LittleEndian // for now: the block's reader says what is missing
	i := slices.IndexFunc(decls, func(d declaration) bool { return d.kind == tTrace })
	if i < 0 {
		return nil
	}
	b.seek(decls[i].pos)
	b.next()
	depth, fresh := 0, false // fresh: at the begin of an entry of the block
	for b.tok.kind != tEOF {
		word := b.tok
		if fresh && (word.kind == tIdent && b.text(word) == "byte_order" ||
			word.kind == tString && unquote(b.text(word)) == "byte_order") && b.peek().kind == tEqual {
			return b.setByteOrder()
		}
		switch word.kind {
		case tLBrace:
			depth++
		case tRBrace:
			depth--
		}
		fresh = depth == 1 && (word.kind == tSemicolon || word.kind == tLBrace)
		if depth == 0 && word.kind == tSemicolon {
			break
		}
		b.next()
	}
	return nil
}

func (b *batch) setByteOrder() error {
	b.next()
	b.next()
	e := entry{name: "byte_order", at: b.tok.pos}
	var err error
	if e.value, err = b.value(); err != nil {
		return err
	}
	b.trace.ByteOrder, err = b.byteOrderOf(e, 0)
	return err
}

// byteOrderOf gives the byte order that an attribute names; native is what the
// word of that name means, 0 where it must not be used.
func (b *batch) byteOrderOf(e entry, native schema.ByteOrder) (schema.ByteOrder, error) {
	if e.class == nil && !e.value.isInt {
		switch e.value.text {
		case "le":
			return schema.LittleEndian, nil
		case "be", "network":
			return schema.BigEndian, nil
		case "native":
			if native != 0 {
				return native, nil
			}
		}
	}
	if native == 0 {
		return 0, b.wrong(e, "le, be or network")
	}
	return 0, b.wrong(e, "le, be, network or native")
}

// env reads an environment block.
func (b *batch) env() error {
	b.next()
	if err := b.expect(tLBrace); err != nil {
		return err
	}
	for !b.accept(tRBrace) {
		if err := b.envEntry(); err != nil {
			return err
		}
		if err := b.expect(tSemicolon); err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) envEntry() error {
	pos := b.tok.pos
	name, err := b.path("name of an environment entry")
	if err != nil {
		return err
	}
	if b.accept(tAssign) {
		b.warnf(pos, "environment entry %s is neither string nor integer", quoteShort(name))
		_, err := b.assignedType(b.root)
		return err
	}
	if err := b.expect(tEqual); err != nil {
		return err
	}
	v, err := b.value()
	if err != nil {
		return err
	}
	entry := schema.EnvEntry{Name: b.name(name), IsInt: v.isInt, String: strings.Clone(v.text)}
	if v.isInt {
		entry.Int = int64(v.num)
		if v.neg {
			entry.Int = -entry.Int
		}
	}
	if name == "tracer_name" && strings.HasPrefix(v.text, "lttng") {
		b.lttng = true
	}
	return b.addEnv(pos, entry)
}

func (b *batch) addEnv(pos int, entry schema.EnvEntry) error {
	i := slices.IndexFunc(b.trace.Env, func(o schema.EnvEntry) bool { return o.Name == entry.Name })
	switch {
	case i < 0:
		if len(b.trace.Env) == maxEnv {
			return b.failf(pos, "more than %d environment entries", maxEnv)
		}
		b.trace.Env = append(b.trace.Env, entry)
	case b.trace.Env[i] == entry:
	case i < len(b.p.trace.Env):
		return b.failf(pos, "environment entry %s has another value than before", quoteShort(entry.Name))
	default:
		b.warnf(pos, "environment entry %s given twice: the last counts", quoteShort(entry.Name))
		b.trace.Env[i] = entry
	}
	return nil
}

// maxEnv and maxClocks bound lists that are searched from end to end.
const (
	maxEnv    = 4096
	maxClocks = 4096
)

var clockBlock = []string{
	"name", "uuid", "description", "freq", "precision", "offset_s", "offset", "absolute",
}

// clock reads a clock block.
func (b *batch) clock() error {
	start := b.tok.pos
	b.next()
	c := &schema.Clock{Frequency: 1e9}
	named := false
	err := b.entries(block{what: "clock", known: clockBlock}, func(e entry) (err error) {
		switch e.name {
		case "name":
			named = true
			c.Name, err = b.stringOf(e)
		case "uuid":
			c.UUID, err = b.uuidOf(e)
		case "description":
			c.Description, err = b.stringOf(e)
		case "freq":
			c.Frequency, err = b.uintOf(e, 1, math.MaxUint64)
		case "precision":
			c.Precision, err = b.uintOf(e, 0, math.MaxUint64)
		case "offset_s":
			c.OffsetSeconds, err = b.intOf(e)
		case "offset":
			c.OffsetCycles, err = b.uintOf(e, 0, math.MaxUint64)
		case "absolute":
			c.Absolute, err = b.boolOf(e)
		}
		return err
	})
	if err != nil {
		return err
	}
	if !named {
		return b.failf(start, "clock without attribute %q", "name")
	}
	c.Name, c.Description = b.name(c.Name), strings.Clone(c.Description)
	return b.addClock(start, c)
}

func (b *batch) addClock(start int, c *schema.Clock) error {
	if b.trace.Clock(c.Name) != nil {
		return b.failf(start, "second clock %s", quoteShort(c.Name))
	}
	if len(b.trace.Clocks) == maxClocks {
		return b.failf(start, "more than %d clocks", maxClocks)
	}
	seconds := c.OffsetCycles / c.Frequency
	if sum := c.OffsetSeconds + int64(seconds); seconds > math.MaxInt64 || sum < c.OffsetSeconds {
		return b.failf(start, "clock %s: offset beyond 64 bits", quoteShort(c.Name))
	}
	c.OffsetSeconds += int64(seconds)
	c.OffsetCycles %= c.Frequency
	// LTTng's metadata do not say it, but its monotonic clock counts from the epoch.
	c.Absolute = c.Absolute || b.lttng && c.Name == "monotonic"
	b.trace.Clocks = append(b.trace.Clocks, c)
	return nil
}

// callsite reads a callsite block, which means nothing here.
func (b *batch) callsite() error {
	b.warnf(b.tok.pos, "callsite blocks are ignored")
	b.next()
	if err := b.expect(tLBrace); err != nil {
		return err
	}
	for !b.accept(tRBrace) {
		if _, err := b.path("callsite attribute"); err != nil {
			return err
		}
		if err := b.expect(tEqual); err != nil {
			return err
		}
		if _, err := b.value(); err != nil {
			return err
		}
		if err := b.expect(tSemicolon); err != nil {
			return err
		}
	}
	return nil
}
