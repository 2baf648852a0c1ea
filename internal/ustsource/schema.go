// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ustsource

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/ctf/tsdl"
	"github.com/weir-io/weir/internal/ust/wire"
)

// streamClass is a stream class of the metadata.
type streamClass = schema.Stream

// newClass makes a stream class. It is declared when a program has told its contexts.
// The caller holds trace.mu.
func (p *part) newClass() (*class, error) {
	if c := p.spare; c != nil {
		p.spare = nil
		return c, nil
	}
	b, err := p.builder.Stream(ctf.LargeHeader)
	if err != nil {
		return nil, err
	}
	return &class{stream: b.Class(), events: make(map[string]uint32)}, nil
}

// declareContexts declares the stream class, or checks that a program has the same
// contexts as the one before it.
func (b *buffers) declareContexts(raw []byte, fields []wire.Field) error {
	t := b.c.t
	t.mu.Lock()
	defer t.mu.Unlock()
	if b.class.contexts != nil {
		if *b.class.contexts != string(raw) {
			return errors.New("they are others than those of programs before, with which it shares rings (--buffers-pid gives each its own)")
		}
		return nil
	}
	if len(fields) > 0 {
		st, err := b.part.structure(schema.EventContext, fields)
		if err != nil {
			return err
		}
		with := *b.class.stream
		with.EventContext = st
		if err := checkText(tsdl.AppendStream(nil, &with)); err != nil {
			return err
		}
		b.class.stream.EventContext = st
	}
	text := string(raw)
	b.class.contexts = &text
	b.part.declare(func(text []byte) ([]byte, error) { return tsdl.AppendStream(text, b.class.stream) })
	for _, e := range b.class.stream.Events { // a program declares some before the channel
		b.part.declareEvent(e)
	}
	return nil
}

// declare gives an event its number, the same as that of one that is like it.
func (b *buffers) declare(e *wire.EventNotice, raw []byte, fields []wire.Field, uri string) (uint32, error) {
	t := b.c.t
	key := fmt.Sprintf("%s\x00%d\x00%d\x00%s", e.Name, e.Level, e.SignatureLen, raw)
	t.mu.Lock()
	defer t.mu.Unlock()
	if id, ok := b.class.events[key]; ok {
		return id, nil
	}
	switch {
	case len(b.class.events) >= maxEvents:
		return 0, fmt.Errorf("there are %d events already", maxEvents)
	case !b.part.afford(len(key)):
		return 0, b.part.excess()
	case t.closed:
		return 0, errClosed
	}
	event := &schema.Event{Stream: b.class.stream, ID: uint64(len(b.class.events)), Name: e.Name, HasName: true, LogLevel: schema.NoLogLevel, EMFURI: uri}
	if e.Level >= 0 && e.Level <= int32(schema.MaxLogLevel) {
		event.LogLevel = schema.LogLevel(e.Level)
	}
	var err error
	if event.Payload, err = b.part.structure(schema.EventPayload, fields); err != nil {
		return 0, err
	}
	if err := checkText(tsdl.AppendEvent(nil, event)); err != nil {
		return 0, err
	}
	if !b.class.stream.AddEvent(event) {
		return 0, fmt.Errorf("number %d is taken", event.ID)
	}
	b.class.events[key] = uint32(event.ID)
	if b.class.contexts != nil {
		b.part.declareEvent(event)
	}
	return uint32(event.ID), nil
}

// declareEvent has the metadata tell of an event, behind its stream class.
func (p *part) declareEvent(e *schema.Event) {
	p.declare(func(text []byte) ([]byte, error) { return tsdl.AppendEvent(text, e) })
}

// maxDepth bounds fields within fields.
const maxDepth = 16

// translator makes classes of fields as programs declare them.
type translator struct {
	p     *part
	scope schema.Scope
	left  []wire.Field
	names map[*schema.Struct]map[string]*named // of members
	tags  map[*schema.Integer]map[string]int   // labels of variants' tags, with their places
	size  int                                  // of the text of enumerations, about
	err   error
}

// named is the member that has a name.
type named struct {
	member int // its place
	next   int // number for the next one of that name
}

// structure makes the struct of a scope. The caller holds trace.mu.
func (p *part) structure(scope schema.Scope, fields []wire.Field) (*schema.Struct, error) {
	tr := &translator{
		p: p, scope: scope, left: fields,
		names: make(map[*schema.Struct]map[string]*named), tags: make(map[*schema.Integer]map[string]int),
	}
	st := &schema.Struct{}
	for len(tr.left) > 0 && tr.err == nil {
		tr.member(st, nil, 0)
	}
	if tr.err == nil && !p.afford(tr.size) {
		tr.err = p.excess()
	}
	return st, tr.err
}

