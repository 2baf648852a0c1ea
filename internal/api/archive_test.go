// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/weir-io/weir/client"
)

// unpack reads an archive: its names in order, and what the files hold.
func unpack(t *testing.T, archive io.Reader) (names []string, contents map[string]string) {
	t.Helper()
	z, err := zstd.NewReader(archive, zstd.WithDecoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	contents = make(map[string]string)
	tr := tar.NewReader(z)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return names, contents
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(tr)
		if err != nil || int64(len(b)) != h.Size {
			t.Fatalf("%s: %d bytes of %d, %v", h.Name, len(b), h.Size, err)
		}
		if h.Typeflag != tar.TypeReg || h.Mode != 0o640 || h.Uid != 0 || h.Uname != "" {
			t.Errorf("header of %s = %+v", h.Name, h)
		}
		names = append(names, h.Name)
		contents[h.Name] = string(b)
	}
}

func TestArchive(t *testing.T) {
	f := newFixture(t, nil)
	const chunk = "20261120T080000+0000-20261120T080100+0000-0"
	dir := "vm/s-20261120-080000"
	f.trace(dir)
	f.trace(dir + "/archives/" + chunk)
	f.write(dir+"/archives/"+chunk+"/ust/uid/0/64-bit/ch_1", strings.Repeat("long", 1<<18))
	if err := os.Symlink("/etc/passwd", filepath.Join(f.out, dir, "archives", chunk, "ust/uid/0/64-bit/ch_2")); err != nil {
		t.Fatal(err)
	}
	base := "/api/v1/sessions/" + f.id("s") + "/chunks/"
	for id, root := range map[string]string{chunk: chunk, ".session": "s-20261120-080000"} {
		answer, body := f.do(http.MethodGet, base+id+"/archive", nil)
		if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != "application/zstd" ||
			answer.Header.Get("Content-Disposition") != fmt.Sprintf("attachment; filename=%q", root+".tar.zst") {
			t.Fatalf("archive of %s: %s %v", id, answer.Status, answer.Header)
		}
		names, contents := unpack(t, bytes.NewReader(body))
		at := root + "/ust/uid/0/64-bit/"
		want := []string{at + "ch_0", at + "ch_1", at + "index/ch_0.idx", at + "metadata"}
		if id == ".session" {
			want = []string{at + "ch_0", at + "index/ch_0.idx", at + "metadata"}
		}
		if diff := cmp.Diff(want, names); diff != "" {
			t.Errorf("names (-want +got):\n%s", diff)
		}
		if contents[at+"ch_0"] != "0123456789" || contents[at+"metadata"] != "meta" {
			t.Errorf("contents = %.200q", contents)
		}
		if _, again := f.do(http.MethodGet, base+id+"/archive", nil); !bytes.Equal(body, again) {
			t.Error("two archives of one chunk differ")
		}
		if answer, body := f.do(http.MethodHead, base+id+"/archive", nil); answer.StatusCode != 200 || len(body) != 0 {
			t.Errorf("HEAD: %s, %d bytes", answer.Status, len(body))
		}
	}
	f.refused("GET", base+"none/archive", codeNoSuchChunk, nil)
	_, st := f.open("open")
	f.packet(st, 0)
	f.refused("GET", "/api/v1/sessions/"+f.idLater("open")+"/chunks/.session/archive", codeChunkOpen, nil)
}

// slowClient begins to download and reads nothing.
func slowClient(t *testing.T, f *fixture, path string) io.Closer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := f.server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return answer.Body
}

// A chunk that does not fit into the buffers of a connection keeps its archive
// going until the client reads or goes.
func (f *fixture) largeChunk() string {
	f.t.Helper()
	f.trace("vm/s-20261120-080000")
	noise := make([]byte, 64<<20)
	for i, x := 0, uint64(88172645463325252); i < len(noise); i++ {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		noise[i] = byte(x)
	}
	f.write("vm/s-20261120-080000/ust/uid/0/64-bit/ch_1", string(noise))
	return "/api/v1/sessions/" + f.id("s") + "/chunks/.session/archive"
}

func TestArchivesAreLimited(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.MaxArchives = 1 })
	path := f.largeChunk()
	body := slowClient(t, f, path)
	f.refused("GET", path, codeTooManyArchives, nil)
	if answer, _ := f.do("GET", path, nil); answer.Header.Get("Retry-After") != "5" {
		t.Errorf("Retry-After = %q", answer.Header.Get("Retry-After"))
	}
	// The client goes: work stops and its place is free.
	if err := body.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case f.api.archives <- struct{}{}:
		<-f.api.archives
	case <-time.After(20 * time.Second):
		t.Fatal("the archive goes on without its client")
	}
}

// A client must not take a part for the whole.
func TestBrokenArchiveIsCut(t *testing.T) {
	f := newFixture(t, nil)
	path := f.largeChunk()
	c, err := client.New(f.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	id := strings.Split(path, "/")[4]
	body, err := c.Archive(t.Context(), id, ".session")
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if err := os.Remove(filepath.Join(f.out, "vm/s-20261120-080000/ust/uid/0/64-bit/metadata")); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(f.out, "vm/s-20261120-080000/ust/uid/0/64-bit/ch_1"), 1000); err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, body); err == nil {
		t.Errorf("read %d bytes of a broken archive without an error", n)
	}
	f.server.Close() // waits for the handler, which logs
	if !strings.Contains(f.log.String(), "archive not sent") {
		t.Errorf("log = %s", &f.log)
	}
}
