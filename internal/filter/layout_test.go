// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// class is the type of a value of a test row.
type class struct {
	kind    Kind
	labels  []Label
	width   int       // words
	element *class    // of an array
	members []*member // of a structure
}

type member struct {
	name   string
	offset int
	class  *class
}

// sample is a value of a test row.
type sample struct {
	class *class
	word  uint64
	text  string
	items []sample // of an array or a structure
}

// layout is a test row with what it is made of.
type layout struct {
	row   Row
	names map[string]place
}

type place struct {
	class    *class
	scope    Scope
	slot     int
	constant Node
}

func newLayout() *layout { return &layout{names: make(map[string]place)} }

// declare reads NAME=VALUE … and adds the values to a frame.
func (l *layout) declare(scope Scope, constant bool, text string) error {
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		name, rest, ok := strings.Cut(text, "=")
		if !ok {
			return fmt.Errorf("want NAME=VALUE at %q", text)
		}
		r := sampleReader{rest}
		v, err := r.value()
		if err != nil {
			return err
		}
		text = r.text
		if constant {
			l.names[name] = place{constant: v.node()}
			continue
		}
		f := &l.row[scope]
		slot := len(f.Words)
		f.Words = append(f.Words, make([]uint64, v.class.width)...)
		f.store(slot, v)
		l.names[name] = place{class: v.class, scope: scope, slot: slot}
	}
	return nil
}

// store writes a value at a slot and what it refers to behind all others.
func (f *Frame) store(slot int, v sample) {
	switch c := v.class; {
	case c.members != nil:
		for i, m := range c.members {
			f.store(slot+m.offset, v.items[i])
		}
	case c.element != nil:
		start := len(f.Words)
		f.Words[slot] = uint64(start)<<32 | uint64(len(v.items))
		f.Words = append(f.Words, make([]uint64, len(v.items)*c.element.width)...)
		for i, item := range v.items {
			f.store(start+i*c.element.width, item)
		}
	case c.kind == String:
		f.Words[slot] = uint64(len(f.Data))<<32 | uint64(len(v.text))
		f.Data = append(f.Data, v.text...)
	default:
		f.Words[slot] = v.word
	}
}

// node returns the value as a constant.
func (v sample) node() Node {
	switch v.class.kind {
	case String:
		return NewText(v.text)
	case Float64:
		return NewFloat(math.Float64frombits(v.word))
	}
	return NewInt(int64(v.word))
}

// resolve implements Resolver.
func (l *layout) resolve(f *Field) (Binding, bool) {
	name, path := f.Root.prefix(), f.Path
	if len(path) > 0 {
		name += path[0].Name
		path = path[1:]
	}
	p, ok := l.names[name]
	if !ok || p.constant != nil {
		return Binding{Constant: p.constant}, ok
	}
	b := Binding{Scope: p.scope, Slot: p.slot}
	c := p.class
	for _, step := range path {
		if c, ok = c.step(&b, step); !ok {
			return Binding{}, false
		}
	}
	b.Kind, b.Labels = c.kind, c.labels
	return b, c.members == nil && c.element == nil
}

// step follows one step of a path.
func (c *class) step(b *Binding, s Step) (*class, bool) {
	if s.Name == "" {
		if c.element == nil || s.Index > math.MaxUint32 {
			return nil, false
		}
		b.Path = append(b.Path, Element{Index: uint32(s.Index), Width: uint32(c.element.width)})
		return c.element, true
	}
	for _, m := range c.members {
		if m.name == s.Name {
			if last := len(b.Path) - 1; last >= 0 {
				b.Path[last].Offset += uint32(m.offset)
			} else {
				b.Slot += m.offset
			}
			return m.class, true
		}
	}
	return nil, false
}

// sampleReader reads values; testdata/README.md says how they are written.
type sampleReader struct{ text string }

func (r *sampleReader) value() (sample, error) {
	switch {
	case strings.HasPrefix(r.text, "["):
		return r.array()
	case strings.HasPrefix(r.text, "{"):
		return r.structure()
	case strings.HasPrefix(r.text, `"`):
		quoted, err := strconv.QuotedPrefix(r.text)
		if err != nil {
			return sample{}, err
		}
		r.text = r.text[len(quoted):]
		text, err := strconv.Unquote(quoted)
		return sample{class: &class{kind: String, width: 1}, text: text}, err
	}
	stops := " ,]}"
	if word, _, _ := strings.Cut(r.text, " "); strings.Contains(word, "@") {
		stops = " " // the labels of an enumeration have commas
	}
	end := strings.IndexAny(r.text, stops)
	if end < 0 {
		end = len(r.text)
	}
	word := r.text[:end]
	r.text = r.text[end:]
	word, labels, _ := strings.Cut(word, "@")
	v, err := numberSample(word)
	if err == nil && labels != "" {
		v.class.labels, err = readLabels(labels)
	}
	return v, err
}

func (r *sampleReader) array() (sample, error) {
	v := sample{class: &class{width: 1, element: &class{width: 1}}}
	for r.text = r.text[1:]; !strings.HasPrefix(r.text, "]"); r.text = strings.TrimPrefix(r.text, ",") {
		item, err := r.value()
		if err != nil {
			return v, err
		}
		v.class.element = item.class
		v.items = append(v.items, item)
	}
	r.text = r.text[1:]
	return v, nil
}

func (r *sampleReader) structure() (sample, error) {
	v := sample{class: &class{}}
	for r.text = r.text[1:]; !strings.HasPrefix(r.text, "}"); r.text = strings.TrimPrefix(r.text, ",") {
		name, rest, _ := strings.Cut(r.text, ":")
		r.text = rest
		item, err := r.value()
		if err != nil {
			return v, err
		}
		v.class.members = append(v.class.members, &member{name, v.class.width, item.class})
		v.class.width += item.class.width
		v.items = append(v.items, item)
	}
	r.text = r.text[1:]
	return v, nil
}

func numberSample(word string) (sample, error) {
	c := &class{width: 1}
	if digits, ok := strings.CutSuffix(word, "u"); ok {
		c.kind = Unsigned
		n, err := strconv.ParseUint(digits, 0, 64)
		return sample{class: c, word: n}, err
	}
	if n, err := strconv.ParseInt(word, 0, 64); err == nil {
		return sample{class: c, word: uint64(n)}, nil
	}
	c.kind = Float64
	digits, single := strings.CutSuffix(word, "f")
	x, err := strconv.ParseFloat(digits, 64)
	if single {
		c.kind = Float32
		return sample{class: c, word: uint64(math.Float32bits(float32(x)))}, err
	}
	return sample{class: c, word: math.Float64bits(x)}, err
}

// readLabels reads NAME:LOW-HIGH,NAME:VALUE….
func readLabels(text string) (labels []Label, err error) {
	for part := range strings.SplitSeq(text, ",") {
		name, values, _ := strings.Cut(part, ":")
		low, high := values, values
		if i := strings.IndexByte(values[1:], '-'); i >= 0 {
			low, high = values[:i+1], values[i+2:]
		}
		l := Label{Name: name}
		if l.Low, err = readBits(low); err == nil {
			l.High, err = readBits(high)
		}
		if err != nil {
			return nil, err
		}
		labels = append(labels, l)
	}
	return labels, nil
}

func readBits(text string) (uint64, error) {
	if n, err := strconv.ParseInt(text, 0, 64); err == nil {
		return uint64(n), nil
	}
	return strconv.ParseUint(text, 0, 64)
}
