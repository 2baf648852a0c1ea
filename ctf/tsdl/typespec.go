// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tsdl

import (
	"slices"
	"strings"

	"github.com/weir-io/weir/ctf/schema"
)

// typeSpec is a type as it stands before declarators: a class, or words that
// are, alone or with asterisks, the name of an alias.
type typeSpec struct {
	class schema.Class // nil: see words
	words string       // joined with single spaces; "": nothing to point at
	pos   int
}

// beginsType reports whether a token can be the first of a type.
func (b *batch) beginsType(sc *scope, t token) bool {
	return t.kind.beginsType() || t.kind == tIdent && sc.isWord(b.text(t), t.pos)
}

// atTypedef reports whether a declaration of types begins at the current token,
// rather than an attribute, whose name may be a keyword or a type's name.
func (b *batch) atTypedef(sc *scope) bool {
	switch {
	case b.tok.kind == tTypealias || b.tok.kind == tTypedef:
	case !b.beginsType(sc, b.tok):
		return false
	}
	switch b.peek().kind {
	case tEqual, tAssign, tDot, tArrow, tLBracket:
		return false
	default:
		return true
	}
}

// rootType reads a declaration of types at the root.
func (b *batch) rootType() error {
	if b.tok.kind == tTypealias || b.tok.kind == tTypedef {
		return b.typedefOrAlias(b.root)
	}
	if !b.beginsType(b.root, b.tok) {
		return b.unexpected("declaration")
	}
	spec, err := b.typeSpec(b.root)
	if err != nil {
		return err
	}
	if b.tok.kind == tTypedef {
		return b.typedefs(b.root, spec)
	}
	_, err = b.specified(b.root, spec, "")
	return err
}

// typedefOrAlias reads a typealias or a typedef in any of its forms.
func (b *batch) typedefOrAlias(sc *scope) error {
	if b.tok.kind == tTypealias {
		return b.typealias(sc)
	}
	if b.tok.kind == tTypedef {
		return b.typedefs(sc, typeSpec{pos: b.tok.pos})
	}
	spec, err := b.typeSpec(sc)
	if err != nil {
		return err
	}
	if b.tok.kind != tTypedef {
		return b.unexpected(`"typedef"`)
	}
	return b.typedefs(sc, spec)
}

// typedefs reads from the keyword typedef on; C lets part of the type, or all
// of it, stand before.
func (b *batch) typedefs(sc *scope, before typeSpec) error {
	b.next()
	spec := before
	if before.class == nil && before.words == "" || b.beginsType(sc, b.tok) {
		behind, err := b.typeSpec(sc)
		if err != nil {
			return err
		}
		switch {
		case before.class != nil:
		case before.words != "" && behind.class != nil:
			return b.failf(behind.pos, "type after the words %q", before.words)
		default:
			if spec.class = behind.class; before.words == "" {
				spec.pos = behind.pos
			}
			spec.words = strings.TrimSpace(before.words + " " + behind.words)
		}
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
		if err := b.declareAlias(sc, d.pos, d.name, c); err != nil {
			return err
		}
		sc.addWord(d.name, b.tok.pos)
		if !b.accept(tComma) {
			return nil
		}
	}
}

// typealias reads from the keyword typealias on.
func (b *batch) typealias(sc *scope) error {
	b.next()
	spec, err := b.typeSpec(sc)
	if err != nil {
		return err
	}
	d, err := b.declarator(sc, false)
	if err != nil {
		return err
	}
	if err := b.expect(tAssign); err != nil {
		return err
	}
	c, err := b.declared(sc, spec, d)
	if err != nil {
		return err
	}
	start := b.tok.pos
	var words []string
	for b.tok.kind == tIdent || b.tok.kind.isCWord() {
		words = append(words, b.text(b.tok))
		if b.tok.kind == tIdent {
			sc.addWord(b.name(b.text(b.tok)), b.tok.pos)
		}
		b.next()
	}
	if words == nil {
		return b.unexpected("name of a type")
	}
	return b.declareAlias(sc, start, strings.Join(words, " ")+b.pointers(), c)
}

// declareAlias gives a class a name.
func (b *batch) declareAlias(sc *scope, pos int, name string, c schema.Class) error {
	if v, ok := c.(*schema.Variant); ok && v.Tag == nil {
		return b.failf(pos, "type %q is a variant without tag", name)
	}
	return b.declareType(sc, aliases, pos, name, c)
}

func (b *batch) declareType(sc *scope, ns nameSpace, pos int, name string, c schema.Class) error {
	if !sc.declare(ns, b.name(name), c) || sc == b.root && b.p.root.types[ns][name] != nil {
		return b.failf(pos, "%s %s declared twice", ns, quoteShort(name))
	}
	return nil
}

// typeSpec reads a type.
func (b *batch) typeSpec(sc *scope) (typeSpec, error) {
	spec := typeSpec{pos: b.tok.pos}
	var err error
	switch b.tok.kind {
	case tIntegerType:
		spec.class, err = b.integerType()
	case tFloatingPoint:
		spec.class, err = b.floatType()
	case tStringType:
		spec.class, err = b.stringType()
	case tStruct:
		spec.class, spec.words, err = b.structType(sc)
	case tVariant:
		spec.class, spec.words, err = b.variantType(sc)
	case tEnum:
		spec.class, spec.words, err = b.enumType(sc)
	default:
		spec.words, err = b.typeWords(sc)
		return spec, err
	}
	for err == nil && b.accept(tConst) {
	}
	return spec, err
}

