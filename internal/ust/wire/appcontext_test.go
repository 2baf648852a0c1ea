// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"testing"
)

// A context of a program's own is written as LTTng's session daemon does, and read again.
func TestAppContext(t *testing.T) {
	c, ok := ParseAppContextName("$app.prov:ctx")
	if want := (AppContext{"prov", "ctx"}); !ok || c != want || c.String() != "$app.prov:ctx" {
		t.Fatalf("%+v, %v; want %+v", c, ok, want)
	}
	body, names := c.Append(nil), c.AppendNames(nil)
	if want := append([]byte{7, 19: 0}, 5, 0, 0, 0, 4, 0, 0, 0); !bytes.Equal(body, want) {
		t.Errorf("body % x, want % x", body, want)
	}
	if string(names) != "prov\x00ctx\x00" {
		t.Errorf("names %q", names)
	}
	p, n, err := ParseAppContext(body)
	if err != nil || p+n != len(names) {
		t.Fatalf("names of %d and %d bytes, %v", p, n, err)
	}
	var again AppContext
	if err := again.ParseNames(names, p); err != nil || again != c {
		t.Errorf("%+v, %v", again, err)
	}
	for i := range body {
		if _, _, err := ParseAppContext(body[:i]); err == nil {
			t.Errorf("body cut after %d bytes: no error", i)
		}
	}
	for i := range names {
		if err := again.ParseNames(names[:i], p); err == nil {
			t.Errorf("names cut after %d bytes: no error", i)
		}
	}
	if _, _, err := ParseAppContext(bytes.Repeat([]byte{0xff}, 28)); err == nil {
		t.Error("names of 4 GiB: no error")
	}
	for _, name := range []string{"", "vpid", "$app.", "$app.p", "$app.p:", "$app.:c", "$app.p:c\x00"} {
		if c, ok := ParseAppContextName(name); ok {
			t.Errorf("%q is a context: %+v", name, c)
		}
	}
}
