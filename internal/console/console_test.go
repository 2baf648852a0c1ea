// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package console

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

// maxBytes bounds the page: docs/guide/console.md tells it.
const maxBytes = 128 << 10

func newTest(t *testing.T) *Console {
	t.Helper()
	c, err := New()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *Console) answer(method, path string, header ...string) *http.Response {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	return w.Result()
}

func bodyOf(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Every file has its type, its policy and a tag by which it is not sent again.
func TestFiles(t *testing.T) {
	c := newTest(t)
	for _, path := range c.Paths() {
		got := c.answer("GET", path)
		h, body := got.Header, bodyOf(t, got)
		if got.StatusCode != http.StatusOK || body == "" {
			t.Errorf("%s: %s, %d bytes", path, got.Status, len(body))
		}
		want := "public, max-age=31536000, immutable"
		if path == "/" {
			want = "no-cache"
		}
		if h.Get("Cache-Control") != want || h.Get("Content-Security-Policy") != policy || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Content-Type") == "" {
			t.Errorf("%s: %v", path, h)
		}
		tag := h.Get("ETag")
		if len(tag) != hashLength+2 || tag[0] != '"' {
			t.Errorf("%s: ETag %s", path, tag)
		}
		if again := c.answer("GET", path, "If-None-Match", tag); again.StatusCode != http.StatusNotModified || bodyOf(t, again) != "" {
			t.Errorf("%s again: %s", path, again.Status)
		}
		if other := c.answer("GET", path, "If-None-Match", `"another"`); other.StatusCode != http.StatusOK {
			t.Errorf("%s with another tag: %s", path, other.Status)
		}
		head := c.answer("HEAD", path)
		if head.StatusCode != http.StatusOK || bodyOf(t, head) != "" || head.ContentLength != int64(len(body)) {
			t.Errorf("HEAD %s: %s, length %d of %d", path, head.Status, head.ContentLength, len(body))
		}
		for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS"} {
			if got := c.answer(method, path); got.StatusCode != http.StatusMethodNotAllowed || got.Header.Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: %s", method, path, got.Status)
			}
		}
	}
}

func TestOtherPaths(t *testing.T) {
	c := newTest(t)
	for _, path := range []string{"/index.html", "/console/", "/console/app.js", "/console/0123456789abcdef/app.js", "/x", "/page/app.js"} {
		if got := c.answer("GET", path); got.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, got.Status)
		}
	}
}

// Each file is named by another one, and each that is named is there.
func TestFilesNameOneAnother(t *testing.T) {
	bodies, err := read(page)
	if err != nil {
		t.Fatal(err)
	}
	inPage := regexp.MustCompile(`(?:src|href)="console/([^"]+)"`)
	inModule := regexp.MustCompile(`from "\./([^"]+)"`)
	named := map[string]bool{indexName: true}
	total := 0
	for name, body := range bodies {
		total += len(body)
		find := inModule
		if name == indexName {
			find = inPage
		}
		for _, m := range find.FindAllStringSubmatch(string(body), -1) {
			named[m[1]] = true
			if bodies[m[1]] == nil {
				t.Errorf("%s names %s, which is not there", name, m[1])
			}
		}
	}
	for name := range bodies {
		if !named[name] {
			t.Errorf("nothing names %s", name)
		}
	}
	if total > maxBytes {
		t.Errorf("the page takes %d bytes, want at most %d", total, maxBytes)
	}
}

// The page fetches each module with itself, rather than when another one names it.
func TestIndexPreloadsModules(t *testing.T) {
	bodies, err := read(page)
	if err != nil {
		t.Fatal(err)
	}
	for name := range bodies {
		link := `<link rel="modulepreload" href="console/` + name + `">`
		if strings.HasSuffix(name, ".js") && name != "app.js" && !strings.Contains(string(bodies[indexName]), link) {
			t.Errorf("index.html has no %s", link)
		}
	}
}

// What would need a less strict policy, or make elements of strings, is in no file.
func TestFilesKeepThePolicy(t *testing.T) {
	bodies, err := read(page)
	if err != nil {
		t.Fatal(err)
	}
	for name, body := range bodies {
		if len(strings.Split(string(body), "\n")) > 400 {
			t.Errorf("%s has more than 400 lines", name)
		}
		if !strings.Contains(string(body), "SPDX-License-Identifier: Apache-2.0") {
			t.Errorf("%s does not name its licence", name)
		}
		for _, bad := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", `setAttribute("style"`, "localStorage", "import(", " style=", " onclick="} {
			if strings.Contains(string(body), bad) {
				t.Errorf("%s has %s", name, bad)
			}
		}
		for _, url := range regexp.MustCompile(`https?://[^\s"'`+"`"+`<)]+`).FindAllString(string(body), -1) {
			if url != "http://www.w3.org/2000/svg" && !strings.HasPrefix(url, "http://127.0.0.1:9347") {
				t.Errorf("%s names %s", name, url)
			}
		}
	}
}

// What changes has another address.
func TestAddressesFollowContents(t *testing.T) {
	files := fstest.MapFS{
		"page/index.html": {Data: []byte(`<script src="console/a.js"></script>`)},
		"page/a.js":       {Data: []byte("one")},
	}
	first, err := newConsole(files)
	if err != nil {
		t.Fatal(err)
	}
	files["page/a.js"] = &fstest.MapFile{Data: []byte("two")}
	second, err := newConsole(files)
	if err != nil {
		t.Fatal(err)
	}
	one, two := first.Paths(), second.Paths()
	if len(one) != 2 || one[0] != "/" || one[1] == two[1] {
		t.Errorf("paths %v and %v", one, two)
	}
	if got := bodyOf(t, second.answer("GET", "/")); got != `<script src="`+two[1][1:]+`"></script>` {
		t.Errorf("the page is %s", got)
	}
	if a, b := first.answer("GET", "/").Header.Get("ETag"), second.answer("GET", "/").Header.Get("ETag"); a == b {
		t.Errorf("both pages have the tag %s", a)
	}
}

func TestNewRefuses(t *testing.T) {
	for want, files := range map[string]fstest.MapFS{
		"page: file does not exist": {},
		"no index.html":             {"page/a.js": {}},
		"a.bin":                     {"page/index.html": {}, "page/a.bin": {}},
	} {
		if _, err := newConsole(files); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
