// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package xmlsysd

import (
	"encoding/xml"
	"os"
	"testing"
)

// xsd is what is needed of a schema: elements with their types, and what types are
// made of.
type xsd struct {
	Simple  []xsdType `xml:"simpleType"`
	Complex []xsdType `xml:"complexType"`
}

type xsdType struct {
	Name        string         `xml:"name,attr"`
	Elements    []xsdElement   `xml:"sequence>element"`
	Attributes  []xsdAttribute `xml:"attribute"`
	Restriction xsdBase        `xml:"restriction"`
	Extension   xsdBase        `xml:"simpleContent>extension"`
}

type xsdElement struct {
	Name string `xml:"name,attr"`
	Type string `xml:"type,attr"`
}

type xsdAttribute = xsdElement

type xsdBase struct {
	Base       string         `xml:"base,attr"`
	Attributes []xsdAttribute `xml:"attribute"`
}

func (x *xsd) find(name string) xsdType {
	for _, list := range [][]xsdType{x.Simple, x.Complex} {
		for _, t := range list {
			if t.Name == name {
				return t
			}
		}
	}
	return xsdType{}
}

// kindOf is the kind of the text of elements of a type; false if they have none.
func (x *xsd) kindOf(name string) (Kind, bool) {
	switch name {
	case "cnt":
		return Count, true
	case "int":
		return Integer, true
	case "dec":
		return Decimal, true
	case "xs:string", "xs:NMTOKEN":
		return Text, true
	case "":
		return 0, false
	}
	t := x.find(name)
	return x.kindOf(t.Restriction.Base + t.Extension.Base)
}

// walk calls a function with each element below a type.
func (x *xsd) walk(name, path string, f func(path string, t xsdType, name string)) {
	t := x.find(name)
	f(path, t, name)
	for _, e := range t.Elements {
		x.walk(e.Type, path+"/"+e.Name, f)
	}
}

// The kinds of the tree's leaves and ids are those of the schema.
func TestKindsOfSchema(t *testing.T) {
	text, err := os.ReadFile("testdata/xmlsysd.xsd")
	if err != nil {
		t.Fatal(err)
	}
	var x xsd
	if err := xml.Unmarshal(text, &x); err != nil {
		t.Fatal(err)
	}
	m := NewModel()
	seen := make(map[string]bool)
	check := func(path string, typ xsdType, name string) {
		id, ok := m.Find(path)
		if !ok {
			return // the schema says the same of interrupts and softirqs, of all pressures
		}
		n := m.Node(id)
		if kind, isLeaf := x.kindOf(name); isLeaf {
			seen[path] = true
			if !n.Leaf || n.Kind != kind {
				t.Errorf("%s: kind %d of the tree, %d of the schema", path, n.Kind, kind)
			}
		}
		for _, a := range append(typ.Attributes, typ.Extension.Attributes...) {
			if a.Name == "id" && n.Numbered != (a.Type == "cnt") {
				t.Errorf("%s: numbered is %v, the schema has an id of type %s", path, n.Numbered, a.Type)
			}
		}
	}
	x.walk("system", "system", check)
	x.walk("proc", "proc", check)
	for id := range m.Len() {
		if n := m.Node(NodeID(id)); n.Leaf && !seen[n.Path] {
			t.Errorf("%s: not found in the schema", n.Path)
		}
	}
}

// What the kernel names has the kind that the tree says.
func TestKindOfNamed(t *testing.T) {
	m := NewModel()
	for path, want := range map[string]Kind{"proc/vmstat": Count, "proc/net/snmp/tcp": Integer, "system/cgroups/cgroup/pressure": Decimal} {
		id, ok := m.Named(m.Must(path), "x", "")
		if got := m.Node(id).Kind; !ok || got != want {
			t.Errorf("%s/x: kind %d, want %d", path, got, want)
		}
	}
}
