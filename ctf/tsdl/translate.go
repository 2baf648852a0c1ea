// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tsdl

import (
	"slices"
	"strings"

	"github.com/weir-io/weir/ctf/schema"
)

// translator makes the struct of a CTF 2 scope one that CTF 1.8 can express:
// names become identifiers, meanings become reserved names, and the tags of
// variants get labels for the options.
type translator struct {
	w      *writer
	scope  schema.Scope
	stream *schema.Stream // nil in the packet header
	event  *schema.Event  // nil but in the event's scopes

	path   []string                    // of the current field, in CTF 2's names
	labels map[string][]schema.Mapping // of tags in this declaration, by reference
}

func (t *translator) run(s *schema.Struct) (*schema.Struct, error) {
	t.labels = make(map[string][]schema.Mapping)
	for _, scope := range t.declared() {
		if err := t.collect(scope, 0); err != nil {
			return nil, err
		}
	}
	return t.structClass(s)
}

// declared are the structs that are written together with the scope's: a tag
// in one of them gets the labels that its variants need.
func (t *translator) declared() []schema.Class {
	var all []schema.Class
	add := func(s *schema.Struct) {
		if s != nil {
			all = append(all, s)
		}
	}
	switch {
	case t.event != nil:
		add(t.event.Context)
		add(t.event.Payload)
	case t.stream != nil:
		add(t.stream.PacketContext)
		add(t.stream.EventHeader)
		add(t.stream.EventContext)
	default:
		add(t.w.trace.PacketHeader)
	}
	return all
}

func (t *translator) lack(what string) error {
	return &UnsupportedError{Scope: t.scope.String(), Path: strings.Join(t.path, "."), What: what}
}