// typeWords reads words of types' names, as far as they go.
func (b *batch) typeWords(sc *scope) (string, error) {
	if b.tok.kind == tIdent && !sc.isWord(b.text(b.tok), b.tok.pos) {
		return "", b.unexpected("name of a type")
	}
	var words []string
	for b.tok.kind.isCWord() || b.tok.kind == tIdent && sc.isWord(b.text(b.tok), b.tok.pos) {
		words = append(words, b.text(b.tok))
		b.next()
	}
	switch len(words) {
	case 0:
		return "", b.unexpected("type")
	case 1:
		return words[0], nil
	default:
		return strings.Join(words, " "), nil
	}
}

// specified gives the class of a type with asterisks behind it.
func (b *batch) specified(sc *scope, spec typeSpec, pointers string) (schema.Class, error) {
	if spec.class != nil && pointers == "" {
		return spec.class, nil
	}
	if spec.words == "" {
		return nil, b.failf(spec.pos, "pointer to a type without name")
	}
	name := spec.words + pointers
	c := sc.lookup(aliases, name)
	if c == nil {
		return nil, b.failf(spec.pos, "no type alias %s", quoteShort(name))
	}
	if i, ok := c.(*schema.Integer); ok && pointers != "" && i.Base != 16 {
		hex := *i
		hex.Base = 16
		return &hex, nil
	}
	return c, nil
}

// pointers reads asterisks and gives them as aliases' names have them.
func (b *batch) pointers() string {
	var s strings.Builder
	for b.accept(tStar) {
		s.WriteString(" *")
		if b.tok.kind == tConst {
			s.WriteString(" const")
		}
		for b.accept(tConst) {
		}
	}
	return s.String()
}

// declarator is what stands behind a type: a name with asterisks and lengths.
type declarator struct {
	name     string // "" of an abstract one
	pos      int
	pointers string
	lengths  []length // outermost first
}

// length is that of an array or, with a reference, of a sequence.
type length struct {
	n   uint64
	ref *schema.Ref
}

// declarator reads one with a name or without.
func (b *batch) declarator(sc *scope, named bool) (declarator, error) {
	d := declarator{pointers: b.pointers(), pos: b.tok.pos}
	if named {
		switch text := b.text(b.tok); {
		case b.tok.kind.isKeyword() || b.tok.kind == tIdent && sc.isWord(text, b.tok.pos):
			return d, b.unexpected("name that is neither keyword nor type")
		case b.tok.kind != tIdent:
			return d, b.unexpected("name")
		default:
			d.name = b.name(text)
			b.next()
		}
	}
	for b.accept(tLBracket) {
		l, err := b.length()
		if err != nil {
			return d, err
		}
		d.lengths = append(d.lengths, l)
		if len(d.lengths) > MaxDepth {
			return d, b.failf(d.pos, "arrays nested deeper than %d", MaxDepth)
		}
	}
	if b.tok.kind == tColon {
		return d, b.failf(b.tok.pos, "bit fields of C are not part of CTF: use an integer's size")
	}
	return d, nil
}

// length reads what stands between brackets, and the closing one.
func (b *batch) length() (length, error) {
	pos := b.tok.pos
	v, err := b.value()
	if err != nil {
		return length{}, err
	}
	if b.tok.kind != tRBracket {
		return length{}, b.unexpected(`"]"`)
	}
	b.next()
	switch entry, isEnv := strings.CutPrefix(v.text, "env."); {
	case v.isInt && v.neg:
		return length{}, b.mismatch(pos, "length", v.describe(), "an unsigned integer")
	case v.isInt:
		return length{n: v.num}, nil
	case isEnv:
		n, ok := b.trace.EnvInt(entry)
		if !ok || n < 0 {
			return length{}, b.failf(pos, "length: the environment has no unsigned integer %s", quoteShort(entry))
		}
		return length{n: uint64(n)}, nil
	default:
		ref, err := b.reference(pos, v.text)
		return length{ref: ref}, err
	}
}

// unresolved is the scope of a reference that has not been looked up yet: its
// path is as the metadata have it.
const unresolved schema.Scope = 255

// reference makes a reference of a path.
func (b *batch) reference(pos int, path string) (*schema.Ref, error) {
	words := strings.Split(path, ".")
	if slices.Contains(words, "") || len(words) > maxNesting || strings.ContainsRune(path, '[') {
		return nil, b.mismatch(pos, "reference", quoteShort(path), "names of fields joined with dots")
	}
	for i, w := range words {
		words[i] = b.name(w)
	}
	ref := &schema.Ref{Scope: unresolved, Path: words}
	b.refs[ref] = b.position(pos)
	return ref, nil
}

// declared gives the class of a field or type: arrays around a type.
func (b *batch) declared(sc *scope, spec typeSpec, d declarator) (schema.Class, error) {
	c, err := b.specified(sc, spec, d.pointers)
	if err != nil {
		return nil, err
	}
	for _, l := range slices.Backward(d.lengths) {
		if unit, ok := c.(*schema.Integer); ok && isCharacter(unit) {
			c = &schema.Text{Encoding: schema.UTF8, Length: l.n, LengthRef: l.ref, Unit: unit}
			continue
		}
		c = &schema.Array{Element: c, Length: l.n, LengthRef: l.ref}
	}
	return c, nil
}

// isCharacter reports whether arrays of an integer are text.
func isCharacter(i *schema.Integer) bool {
	return i.Size == 8 && i.Align == 8 && i.Encoding == schema.UTF8
}
