// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package xmlsysd

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"strconv"
	"syscall"
	"testing"
)

// sample returns the message of 2002 with its header, and its body.
func sample(t testing.TB) (message, body []byte) {
	t.Helper()
	message, err := os.ReadFile("testdata/sample2002.msg")
	if err != nil {
		t.Fatal(err)
	}
	_, body, found := bytes.Cut(message, []byte("\n\n"))
	if !found {
		t.Fatal("the sample has no header")
	}
	return message, body
}

// tapesOf puts each section of a document on a tape, by means of the standard
// library's parser.
func tapesOf(t testing.TB, m *Model, body []byte) []*Tape {
	t.Helper()
	var tapes []*Tape
	var path []NodeID
	var kept xml.StartElement
	text := ""
	d := xml.NewDecoder(bytes.NewReader(body))
	tape := new(Tape)
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return tapes
		}
		if err != nil {
			t.Fatal(err)
		}
		switch v := token.(type) {
		case xml.StartElement:
			text, kept = "", v.Copy()
			if v.Name.Local == "xmlsysd" {
				path = append(path, Root)
				continue
			}
			id := childOf(t, m, path[len(path)-1], v.Name.Local)
			path = append(path, id)
			if n := m.Node(id); !n.Leaf && !container(n) {
				at, attrs := attributes(t, v.Attr)
				tape.Open(id, at, attrs...)
			}
		case xml.CharData:
			text += string(v)
		case xml.EndElement:
			id := path[len(path)-1]
			path = path[:len(path)-1]
			n := m.Node(id)
			switch {
			case n.Leaf:
				at, attrs := attributes(t, kept.Attr)
				tape.LeafAt(id, at, []byte(text), attrs...)
			case id != Root && !container(n):
				tape.Close()
			}
			if tape.open == 0 && len(tape.entries) > 0 {
				tapes = append(tapes, tape)
				tape = new(Tape)
			}
		}
	}
}

func container(n *Node) bool { return n.Path == "system" || n.Path == "proc" || n.Path == "proc/net" }

func childOf(t testing.TB, m *Model, parent NodeID, tag string) NodeID {
	t.Helper()
	path := tag
	if parent != Root {
		path = m.Node(parent).Path + "/" + tag
	}
	if id, ok := m.Find(path); ok {
		return id
	}
	id, ok := m.Named(parent, tag, "")
	if !ok {
		t.Fatalf("the model has no %s", path)
	}
	return id
}

func attributes(t testing.TB, all []xml.Attr) (at Stamp, attrs [][]byte) {
	t.Helper()
	for _, a := range all {
		n, err := strconv.ParseInt(a.Value, 10, 64)
		switch a.Name.Local {
		case "tv_sec":
			at.Sec = n
		case "tv_usec":
			at.Usec = int32(n)
		case "units":
			err = nil
		default:
			err = nil
			attrs = append(attrs, []byte(a.Value))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return at, attrs
}

// encode returns the message of tapes.
func encode(e *Encoder, tapes []*Tape) []byte {
	e.Begin()
	for _, tape := range tapes {
		e.Add(tape)
	}
	return e.Finish()
}

// benchmark runs f and reports the CPU time that it takes besides the time: the
// machine may have others to serve.
func benchmark(b *testing.B, name string, size int, f func()) {
	b.Run(name, func(b *testing.B) {
		b.SetBytes(int64(size))
		b.ReportAllocs()
		before := cpuTime(b)
		for b.Loop() {
			f()
		}
		b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op")
	})
}

func cpuTime(b *testing.B) int64 {
	b.Helper()
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		b.Fatal(err)
	}
	return use.Utime.Nano() + use.Stime.Nano()
}
