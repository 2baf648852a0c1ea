// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"path/filepath"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weir-io/weir/changelog"
	feedclient "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed/mirror"
)

type treeInput struct {
	Body feedclient.TreeRequest
}

type treeOutput struct {
	Body struct {
		Answers []feedclient.TreeAnswer `json:"answers" doc:"In the order of the questions."`
	}
}

type treeContentInput struct {
	Dir    string `query:"dir" required:"true" maxLength:"4096" doc:"The directory."`
	FID    string `query:"fid" required:"true" maxLength:"64" doc:"The file, as [0xSEQ:0xOID:0xVER]."`
	Offset int64  `query:"offset" minimum:"0" doc:"Where to begin."`
	Length int64  `query:"length" required:"true" minimum:"1" maximum:"67108864" doc:"How many bytes, at most."`
}

// registerFeedTree adds what a mirror on another host asks.
func (a *API) registerFeedTree(f huma.API) {
	codes := []code{codeInvalidRequest, codeCrossOrigin, codeFeedArgument, codeFeedDenied, codeFeedNotFound}
	operation(f, "POST", "/api/v1/feed-tree", "ask-tree", tagFeeds,
		"Ask about objects of a directory as they are now, for mirrors on other hosts; administrators may", a.askTree, append(codes, codeBodyTooLarge)...)
	op := newOperation("GET", "/api/v1/feed-tree/content", "read-tree", tagFeeds, "Read what is in a file of a directory; administrators may", codes...)
	op.Responses["200"] = binary("The bytes; fewer than were asked for at the end of the file.", "application/octet-stream")
	huma.Register(f, op, a.readTree)
}

// mayReadTree refuses everybody but administrators: objects are opened by their handles,
// whatever their directories' modes are.
func (a *API) mayReadTree(ctx context.Context, dir string) error {
	who, err := a.caller(ctx)
	switch {
	case err != nil:
		return err
	case !who.Admin:
		return problemf(codeFeedDenied, "user %d: only root, or a member of the group weir, reads trees", who.UID)
	case !filepath.IsAbs(dir):
		return problemf(codeFeedArgument, "directory %q: want an absolute path", dir)
	}
	return nil
}

// askTree answers POST /api/v1/feed-tree.
func (a *API) askTree(ctx context.Context, in *treeInput) (*treeOutput, error) {
	if err := a.mayReadTree(ctx, in.Body.Dir); err != nil {
		return nil, err
	}
	answers, err := mirror.Answer(in.Body)
	if err != nil {
		return nil, treeProblem(err)
	}
	out := &treeOutput{}
	out.Body.Answers = answers
	return out, nil
}

// treeProblem tells what is wrong with a directory.
func treeProblem(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return problemf(codeFeedNotFound, "%v", err)
	}
	return problemf(codeFeedArgument, "%v", err)
}

// readTree answers GET /api/v1/feed-tree/content.
func (a *API) readTree(ctx context.Context, in *treeContentInput) (*huma.StreamResponse, error) {
	if err := a.mayReadTree(ctx, in.Dir); err != nil {
		return nil, err
	}
	f, err := changelog.ParseFID(in.FID)
	if err != nil {
		return nil, problemf(codeFeedArgument, "%v", err)
	}
	c, err := mirror.OpenContent(in.Dir, f)
	if err != nil {
		return nil, treeProblem(err)
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer c.Close()
		hc.SetHeader("Content-Type", "application/octet-stream")
		if hc.Method() == http.MethodHead {
			return
		}
		if err := c.WriteTo(hc.BodyWriter(), in.Offset, in.Length); err != nil {
			a.log.Debug("feeds: content is not read to its end", "dir", in.Dir, "fid", in.FID, "err", err)
			panic(http.ErrAbortHandler) // the reader must not take it for all
		}
	}}, nil
}
