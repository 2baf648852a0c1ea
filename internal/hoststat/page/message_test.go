// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package page

import (
	"bytes"
	"testing"

	"github.com/weir-io/weir/xmlsysd"
)

// What a host sends is printed as it is, but for what would command a terminal.
func TestWriteMessage(t *testing.T) {
	for _, tt := range []struct{ name, body, want string }{
		{"plain", "<?xml version=\"1.0\"?>\n<xmlsysd>\n\t<a>ä &amp; b</a>\n</xmlsysd>\n", "<xmlsysd>\n\t<a>ä &amp; b</a>\n</xmlsysd>\n"},
		{"escape", "<xmlsysd><a>\x1b[2J\x07</a></xmlsysd>", "<xmlsysd><a>\ufffd[2J\ufffd</a></xmlsysd>"},
		{"C1 and delete", "<xmlsysd><a>\u009b2J\x7f</a></xmlsysd>", "<xmlsysd><a>\ufffd2J\ufffd</a></xmlsysd>"},
		{"no UTF-8", "<xmlsysd><a>\xff\x9b2J</a></xmlsysd>", "<xmlsysd><a>\ufffd\ufffd2J</a></xmlsysd>"},
		{"in a comment and an attribute", "<xmlsysd a='\x1bc'><!-- \x1bc --></xmlsysd>", "<xmlsysd a='\ufffdc'><!-- \ufffdc --></xmlsysd>"},
		{"carriage returns", "<?xml version=\"1.0\"?>\r\n<xmlsysd>\r\n<a>over\rwritten</a></xmlsysd>", "<xmlsysd>\n<a>over\nwritten</a></xmlsysd>"},
	} {
		var out bytes.Buffer
		if err := WriteMessage(&out, `h"<`, []byte(tt.body)); err != nil {
			t.Fatal(err)
		}
		body, err := xmlsysd.NewReader(&out, 0).Next()
		want := "<?xml version=\"1.0\"?>\n<host id=\"h&quot;&lt;\">\n" + tt.want + "</host>\n"
		if err != nil || string(body) != want || out.Len() > 0 {
			t.Errorf("%s: %q, %v, want %q", tt.name, body, err, want)
		}
	}
}