// excess says that a user's programs have declared too much.
func (p *part) excess() error {
	return fmt.Errorf("programs of user %d have declared more than %d bytes", p.of.uid, maxTold)
}

// checkText refuses metadata that are too long.
func checkText(text []byte, err error) error {
	if err == nil && len(text) > maxText {
		return fmt.Errorf("%d bytes of metadata, want at most %d", len(text), maxText)
	}
	return err
}

func (tr *translator) fail(format string, args ...any) {
	if tr.err == nil {
		tr.err = fmt.Errorf(format, args...)
	}
}

// next takes the next record.
func (tr *translator) next() (f wire.Field) {
	if len(tr.left) == 0 {
		tr.fail("a field is incomplete")
		return f
	}
	f, tr.left = tr.left[0], tr.left[1:]
	return f
}

// spell is how the metadata spell a name: with an underscore in front, so that it is no
// keyword, and with letters, digits and underscores only.
func spell(name string) string {
	return "_" + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' {
			return r
		}
		return '_'
	}, name)
}

// member adds the next field to a struct, whose members have names of their own.
func (tr *translator) member(st *schema.Struct, path []string, depth int) {
	f := tr.next()
	name := tr.unused(st, spell(f.Name))
	c := tr.class(&f, st, append(slices.Clone(path), name), depth)
	tr.names[st][name] = &named{member: len(st.Members)}
	st.Members = append(st.Members, schema.Member{Name: name[1:], Spelled: name, Class: c})
}

// unused is a name for the next member of a struct, with a number if it has that name
// already. All members may have the same one.
func (tr *translator) unused(st *schema.Struct, name string) string {
	all := tr.names[st]
	if all == nil {
		all = make(map[string]*named)
		tr.names[st] = all
	}
	first, taken := all[name]
	free := name
	for taken {
		free = fmt.Sprintf("%s_%d", name, first.next)
		first.next++
		_, taken = all[free]
	}
	return free
}

// before is the member of a struct that a field names, or -1.
func (tr *translator) before(st *schema.Struct, name string) int {
	if n := tr.names[st][spell(name)]; n != nil {
		return n.member
	}
	return -1
}

// labels are those of a tag.
func (tr *translator) labels(tag *schema.Integer) map[string]int {
	all := tr.tags[tag]
	if all == nil {
		all = make(map[string]int, len(tag.Mappings))
		for i, m := range tag.Mappings {
			all[m.Label] = i
		}
		tr.tags[tag] = all
	}
	return all
}

// class makes the class of a field; st has the fields before it, path leads to it.
func (tr *translator) class(f *wire.Field, st *schema.Struct, path []string, depth int) schema.Class {
	if depth > maxDepth {
		tr.fail("field %s: more than %d levels", f.Name, maxDepth)
	}
	if tr.err != nil {
		return &schema.String{}
	}
	switch f.Kind {
	case wire.Integer:
		return tr.integer(f)
	case wire.Float:
		return tr.float(f)
	case wire.Enum:
		return tr.enum(f)
	case wire.Array, wire.Sequence:
		return tr.array(f, st, path, depth)
	case wire.Struct, wire.OldStruct:
		inner := &schema.Struct{}
		for range f.Length {
			if tr.err != nil {
				break
			}
			tr.member(inner, path, depth+1)
		}
		return inner
	case wire.Variant, wire.OldVariant:
		return tr.variant(f, st, path, depth)
	}
	return &schema.String{Encoding: schema.UTF8}
}

// layout is that of a number.
func (tr *translator) layout(f *wire.Field, bits uint32) schema.BitLayout {
	align := max(f.Align, 1)
	if bits == 0 || bits > 64 || align > 1<<10 || !schema.IsPowerOfTwo(uint64(align)) {
		tr.fail("field %s: %d bits, aligned to %d", f.Name, bits, align)
		return schema.BitLayout{Size: 8, Align: 8, Order: schema.LittleEndian}
	}
	l := schema.BitLayout{Size: uint8(bits), Align: align, Order: schema.LittleEndian}
	if f.Swapped {
		l.Order = schema.BigEndian
	}
	return l
}

func (tr *translator) integer(f *wire.Field) *schema.Integer {
	i := &schema.Integer{BitLayout: tr.layout(f, f.Bits), Signed: f.Signed, Base: 10}
	switch f.Base {
	case 2, 8, 16:
		i.Base = uint8(f.Base)
	}
	if f.Encoding == wire.UTF8 || f.Encoding == wire.ASCII {
		i.Encoding = schema.UTF8
	}
	return i
}

