// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package bytecode

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/weir-io/weir/internal/filter"
)

func compile(t *testing.T, text string) (*Program, error) {
	t.Helper()
	e, err := filter.ParseOrdered(text)
	if err != nil {
		t.Fatal(err)
	}
	return Compile(e)
}

// Programs are those that LTTng 2.13 makes of the same expressions: its client was
// recorded.
func TestCompile(t *testing.T) {
	for text, want := range map[string]string{
		`a > 3 && $ctx.procname == "x*"`: "3bffff4103000000000000000e39180046ffff40782a000c01" +
			"0000610010" + "00246374782e70726f636e616d6500",
		`!(a & 1) || s == "*b*c" && f < -1.5`: "3bffff41010000000000000009323a2c003bffff4c2a622a63000c392c003bffff42000000000000f83f310f01" +
			"00006100110073001e006600",
		`x[2] == ~5 && p.q != 0x7fffffffffffffff`: "5152020055020000000000000056410500000000000000620c3929003bffff41ffffffffffffff7f0d01" +
			"010078001c00702e7100",
		`1.5 || a`:                        "42000000000000f83f443a11003bffff4301" + "0d006100",
		`!a || -b`:                        "3bffff32433a0d003bffff314301" + "0000610008006200",
		`~a && a & 1`:                     "3bffff62433915003bffff4101000000000000000901" + "0000610008006100",
		`$app.p:c == "a\*b\\"`:            "46ffff40615c2a625c5c000c01" + "0000246170702e703a6300",
		`'*' == s || "x*" != s`:           "402a003bffff0c3a120040782a003bffff0d01" + "030073000e007300",
		`(1 == 1) && 2.5 > 1`:             "4101000000000000004101000000000000000c3929004200000000000004404101000000000000000e01",
		`s < "x" && "a*" >= s`:            "3bffff4078000f391200" + "40612a003bffff1001" + "0000730" + "00e007300",
		`+a == 'c' || 0xffffffffffffffff`: "3bffff4063000c3a130041ffffffffffffffff01" + "00006100",
		`$ctx.a.b[1] && (c > 1.0) == 0`: "4f5202005206005501000000000000005643392c003bffff42000000000000f03f0e4100000000000000000c01" +
			"010061000400620015006300",
		`a == 1 << 2 ^ (b | c >> 1)`: "3bffff4101000000000000004102000000000000000" + "83bffff3bffff410100000000000000070a0b0c01" + "000061001600620019006300",
	} {
		p, err := compile(t, text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := hex.EncodeToString(p.Bytes); got != want {
			t.Errorf("%s:\n%s, table at %d, want\n%s", text, got, p.Table, want)
		}
		if at := strings.LastIndex(want, "01"); p.Bytes[p.Table-1] != OpReturn || at < 0 {
			t.Errorf("%s: the table begins at %d, behind %#x", text, p.Table, p.Bytes[p.Table-1])
		}
	}
}

// What applications cannot do is refused here.
func TestRefused(t *testing.T) {
	deep := "a == " + strings.Repeat("(1 | ", maxStack) + "b" + strings.Repeat(")", maxStack)
	for _, text := range []string{`a + 1 == 2`, `$event.name == "x"`, `s == "\n"`, "s == \"\x00\"", deep} {
		if p, err := compile(t, text); err == nil {
			t.Errorf("%q is %x", text, p.Bytes)
		}
	}
	if _, err := compile(t, "a == "+strings.Repeat("(1 | ", maxStack-2)+"b"+strings.Repeat(")", maxStack-2)); err != nil {
		t.Error(err)
	}
}
