// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package console is the hub's page for browsers: what hosts do, which of them is
// sick, what is recorded, and why packets of virtual networks go where they go.
//
// The page is plain HTML, CSS and ES modules, which lie in page as they are served:
// nothing builds them. It reads the REST interface of the hub that it came from and
// nothing else, and changes nothing. Names of hosts, sessions and files are chosen by
// others, so the page makes text nodes of them, and its policy lets browsers neither run
// what is not a file of it, nor make elements of strings, nor ask another origin.
package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"time"
)

//go:embed page
var page embed.FS

const (
	// indexName is the file that is served at the root.
	indexName = "index.html"
	// assetDir is what index.html names its files below. They are served below a
	// directory of it that is named after what is in them.
	assetDir = "console/"
	// hashLength is that of hashes in names, in characters: 64 bits tell versions apart.
	hashLength = 16

	// policy is the Content-Security-Policy. trusted-types has browsers refuse
	// innerHTML and its like, whoever calls them.
	policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

	// keep is for what is named after its content, revalidate for the page that names it.
	keep       = "public, max-age=31536000, immutable"
	revalidate = "no-cache"
)

// kinds are the types of the files. The system's table of types is not asked: it may
// have none for scripts, and browsers run no script that is sent as text.
var kinds = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// file is one file as it is sent.
type file struct {
	body            []byte
	kind, tag, keep string
}

// Console serves the page. It does not change, and may be used by any number of
// goroutines.
type Console struct {
	files map[string]file // by path
}

// New makes the page of what is compiled into the program.
func New() (*Console, error) { return newConsole(page) }

// newConsole makes a page of the directory page of a file system.
func newConsole(from fs.FS) (*Console, error) {
	bodies, err := read(from)
	if err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	dir := assetDir + hashOf(bodies) + "/"
	c := &Console{files: make(map[string]file, len(bodies))}
	for name, body := range bodies {
		f := file{body: body, kind: kinds[path.Ext(name)], keep: keep}
		if f.kind == "" {
			return nil, fmt.Errorf("console: %s: files of its kind have no type", name)
		}
		at := "/" + dir + name
		if name == indexName {
			at, f.keep = "/", revalidate
			f.body = bytes.ReplaceAll(body, []byte(`"`+assetDir), []byte(`"`+dir))
		}
		sum := sha256.Sum256(f.body)
		f.tag = `"` + hex.EncodeToString(sum[:])[:hashLength] + `"`
		c.files[at] = f
	}
	if _, ok := c.files["/"]; !ok {
		return nil, fmt.Errorf("console: there is no %s", indexName)
	}
	return c, nil
}

// read returns the files of the directory page by name.
func read(from fs.FS) (map[string][]byte, error) {
	entries, err := fs.ReadDir(from, "page")
	if err != nil {
		return nil, err
	}
	bodies := make(map[string][]byte, len(entries))
	for _, e := range entries {
		if bodies[e.Name()], err = fs.ReadFile(from, path.Join("page", e.Name())); err != nil {
			return nil, err
		}
	}
	return bodies, nil
}

// hashOf names what all files have in them, and how they are called.
func hashOf(bodies map[string][]byte) string {
	names := make([]string, 0, len(bodies))
	for name := range bodies {
		names = append(names, name)
	}
	slices.Sort(names)
	all := sha256.New()
	for _, name := range names {
		fmt.Fprintf(all, "%q %d ", name, len(bodies[name]))
		all.Write(bodies[name])
	}
	return hex.EncodeToString(all.Sum(nil))[:hashLength]
}

// Paths lists the paths that are served, sorted.
func (c *Console) Paths() []string {
	paths := make([]string, 0, len(c.files))
	for at := range c.files {
		paths = append(paths, at)
	}
	slices.Sort(paths)
	return paths
}

// ServeHTTP serves one of the paths, to GET and HEAD.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, ok := c.files[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		return
	}
	h.Set("Content-Security-Policy", policy)
	h.Set("Content-Type", f.kind)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", f.keep)
	h.Set("ETag", f.tag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.body))
}
