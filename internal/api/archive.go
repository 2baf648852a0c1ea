// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/klauspost/compress/zstd"

	"github.com/weir-io/weir/internal/tracestore"
)

const (
	defaultArchives = 2
	archiveType     = "application/zstd"
	retryAfter      = "5" // seconds
)

// getArchive answers GET /api/v1/sessions/{id}/chunks/{chunk}/archive.
func (a *API) getArchive(ctx context.Context, in *chunkInput) (*huma.StreamResponse, error) {
	s, c, err := a.findChunk(ctx, in, listAge)
	if err != nil {
		return nil, err
	}
	select {
	case a.archives <- struct{}{}:
	default:
		return nil, huma.ErrorWithHeaders(problemf(codeTooManyArchives, "%d are being written", cap(a.archives)),
			http.Header{"Retry-After": {retryAfter}})
	}
	r, err := a.opts.Catalog.OpenChunk(ctx, s, c)
	if err != nil {
		<-a.archives
		return nil, storeError(err, codeChunkOpen, codeNoSuchChunk)
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer func() { <-a.archives }()
		defer r.Close()
		a.sendArchive(hc, r, rootName(s, c))
	}}, nil
}

// rootName is the directory in the archive: that of the chunk.
func rootName(s tracestore.StoredSession, c tracestore.StoredChunk) string {
	if c.ID == tracestore.RootChunk {
		return path.Base(s.Dir)
	}
	return c.ID
}

// sendArchive writes the archive. When that fails in the middle the connection
// is cut, so that the client does not take a part for the whole.
func (a *API) sendArchive(hc huma.Context, r *tracestore.ChunkReader, root string) {
	req, w := humago.Unwrap(hc)
	hc.SetHeader("Content-Type", archiveType)
	hc.SetHeader("Content-Disposition", fmt.Sprintf("attachment; filename=%q", fileName(root)+".tar.zst"))
	if req.Method == http.MethodHead {
		return
	}
	err := writeArchive(req.Context(), w, r, root)
	if err == nil {
		return
	}
	if req.Context().Err() == nil {
		a.log.Warn("archive not sent", "chunk", root, "err", err)
	}
	panic(http.ErrAbortHandler)
}

// fileName keeps what is harmless in a file name on any system.
func fileName(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_', r == '+', r == '.':
			return r
		}
		return '_'
	}, s)
}

// writeArchive writes a chunk's files as a tar archive compressed with zstd.
// Equal chunks give equal archives: files stand in the order of their paths,
// owners are left out and times are whole seconds.
func writeArchive(ctx context.Context, w io.Writer, r *tracestore.ChunkReader, root string) error {
	z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return err
	}
	t := tar.NewWriter(z)
	if err := addFiles(ctx, t, r, root); err != nil {
		// Ends the encoder's part only: the archive is broken anyway.
		_ = z.Close()
		return err
	}
	if err := t.Close(); err != nil {
		_ = z.Close()
		return err
	}
	return z.Close()
}

func addFiles(ctx context.Context, t *tar.Writer, r *tracestore.ChunkReader, root string) error {
	for f, err := range r.Files(ctx) {
		if err != nil {
			return err
		}
		if err := addFile(ctx, t, r, root, f); err != nil {
			return fmt.Errorf("file %s: %w", f.Path, err)
		}
	}
	return nil
}

func addFile(ctx context.Context, t *tar.Writer, r *tracestore.ChunkReader, root string, f tracestore.ChunkFile) error {
	in, err := r.Open(f)
	if err != nil {
		return err
	}
	defer in.Close()
	header := &tar.Header{
		Typeflag: tar.TypeReg, Name: path.Join(root, f.Path), Size: f.Size,
		Mode: int64(f.Mode.Perm()), ModTime: f.Modified.Truncate(time.Second), Format: tar.FormatPAX,
	}
	if err := t.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.CopyN(t, &endingReader{ctx, in}, f.Size)
	return err
}

// endingReader ends a copy when its context ends: compression may keep the
// writes, which would notice, away for long.
type endingReader struct {
	ctx context.Context // of the request, which the reader lives within
	r   io.Reader
}

// Read reads unless the context has ended.
func (e *endingReader) Read(b []byte) (int, error) {
	if err := e.ctx.Err(); err != nil {
		return 0, err
	}
	return e.r.Read(b)
}
