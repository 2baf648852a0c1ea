// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tsdl

import (
	"strings"

	"github.com/weir-io/weir/ctf/schema"
)

// structType reads from the keyword struct on. It also gives the name under
// which there may be aliases of pointers to it.
func (b *batch) structType(sc *scope) (schema.Class, string, error) {
	b.next()
	tag, pos := b.tag()
	if b.tok.kind != tLBrace {
		c, err := b.tagged(sc, structTags, tag, pos)
		return c, "struct " + tag, err
	}
	s := &schema.Struct{}
	var names fieldNames
	err := b.body(sc, func(at int, name string, c schema.Class) error {
		if err := b.addField(&names, at, name, "struct"); err != nil {
			return err
		}
		s.Members = append(s.Members, schema.Member{Name: shownName(name), Spelled: spelledName(name), Class: c})
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	if b.accept(tAlign) {
		if s.MinAlign, err = b.structAlign(); err != nil {
			return nil, "", err
		}
	}
	if tag == "" {
		return s, "", nil
	}
	return s, "struct " + tag, b.declareType(sc, structTags, pos, tag, s)
}

// structAlign reads the parentheses behind align.
func (b *batch) structAlign() (uint64, error) {
	if err := b.expect(tLParen); err != nil {
		return 0, err
	}
	e := entry{name: "align", at: b.tok.pos}
	var err error
	if e.value, err = b.value(); err != nil {
		return 0, err
	}
	align, err := b.alignOf(e)
	if err != nil {
		return 0, err
	}
	return uint64(align), b.expect(tRParen)
}

// tag reads the name of a struct, variant or enumeration, if there is one.
func (b *batch) tag() (string, int) {
	t := b.tok
	if t.kind != tIdent {
		return "", t.pos
	}
	b.next()
	return b.name(b.text(t)), t.pos
}

// tagged finds a struct, variant or enumeration by its name.
func (b *batch) tagged(sc *scope, ns nameSpace, tag string, pos int) (schema.Class, error) {
	if tag == "" {
		return nil, b.unexpected(`name or "{"`)
	}
	c := sc.lookup(ns, tag)
	if c == nil {
		return nil, b.failf(pos, "no %s %s", ns, quoteShort(tag))
	}
	return c, nil
}

// body reads the braces of a struct or variant and gives its fields to a
// function.
func (b *batch) body(outer *scope, field func(at int, name string, c schema.Class) error) error {
	b.next()
	sc := newScope(outer)
	for !b.accept(tRBrace) {
		if err := b.bodyEntry(sc, field); err != nil {
			return err
		}
		if err := b.expect(tSemicolon); err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) bodyEntry(sc *scope, field func(at int, name string, c schema.Class) error) error {
	if b.tok.kind == tTypealias || b.tok.kind == tTypedef {
		return b.typedefOrAlias(sc)
	}
	spec, err := b.typeSpec(sc)
	if err != nil {
		return err
	}
	if b.tok.kind == tTypedef {
		return b.typedefs(sc, spec)
	}
	for {
		d, err := b.declarator(sc, true)
		if err != nil {
			return err
		}
		c, err := b.declared(sc, spec, d)
		if err != nil {
			return err
		}
		if err := field(d.pos, d.name, c); err != nil {
			return err
		}
		if !b.accept(tComma) {
			return nil
		}
	}
}

// fieldNames are those of a struct or variant so far.
type fieldNames struct{ spelled, shown nameSet }

// addField refuses a name that is spelled as another. Names that differ only
// in whether there is a leading underscore look the same to people.
func (b *batch) addField(names *fieldNames, at int, name, in string) error {
	if !names.spelled.add(name) {
		return b.failf(at, "second field %s in a %s", quoteShort(name), in)
	}
	if !names.shown.add(shownName(name)) {
		b.warnf(at, "field %s is shown as another of the %s", quoteShort(name), in)
	}
	return nil
}

// shownName is the name that people read: one leading underscore keeps names
// apart from keywords and types and is no part of it.
func shownName(name string) string { return strings.TrimPrefix(name, "_") }

// spelledName is the name as spelled where that is another, else "".
func spelledName(name string) string {
	if strings.HasPrefix(name, "_") {
		return name
	}
	return ""
}

// variantType reads from the keyword variant on.
func (b *batch) variantType(sc *scope) (schema.Class, string, error) {
	b.next()
	tag, pos := b.tag()
	var ref *schema.Ref
	if b.accept(tLess) {
		at := b.tok.pos
		if b.tok.kind == tString {
			return nil, "", b.unexpected("name of a tag")
		}
		path, err := b.path("name of a tag")
		if err != nil {
			return nil, "", err
		}
		if err := b.expect(tGreater); err != nil {
			return nil, "", err
		}
		if ref, err = b.reference(at, path); err != nil {
			return nil, "", err
		}
	}
	v := &schema.Variant{Tag: ref}
	if b.tok.kind != tLBrace {
		c, err := b.tagged(sc, variantTags, tag, pos)
		if err != nil {
			return nil, "", err
		}
		v.Options = c.(*schema.Variant).Options
		return v, "", nil
	}
	var names fieldNames
	start := b.tok.pos
	err := b.body(sc, func(at int, name string, c schema.Class) error {
		if err := b.addField(&names, at, name, "variant"); err != nil {
			return err
		}
		v.Options = append(v.Options, schema.Option{Name: shownName(name), Spelled: spelledName(name), Class: c})
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	if len(v.Options) == 0 {
		return nil, "", b.failf(start, "variant without options")
	}
	if tag == "" {
		return v, "", nil
	}
	return v, "", b.declareType(sc, variantTags, pos, tag, &schema.Variant{Options: v.Options})
}

// enumType reads from the keyword enum on.
func (b *batch) enumType(sc *scope) (schema.Class, string, error) {
	b.next()
	tag, pos := b.tag()
	if tag != "" && b.tok.kind != tLBrace && b.tok.kind != tColon {
		c, err := b.tagged(sc, enumTags, tag, pos)
		return c, "enum " + tag, err
	}
	container, err := b.container(sc)
	if err != nil {
		return nil, "", err
	}
	e := *container
	if err := b.enumerators(&e); err != nil {
		return nil, "", err
	}
	if tag == "" {
		return &e, "", nil
	}
	return &e, "enum " + tag, b.declareType(sc, enumTags, pos, tag, &e)
}

// container reads the type of an enumeration's values.
func (b *batch) container(sc *scope) (*schema.Integer, error) {
	pos := b.tok.pos
	if !b.accept(tColon) {
		if b.tok.kind != tLBrace {
			return nil, b.unexpected(`name, ":" or "{"`)
		}
		if i, ok := sc.lookup(aliases, "int").(*schema.Integer); ok {
			return i, nil
		}
		return nil, b.failf(pos, "enumeration without type, and no integer type alias %q", "int")
	}
	pos = b.tok.pos
	var c schema.Class
	var err error
	if b.tok.kind == tIntegerType {
		c, err = b.integerType()
	} else {
		var spec typeSpec
		if spec.pos = pos; b.tok.kind == tLBrace || b.tok.kind.beginsType() && !b.tok.kind.isCWord() {
			return nil, b.unexpected("integer type")
		}
		if spec.words, err = b.typeWords(sc); err == nil {
			c, err = b.specified(sc, spec, "")
		}
	}
	if err != nil {
		return nil, err
	}
	i, ok := c.(*schema.Integer)
	if !ok || i.Mappings != nil {
		return nil, b.mismatch(pos, "type of an enumeration", describeClass(c), "an integer")
	}
	return i, nil
}