// collect finds the variants and the labels that their tags need.
func (t *translator) collect(c schema.Class, depth int) error {
	if depth > MaxDepth {
		return t.lack("fields nested that deep")
	}
	switch c := c.(type) {
	case *schema.Struct:
		for i := range c.Members {
			if err := t.collect(c.Members[i].Class, depth+1); err != nil {
				return err
			}
		}
	case *schema.Array:
		return t.collect(c.Element, depth+1)
	case *schema.Variant:
		if c.Tag != nil {
			key := c.Tag.String()
			t.labels[key] = append(t.labels[key], optionLabels(c)...)
		}
		for i := range c.Options {
			if err := t.collect(c.Options[i].Class, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// optionLabels are the options of a variant as its tag's labels have to be.
func optionLabels(v *schema.Variant) []schema.Mapping {
	names := optionNames(v)
	labels := make([]schema.Mapping, len(names))
	for i, name := range names {
		labels[i] = schema.Mapping{Label: name, Ranges: v.Options[i].Ranges}
	}
	return labels
}

// optionNames are the names of a variant's options in CTF 1.8: as they are
// where they can be, since the tag's labels often are the same.
func optionNames(v *schema.Variant) []string {
	taken := make(map[string]bool)
	names := make([]string, len(v.Options))
	for i := range v.Options {
		name := v.Options[i].Name
		if !isIdentifier(name) || strings.HasPrefix(name, "_") {
			name = "_" + sanitized(name)
		}
		names[i] = unique(taken, name)
	}
	return names
}

// memberNames are the names of a struct's members in CTF 1.8.
func (t *translator) memberNames(s *schema.Struct, scope schema.Scope, top bool) []string {
	taken := make(map[string]bool)
	names := make([]string, len(s.Members))
	for i := range s.Members {
		if role := roleOf(s.Members[i].Class); role != schema.RoleNone {
			names[i] = role.ReservedName()
			taken[names[i]] = true
		}
	}
	for i := range s.Members {
		if names[i] != "" {
			continue
		}
		name := sanitized(s.Members[i].Name)
		if isReserved(name, scope, top) {
			name = "_" + name // or it would get a meaning
		}
		names[i] = unique(taken, "_"+name)
	}
	return names
}

func roleOf(c schema.Class) schema.Role {
	switch c := c.(type) {
	case *schema.Integer:
		return c.Role
	case *schema.Blob:
		return c.Role
	case *schema.Array:
		return c.Role
	default:
		return schema.RoleNone
	}
}

// isReserved reports whether a member of that shown name has a meaning.
func isReserved(name string, scope schema.Scope, top bool) bool {
	switch scope {
	case schema.PacketHeader:
		return top && headerRoles[name] != schema.RoleNone
	case schema.PacketContext:
		return top && contextRoles[name] != schema.RoleNone ||
			name == "timestamp_begin" || name == "timestamp_end"
	case schema.EventHeader:
		return name == "id" || name == "timestamp"
	default:
		return false
	}
}

// class translates a class.
func (t *translator) class(c schema.Class) (schema.Class, error) {
	switch c := c.(type) {
	case *schema.Integer:
		return t.integer(c)
	case *schema.Bits:
		return t.bits(c)
	case *schema.Text:
		other := *c
		return &other, t.reference(&other.LengthRef)
	case *schema.Blob:
		return t.blob(c)
	case *schema.Struct:
		return t.structClass(c)
	case *schema.Array:
		return t.array(c)
	case *schema.Variant:
		return t.variant(c)
	case *schema.Optional:
		return nil, t.lack(lacking(c))
	default:
		return c, nil
	}
}

func (t *translator) integer(i *schema.Integer) (schema.Class, error) {
	other := *i
	if other.Role == schema.RoleTimestamp || other.Role == schema.RoleTimestampBegin {
		if other.Clock == nil && t.stream != nil {
			other.Clock = t.stream.Clock
		}
	}
	ref := schema.Ref{Scope: t.scope, Path: t.path}
	labels := t.labels[ref.String()]
	if len(labels) > 0 {
		other.Mappings = slices.Clone(i.Mappings)
	}
	for _, l := range labels {
		k := slices.IndexFunc(other.Mappings, func(m schema.Mapping) bool { return m.Label == l.Label })
		switch {
		case k < 0:
			other.Mappings = append(other.Mappings, l)
		case !slices.Equal(other.Mappings[k].Ranges, l.Ranges):
			return nil, t.lack("variant with an option " + quoteShort(l.Label) +
				" that has other values than the label of its tag")
		}
	}
	if other.Mappings != nil && !slices.ContainsFunc(other.Mappings, func(m schema.Mapping) bool { return len(m.Ranges) > 0 }) {
		other.Mappings = nil
	}
	return &other, nil
}

// bits makes a bit array or a boolean a number.
func (t *translator) bits(b *schema.Bits) (schema.Class, error) {
	if b.Flags != nil {
		return nil, t.lack(lacking(b))
	}
	i := &schema.Integer{BitLayout: b.BitLayout, Base: 16}
	if b.Bool {
		i.Base = 10
	}
	return i, nil
}

// blob makes the trace's identifier an array of bytes.
func (t *translator) blob(b *schema.Blob) (schema.Class, error) {
	if b.Role != schema.RoleUUID || b.LengthRef != nil || b.Length != 16 || t.scope != schema.PacketHeader {
		return nil, t.lack(lacking(b))
	}
	element := &schema.Integer{
		BitLayout: schema.BitLayout{Size: 8, Align: 8, Order: t.w.order}, Base: 10,
	}
	return &schema.Array{Element: element, Length: 16, Role: schema.RoleUUID}, nil
}

func (t *translator) structClass(s *schema.Struct) (*schema.Struct, error) {
	if len(t.path) > MaxDepth {
		return nil, t.lack("fields nested that deep")
	}
	top := len(t.path) == 0
	other := &schema.Struct{MinAlign: s.MinAlign, Members: make([]schema.Member, len(s.Members))}
	for i, name := range t.memberNames(s, t.scope, top) {
		m := &s.Members[i]
		t.path = append(t.path, m.Name)
		if role := roleOf(m.Class); role != schema.RoleNone && !isReserved(role.ReservedName(), t.scope, top) {
			return nil, t.lack("field of the role " + role.CTF2Name() + " in this place")
		}
		c, err := t.class(m.Class)
		if err != nil {
			return nil, err
		}
		t.path = t.path[:len(t.path)-1]
		other.Members[i] = schema.Member{Name: shownName(name), Spelled: name, Class: c}
	}
	return other, nil
}

func (t *translator) array(a *schema.Array) (schema.Class, error) {
	other := *a
	if err := t.reference(&other.LengthRef); err != nil {
		return nil, err
	}
	var err error
	other.Element, err = t.class(a.Element)
	return &other, err
}

func (t *translator) variant(v *schema.Variant) (schema.Class, error) {
	if v.Tag == nil || len(v.Options) == 0 {
		return nil, t.lack("variant without tag or options")
	}
	other := &schema.Variant{Tag: v.Tag, TagSigned: v.TagSigned, Options: make([]schema.Option, len(v.Options))}
	if err := t.checkTag(v); err != nil {
		return nil, err
	}
	if err := t.reference(&other.Tag); err != nil {
		return nil, err
	}
	for i, name := range optionNames(v) {
		o := &v.Options[i]
		t.path = append(t.path, o.Name)
		c, err := t.class(o.Class)
		if err != nil {
			return nil, err
		}
		t.path = t.path[:len(t.path)-1]
		other.Options[i] = schema.Option{Name: shownName(name), Spelled: name, Class: c, Ranges: o.Ranges}
	}
	return other, nil
}

// checkTag refuses a variant whose tag is in another declaration and has other
// labels than the variant's options.
func (t *translator) checkTag(v *schema.Variant) error {
	if slices.Contains(t.declared(), schema.Class(t.structOf(v.Tag.Scope))) {
		return nil
	}
	_, c := t.follow(v.Tag)
	tag, ok := c.(*schema.Integer)
	if !ok {
		return t.lack("variant with such tag")
	}
	for _, l := range optionLabels(v) {
		has := func(m schema.Mapping) bool { return m.Label == l.Label && slices.Equal(m.Ranges, l.Ranges) }
		if !slices.ContainsFunc(tag.Mappings, has) {
			return t.lack("variant with an option " + quoteShort(l.Label) + " that is no label of its tag")
		}
	}
	return nil
}

// structOf is the struct of a scope.
func (t *translator) structOf(s schema.Scope) *schema.Struct {
	switch {
	case t.event != nil:
		return t.event.Struct(s)
	case t.stream != nil:
		return t.stream.Struct(s)
	case s == schema.PacketHeader:
		return t.w.trace.PacketHeader
	default:
		return nil
	}
}

// reference puts CTF 1.8's names into a reference.
func (t *translator) reference(ref **schema.Ref) error {
	if *ref == nil {
		return nil
	}
	path, c := t.follow(*ref)
	if c == nil {
		return t.lack("reference to " + (*ref).String())
	}
	*ref = &schema.Ref{Scope: (*ref).Scope, Path: path}
	return nil
}

// follow finds what a reference leads to, and the way there in CTF 1.8's names;
// nil where it leads nowhere.
func (t *translator) follow(ref *schema.Ref) ([]string, schema.Class) {
	s := t.structOf(ref.Scope)
	if s == nil {
		return nil, nil
	}
	var path []string
	var c schema.Class = s
	for _, name := range ref.Path {
		for {
			a, ok := c.(*schema.Array)
			if !ok {
				break
			}
			c = a.Element
		}
		var names []string
		i := -1
		switch c := c.(type) {
		case *schema.Struct:
			names = t.memberNames(c, ref.Scope, len(path) == 0)
			i = slices.IndexFunc(c.Members, func(m schema.Member) bool { return m.Name == name })
		case *schema.Variant:
			names = optionNames(c)
			i = slices.IndexFunc(c.Options, func(o schema.Option) bool { return o.Name == name })
		}
		if i < 0 {
			return nil, nil
		}
		path = append(path, names[i])
		switch parent := c.(type) {
		case *schema.Struct:
			c = parent.Members[i].Class
		case *schema.Variant:
			c = parent.Options[i].Class
		}
	}
	return path, c
}
