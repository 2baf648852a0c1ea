// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package xmlsysd

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// transcript returns what a scanner finds: (name attr=value for a begin, its text
// before, name) for an end.
func transcript(doc []byte) (string, error) {
	var b strings.Builder
	var s Scanner
	s.Reset(doc)
	for {
		token, err := s.Next()
		switch {
		case err != nil:
			return b.String(), err
		case token == EOF:
			return b.String(), nil
		case token == Start:
			fmt.Fprintf(&b, "(%s", s.Name())
			for _, a := range s.Attrs() {
				fmt.Fprintf(&b, " %s=%q", a.Name, a.Value)
			}
			b.WriteByte('\n')
		default:
			fmt.Fprintf(&b, "%q %s)\n", s.Text(), s.Name())
		}
	}
}

func TestScannerAccepts(t *testing.T) {
	for _, tt := range []struct{ name, doc, want string }{
		{"declaration", "<?xml version=\"1.0\"?>\n<a>\n</a>\n", "(a\n\"\\n\" a)\n"},
		{"nothing around", "<a></a>", "(a\n\"\" a)\n"},
		{"mark of byte order", "\xef\xbb\xbf<?xml version=\"1.0\"?><a/>", "(a\n\"\" a)\n"},
		{"closes itself", "<a><b/><c /></a>", "(a\n(b\n\"\" b)\n(c\n\"\" c)\n\"\" a)\n"},
		{"blanks in tags", "<a\n b = \"1\"\tc='2' ></a\n>", "(a b=\"1\" c=\"2\"\n\"\" a)\n"},
		{"quotes", `<a b='"' c="'"/>`, "(a b=\"\\\"\" c=\"'\"\n\"\" a)\n"},
		{"bracket in a value", `<a b=">/"/>`, "(a b=\">/\"\n\"\" a)\n"},
		{"entities", "<a b='&quot;&#10;&apos;'>&lt;&amp;&gt;&#x41;&#66;</a>", "(a b=\"\\\"\\n'\"\n\"<&>AB\" a)\n"},
		{"section", "<a>x<![CDATA[<&]]]>y</a>", "(a\n\"x<&]y\" a)\n"},
		{"comments", "<!-- < --><a>1<!-- </a> & -->2</a><!-- -->", "(a\n\"12\" a)\n"},
		{"instructions", "<?x <?><a>1<?y z?>2</a><?z?>", "(a\n\"12\" a)\n"},
		{"ends of lines", "<a b='1\r\n2\t3'>1\r\n2\r3\r\r\n</a>", "(a b=\"1 2 3\"\n\"1\\n2\\n3\\n\\n\" a)\n"},
		{"carriage return as entity", "<a>&#13;\n</a>", "(a\n\"\\r\\n\" a)\n"},
		{"above ASCII", "<é ü='ß'>€</é>", "(é ü=\"ß\"\n\"€\" é)\n"},
		{"deep", strings.Repeat("<a>", MaxDepth) + strings.Repeat("</a>", MaxDepth), strings.Repeat("(a\n", MaxDepth) + strings.Repeat("\"\" a)\n", MaxDepth)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := transcript([]byte(tt.doc))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestScannerRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, doc string
		reason    error
		offset    int
	}{
		{"nothing", "", ErrTruncated, 0},
		{"blanks", " \n", ErrTruncated, 2},
		{"text", "hello", ErrSyntax, 0},
		{"text before", "x<a/>", ErrSyntax, 0},
		{"text behind", "<a/>x", ErrSyntax, 4},
		{"two roots", "<a/><b/>", ErrSyntax, 5},
		{"other end", "<a></b>", ErrSyntax, 4},
		{"longer end", "<a></ab>", ErrSyntax, 4},
		{"crossed", "<a><b></a></b>", ErrSyntax, 7},
		{"end first", "</a>", ErrSyntax, 1},
		{"end of a root again", "<a/></a>", ErrSyntax, 5},
		{"document type", "<!DOCTYPE a><a/>", ErrSyntax, 0},
		{"element declaration", "<a><!ELEMENT x></a>", ErrSyntax, 3},
		{"unknown entity", "<a>1&nbsp;</a>", ErrSyntax, 4},
		{"bare ampersand", "<a>1 & 2</a>", ErrSyntax, 5},
		{"entity of no character", "<a>&#xD800;</a>", ErrSyntax, 3},
		{"entity NUL", "<a>&#0;</a>", ErrSyntax, 3},
		{"entity in a value", "<a b='&x;'/>", ErrSyntax, 6},
		{"NUL", "<a>\x00</a>", ErrSyntax, 3},
		{"no name", "<><a/>", ErrSyntax, 1},
		{"name of a digit", "<1/>", ErrSyntax, 1},
		{"attribute without value", "<a b/>", ErrSyntax, 4},
		{"attribute without quotes", "<a b=1/>", ErrSyntax, 5},
		{"attribute twice", "<a b='1' b='2'/>", ErrSyntax, 11},
		{"attributes run together", "<a b='1'c='2'/>", ErrSyntax, 8},
		{"tag in a value", "<a b='<'/>", ErrSyntax, 6},
		{"too deep", strings.Repeat("<a>", MaxDepth+1), ErrTooLong, MaxDepth*3 + 1},
		{"too many attributes", "<a" + manyAttrs(maxAttrs+1) + "/>", ErrTooLong, 2 + maxAttrs*8 + 5},
		{"text too long", "<a>" + strings.Repeat("x", MaxText+1) + "</a>", ErrTooLong, 3},
		{"text of pieces too long", "<a>" + strings.Repeat("x", MaxText) + "<!-- -->x</a>", ErrTooLong, 3 + MaxText + 8 + 1},
		{"section outside", "<![CDATA[x]]><a/>", ErrSyntax, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := transcript([]byte(tt.doc))
			pe, ok := errors.AsType[*ProtocolError](err)
			if !ok || !errors.Is(err, tt.reason) || pe.Offset != tt.offset {
				t.Errorf("error %v, want %v at %d", err, tt.reason, tt.offset)
			}
		})
	}
}

