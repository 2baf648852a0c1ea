// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracepoint

import (
	"encoding/hex"
	"testing"

	"github.com/weir-io/weir/internal/ust/bytecode"
)

// filtered is an event for filters, and what it is written with.
func filtered(tr *tracer) (*Event, []arg) {
	e := New4(newProvider(tr, "app"), "tick", Info, Int64("n"), String("text"), Float64("f64"), Slice[int16]("i16s"))
	n, text, f, list := int64(5), "tock", 1.5, []int16{-1, 2}
	return &e.Event, []arg{argOf(op64, &n), argOf(opString, &text), argOf(op64, &f), argOf(opSlice, &list)}
}

// Bytecode is as LTTng's session daemon 2.13 sent it.
var bytecodes = []struct {
	source, code, names string
	want                bool
}{
	{`n > 5`, "3bffff4105000000000000000e01", "00006e00", false},
	{`n == 5 && text == "tock"`, "3bffff4105000000000000000c391a003bffff40746f636b000c01", "00006e0010007465787400", true},
	{`text == "to*k" || n != -3`, "3bffff4c746f2a6b000c3a1b003bffff410300000000000000310d01", "000074657874000d006e00", true},
	{`!(n & 0x10) && ~n < 7`, "3bffff411000000000000000093239" + "1f00" + "3bffff6241070000000000" + "00000f01", "00006e0011006e00", true},
	{`f64 >= 1.5`, "3bffff42000000000000f83f1001", "000066363400", true},
	{`i16s[1] == 2`, "515202005501000000000000005641020000000000" + "00000c01", "01006931367300", true},
	{`text != "a\*b"`, "3bffff40615c2a62000d01", "00007465787400", true},
	{`text < "tol"`, "3bffff40746f6c000f01", "00007465787400", true},
	{`text >= "to*"`, "3bffff40746f2a001001", "00007465787400", true},
	{`text > "to*"`, "3bffff40746f2a000e01", "00007465787400", false},
	{`$ctx.procname == "-*"`, "46ffff402d2a000c01", "00002463747" + "82e70726f636e616d6500", false},
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBytecode(t *testing.T) {
	tr := startTracer(nil)
	defer tr.close()
	e, args := filtered(tr)
	for _, c := range bytecodes {
		b := filterCode{unhex(t, c.code), unhex(t, c.names)}
		code, err := b.link(e)
		if err != nil {
			t.Errorf("%s: %v", c.source, err)
			continue
		}
		p := program{code, e.fields}
		if got := p.passes(0, args); got != c.want {
			t.Errorf("%s: %v, want %v", c.source, got, c.want)
		}
		if n := testing.AllocsPerRun(100, func() { p.passes(0, args) }); n != 0 {
			t.Errorf("%s: %v allocations", c.source, n)
		}
		for n := range b.code { // torn anywhere, it is refused, or lets nothing pass
			torn := filterCode{b.code[:n], b.names}
			if code, err := torn.link(e); err == nil && (&program{code, e.fields}).passes(0, args) {
				t.Errorf("%s: passes when cut to %d bytes", c.source, n)
			}
		}
	}
}

// Whatever the bytecode is, it ends, and reads nothing that is not the event's.
func FuzzBytecode(f *testing.F) {
	for _, c := range bytecodes {
		f.Add(unhex(f, c.code), unhex(f, c.names))
	}
	f.Add([]byte{bytecode.OpSkipIfFalse, 0, 0}, []byte{})
	f.Add([]byte{bytecode.OpContexts, bytecode.OpName, 0, 0, bytecode.OpLoad, bytecode.OpReturn}, []byte("vpid\x00"))
	tr := startTracer(nil)
	f.Cleanup(tr.close)
	e, args := filtered(tr)
	f.Fuzz(func(t *testing.T, code, names []byte) {
		b := filterCode{code, names}
		if made, err := b.link(e); err == nil {
			(&program{made, e.fields}).passes(0, args)
		}
	})
}
