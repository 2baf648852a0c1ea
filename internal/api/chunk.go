// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/weir-io/weir/client"
	"github.com/weir-io/weir/internal/tracestore"
)

type chunksInput struct {
	SessionPath
	Paging
}

type chunksOutput struct {
	Body client.Page[client.Chunk]
}

// chunkInput names a chunk.
type chunkInput struct {
	SessionPath
	Chunk string `path:"chunk" maxLength:"255" doc:"ID of the chunk."`
}

// listChunks answers GET /api/v1/sessions/{id}/chunks.
func (a *API) listChunks(ctx context.Context, in *chunksInput) (*chunksOutput, error) {
	s, err := a.find(ctx, in.ID, listAge)
	if err != nil {
		return nil, err
	}
	all := slices.Clone(s.Chunks)
	slices.SortFunc(all, func(x, y tracestore.StoredChunk) int { return cmp.Compare(x.ID, y.ID) })
	page, err := pageOf(in.Paging, all, func(c *tracestore.StoredChunk) string { return c.ID }, showChunk)
	if err != nil {
		return nil, err
	}
	return &chunksOutput{page}, nil
}

func showChunk(c *tracestore.StoredChunk) client.Chunk {
	out := client.Chunk{
		ID: c.ID, State: client.ChunkState(c.State.String()), Directory: c.Dir,
		Created: c.Created, Closed: c.Closed, Modified: c.Modified, Bytes: c.Bytes, Files: c.Files,
	}
	if c.Number >= 0 {
		out.Number = &c.Number
	}
	return out
}

// deleteChunk answers DELETE /api/v1/sessions/{id}/chunks/{chunk}.
func (a *API) deleteChunk(ctx context.Context, in *chunkInput) (*struct{}, error) {
	s, c, err := a.findChunk(ctx, in, 0)
	if err != nil {
		return nil, err
	}
	if err := a.opts.Catalog.RemoveChunk(ctx, s, c); err != nil {
		return nil, storeError(err, codeChunkOpen, codeNoSuchChunk)
	}
	a.log.Info("stored chunk deleted", "session_dir", s.Dir, "chunk", c.ID, "bytes", c.Bytes)
	return nil, nil
}

func (a *API) findChunk(ctx context.Context, in *chunkInput, maxAge time.Duration) (tracestore.StoredSession, tracestore.StoredChunk, error) {
	s, err := a.find(ctx, in.ID, maxAge)
	if err != nil {
		return s, tracestore.StoredChunk{}, err
	}
	c, ok := s.Chunk(in.Chunk)
	if !ok {
		return s, c, problemf(codeNoSuchChunk, "%q in session %q", in.Chunk, in.ID)
	}
	return s, c, nil
}