func manyAttrs(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, " a%02d='1'", i)
	}
	return b.String()
}

// A document that is cut anywhere is refused as such.
func TestScannerCut(t *testing.T) {
	_, body := sample(t)
	for _, doc := range []string{
		strings.TrimRight(string(body), "\n"),
		"<?x y?><!-- c --><a b='1' c=\"&amp;\"><d/>\r\n&lt;<![CDATA[x]]>é<!-- --></a>",
	} {
		for n := range len(doc) {
			_, err := transcript([]byte(doc[:n]))
			if err == nil {
				t.Fatalf("cut after %d bytes: no error", n)
			}
			// An entity that is cut is none, whatever could follow.
			if !errors.Is(err, ErrTruncated) && !strings.Contains(doc[max(0, n-5):n], "&") {
				t.Errorf("cut after %d bytes, %q: %v", n, doc[max(0, n-8):n], err)
			}
		}
	}
}

// The standard library's parser finds the same where both take a document.
func FuzzScanner(f *testing.F) {
	message, body := sample(f)
	f.Add(body)
	f.Add(message)
	for _, seed := range []string{
		"<a b='&quot;'>x<![CDATA[y]]>&#65;<!-- z --><c/></a>", "\xef\xbb\xbf<a/>", "<a>\r\n</a>", "<a b='1' b='2'/>",
		"<xmlsysd init=\"1\">\n</xmlsysd>\n", "<a><b></a>", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		in := bytes.Clone(doc)
		got, err := transcript(doc)
		if !bytes.Equal(in, doc) {
			t.Fatal("the scanner changed the document")
		}
		if err != nil {
			if pe, ok := errors.AsType[*ProtocolError](err); !ok || pe.Offset < 0 || pe.Offset > len(doc) {
				t.Fatalf("error %v", err)
			}
			return
		}
		if want, err := reference(doc); err == nil && want != got {
			t.Fatalf("got %s, the standard library has %s", got, want)
		}
	})
}

// reference is transcript by means of the standard library.
func reference(doc []byte) (string, error) {
	var b strings.Builder
	d := xml.NewDecoder(bytes.NewReader(doc))
	text := ""
	for {
		token, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			return b.String(), nil
		}
		if err != nil {
			return "", err
		}
		switch v := token.(type) {
		case xml.StartElement:
			fmt.Fprintf(&b, "(%s", rawName(v.Name))
			for _, a := range v.Attr {
				fmt.Fprintf(&b, " %s=%q", rawName(a.Name), a.Value)
			}
			b.WriteByte('\n')
			text = ""
		case xml.EndElement:
			fmt.Fprintf(&b, "%q %s)\n", text, rawName(v.Name))
			text = ""
		case xml.CharData:
			text += string(v)
		}
	}
}

func rawName(n xml.Name) string {
	if n.Space == "" {
		return n.Local
	}
	return n.Space + ":" + n.Local
}