func (tr *translator) float(f *wire.Field) schema.Class {
	if n := f.Exponent + f.Mantissa; n != 32 && n != 64 {
		tr.fail("field %s: a number of %d and %d digits, want 8 and 24 or 11 and 53", f.Name, f.Exponent, f.Mantissa)
	}
	return &schema.Float{BitLayout: tr.layout(f, (f.Exponent+f.Mantissa)&0x7f)}
}

// enum makes an enumeration of the integer that follows.
func (tr *translator) enum(f *wire.Field) schema.Class {
	of := tr.next()
	if of.Kind != wire.Integer {
		tr.fail("field %s: an enumeration of type %d", f.Name, of.Kind)
	}
	i := tr.integer(&of)
	if f.EnumID >= uint64(len(tr.p.enums)) {
		tr.fail("field %s: enumeration %d is not declared", f.Name, f.EnumID)
		return i
	}
	e := tr.p.enums[f.EnumID]
	if tr.size += e.size; tr.size > maxText { // each field has all of it in the metadata
		tr.fail("field %s: enumerations of more than %d bytes in one event", f.Name, maxText)
	}
	i.Mappings = e.mappings
	return i
}

// mappings are the labels of an enumeration, with all ranges of each.
func mappings(entries []wire.EnumEntry) []schema.Mapping {
	all := []schema.Mapping{}
	at := make(map[string]int)
	next := uint64(0)
	for _, e := range entries {
		r := schema.Range{Low: e.Start.Value, High: e.End.Value}
		if e.Auto {
			r = schema.Range{Low: next, High: next}
		}
		next = r.High + 1
		i, ok := at[e.Label]
		if !ok {
			i = len(all)
			at[e.Label] = i
			all = append(all, schema.Mapping{Label: e.Label})
		}
		all[i].Ranges = append(all[i].Ranges, r)
	}
	return all
}

// array makes an array or a sequence of the field that follows.
func (tr *translator) array(f *wire.Field, st *schema.Struct, path []string, depth int) schema.Class {
	var ref *schema.Ref
	if f.Kind == wire.Sequence {
		ref = tr.ref(f, st, path)
	}
	of := tr.next()
	element := tr.class(&of, st, path, depth+1)
	if i, ok := element.(*schema.Integer); ok && i.Encoding != schema.NoEncoding && i.Size == 8 && i.Mappings == nil {
		return &schema.Text{Encoding: schema.UTF8, Length: uint64(f.Length), LengthRef: ref, Unit: i}
	}
	return &schema.Array{Element: element, Length: uint64(f.Length), LengthRef: ref}
}

// ref leads to the field beside another one that tells about it.
func (tr *translator) ref(f *wire.Field, st *schema.Struct, path []string) *schema.Ref {
	m := tr.before(st, f.Ref)
	if m < 0 {
		tr.fail("field %s: there is no field %s before it", f.Name, f.Ref)
		return nil
	}
	if _, ok := st.Members[m].Class.(*schema.Integer); !ok {
		tr.fail("field %s: field %s is no integer", f.Name, f.Ref)
	}
	return &schema.Ref{Scope: tr.scope, Path: append(slices.Clone(path[:len(path)-1]), st.Members[m].Spelled)}
}

// variant makes one of the choices that follow.
func (tr *translator) variant(f *wire.Field, st *schema.Struct, path []string, depth int) schema.Class {
	v := &schema.Variant{Tag: tr.ref(f, st, path)}
	if tr.err != nil {
		return v
	}
	tag := st.Members[tr.before(st, f.Ref)].Class.(*schema.Integer)
	labels := tr.labels(tag)
	v.TagSigned = tag.Signed
	for range f.Length {
		choice := tr.next()
		o := schema.Option{Name: choice.Name, Class: tr.class(&choice, &schema.Struct{}, append(slices.Clone(path), choice.Name), depth+1)}
		m, ok := labels[choice.Name]
		if !ok { // as in contexts of a program's own
			m, ok = labels["_"+choice.Name]
		}
		if !ok {
			tr.fail("field %s: choice %s is no label of field %s", f.Name, choice.Name, f.Ref)
		}
		if tr.err != nil {
			return v
		}
		o.Name, o.Ranges = tag.Mappings[m].Label, tag.Mappings[m].Ranges
		v.Options = append(v.Options, o)
	}
	return v
}
