// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"bytes"
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/kernel/reread"
	"github.com/weir-io/weir/xmlsysd"
)

// pressureReader reads /proc/pressure: files of lines
// "some avg10=0.00 avg60=0.00 avg300=0.00 total=0".
type pressureReader struct {
	node      xmlsysd.NodeID
	resources []pressureResource
	errs      sourceErrors
}

type pressureResource struct {
	file  *reread.File
	node  xmlsysd.NodeID
	kinds []pressureKind
}

// pressureKind is a line.
type pressureKind struct {
	line   string
	node   xmlsysd.NodeID
	leaves []xmlsysd.NodeID // of pressureKeys
}

var pressureKeys = [...]string{"avg10", "avg60", "avg300", "total"}

func newPressureReader(e *Engine) reader {
	const at = "proc/pressure/"
	p := &pressureReader{node: e.model.Must("proc/pressure")}
	for _, name := range [...]string{"cpu", "memory", "io", "irq"} {
		res := pressureResource{file: e.prompt("pressure/"+name, sysctlSize, reread.Whole), node: e.model.Must(at + name)}
		for _, kind := range [...]string{"some", "full"} {
			if id, ok := e.model.Find(at + name + "/" + kind); ok {
				res.kinds = append(res.kinds, pressureKind{kind, id, nodesOf(e.model, at+name+"/"+kind, pressureKeys[:]...)})
			}
		}
		p.resources = append(p.resources, res)
	}
	return p
}

func (p *pressureReader) close() {
	for i := range p.resources {
		p.resources[i].file.Close()
	}
}

// read leaves out what a kernel does not have: all of it if it was built or booted
// without, irq if it does not account for interrupts.
func (p *pressureReader) read(r *request) (bad error) {
	r.tape.Open(p.node, xmlsysd.Stamp{})
	defer r.tape.Close()
	found := 0
	for i := range p.resources {
		res := &p.resources[i]
		at := stampOf(time.Now())
		text, err := res.file.Read()
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EOPNOTSUPP) {
			continue
		}
		if err != nil {
			return p.errs.of(res.file.Path(), err)
		}
		found++
		r.bytes += len(text)
		if err := res.add(r.tape, at, text); err != nil && bad == nil {
			bad = err
		}
	}
	if found == 0 {
		return errAbsent
	}
	return bad
}

func (res *pressureResource) add(t *xmlsysd.Tape, at xmlsysd.Stamp, text []byte) error {
	t.Open(res.node, at)
	defer t.Close()
	kinds := res.kinds
	for len(text) > 0 {
		var line []byte
		line, text = cutLine(text)
		word, values := cutWord(line)
		for len(kinds) > 0 && kinds[0].line != string(word) {
			kinds = kinds[1:]
		}
		if len(kinds) == 0 || !kinds[0].add(t, values) {
			return unexpected(res.file.Path(), line)
		}
	}
	return nil
}

// add adds a line that has all of its numbers.
func (k *pressureKind) add(t *xmlsysd.Tape, values []byte) bool {
	mark := t.Mark()
	t.Open(k.node, xmlsysd.Stamp{})
	for i, key := range pressureKeys {
		var word []byte
		word, values = cutWord(values)
		name, value, ok := bytes.Cut(word, []byte("="))
		if !ok || string(name) != key || !isNumber(value) {
			t.Cut(mark)
			return false
		}
		t.Leaf(k.leaves[i], value)
	}
	t.Close()
	return true
}
