// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/client"
	feedclient "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed"
	"github.com/weir-io/weir/internal/feed/capture"
)

// FeedPath names a feed. Exported for the reason of [Paging].
type FeedPath struct {
	Feed string `path:"feed" maxLength:"80" doc:"ID or name of the feed, or both as in cl1-audit."`
}

// SourcePath names a file system that is watched.
type SourcePath struct {
	Source string `path:"source" maxLength:"4096" doc:"UUID of the file system, or the directory where it is mounted."`
}

type sourcesOutput struct {
	Body client.Page[capture.Status]
}

type sourceOutput struct {
	Body capture.Status
}

type rescanInput struct {
	SourcePath
	Wait bool `query:"wait" doc:"Answer when it is done, rather than begun."`
}

type rescanOutput struct {
	Status int
	Body   capture.Status
}

type pathsInput struct {
	SourcePath
	FID string `query:"fid" required:"true" maxLength:"64" doc:"The object, as [0xSEQ:0xOID:0xVER]."`
}

type pathsOutput struct {
	Body struct {
		Paths []json.RawMessage `json:"paths" doc:"All names, from the root of the source: strings, or objects with a member b64 for those that are no UTF-8."`
	}
}

type feedsOutput struct {
	Body client.Page[feedclient.Info]
}

type feedInput struct {
	FeedPath
	Consumer string `header:"Weir-Consumer" maxLength:"64" doc:"Token of the consumer, whose lease is renewed."`
}

type feedOutput struct {
	Body feedclient.Info
}

type createFeedInput struct {
	Body feedclient.CreateOptions
}

// feedChange are the options of a feed that can be changed.
type feedChange struct {
	Filter       json.RawMessage     `json:"filter,omitempty" doc:"null takes the filter away."`
	Owner        *uint32             `json:"owner,omitempty"`
	AbortTimeout *feedclient.Seconds `json:"abort_timeout,omitempty"`
	AbortSize    *uint64             `json:"abort_size,omitempty"`
	AbortBytes   *uint64             `json:"abort_bytes,omitempty"`
	AbortProduct *uint64             `json:"abort_product,omitempty"`
	ExpandMoves  *bool               `json:"expand_moves,omitempty"`
}

type changeFeedInput struct {
	FeedPath
	Body feedChange
}

type resetFeedInput struct {
	FeedPath
	Body struct {
		From   string `json:"from,omitempty" doc:"now, oldest or an index; default: now."`
		Rescan bool   `json:"rescan,omitempty" doc:"Compare the source with its disk, too; answer when that is done."`
	}
}

// registerFeeds adds the routes of feeds.
func (a *API) registerFeeds(f huma.API) {
	const sources, one = "/api/v1/feed-sources", "/api/v1/feed-sources/{source}"
	operation(f, "GET", sources, "list-feed-sources", tagFeeds, "List the file systems that are watched for feeds", a.listSources,
		codeInvalidRequest, codeInvalidCursor, codeFeedDenied)
	operation(f, "GET", one, "get-feed-source", tagFeeds, "One file system that is watched", a.getSource,
		codeInvalidRequest, codeFeedDenied, codeFeedNotFound)
	op := newOperation("POST", one+"/rescan", "rescan-feed-source", tagFeeds,
		"Have a file system compared with what is known of it, and differences recorded",
		codeInvalidRequest, codeCrossOrigin, codeFeedDenied, codeFeedNotFound, codeFeedLimit, codeFeedStore)
	op.DefaultStatus = http.StatusAccepted
	huma.Register(f, op, a.rescanSource)
	operation(f, "GET", one+"/paths", "get-feed-source-paths", tagFeeds, "All names of an object", a.getPaths,
		codeInvalidRequest, codeFeedArgument, codeFeedDenied, codeFeedNotFound, codeFeedStore)
	a.registerFeedTable(f)
	a.registerFeedReaders(f)
	a.registerFeedTree(f)
}

func (a *API) registerFeedTable(f huma.API) {
	const all, one = "/api/v1/feeds", "/api/v1/feeds/{feed}"
	operation(f, "GET", all, "list-feeds", tagFeeds, "List the feeds that the caller may see", a.listFeeds,
		codeInvalidRequest, codeInvalidCursor, codeFeedDenied)
	op := newOperation("POST", all, "create-feed", tagFeeds,
		"Register a feed; answered once the file system is watched and its index is whole",
		codeInvalidRequest, codeCrossOrigin, codeBodyTooLarge, codeFeedArgument, codeFeedDenied, codeFeedNotFound,
		codeFeedExists, codeFeedUnsupported, codeFeedLimit, codeFeedStore)
	op.DefaultStatus = http.StatusCreated
	huma.Register(f, op, a.createFeed)
	operation(f, "GET", one, "get-feed", tagFeeds, "One feed", a.getFeed,
		codeInvalidRequest, codeFeedDenied, codeFeedNotFound, codeFeedBusy)
	operation(f, "PATCH", one, "change-feed", tagFeeds, "Change limits, filter or owner of a feed", a.changeFeed,
		codeInvalidRequest, codeCrossOrigin, codeBodyTooLarge, codeFeedArgument, codeFeedDenied, codeFeedNotFound, codeFeedStore)
	operation(f, "DELETE", one, "destroy-feed", tagFeeds, "Destroy a feed; its consumer is disconnected", a.destroyFeed,
		codeInvalidRequest, codeCrossOrigin, codeFeedDenied, codeFeedNotFound, codeFeedStore)
	operation(f, "POST", one+"/reset", "reset-feed", tagFeeds, "Have a feed begin anew; its consumer is disconnected", a.resetFeed,
		codeInvalidRequest, codeCrossOrigin, codeFeedArgument, codeFeedDenied, codeFeedNotFound, codeFeedStore)
}

// sources are those that are watched, by UUID.
func (a *API) sources(c feed.Caller) ([]capture.Status, error) {
	all, err := a.opts.Feeds.Sources(c)
	slices.SortFunc(all, func(x, y capture.Status) int { return cmp.Compare(x.UUID, y.UUID) })
	return all, feedProblem(err)
}

// listSources answers GET /api/v1/feed-sources.
func (a *API) listSources(ctx context.Context, in *Paging) (*sourcesOutput, error) {
	who, err := a.caller(ctx)
	if err != nil {
		return nil, err
	}
	all, err := a.sources(who)
	if err != nil {
		return nil, err
	}
	page, err := pageOf(*in, all, func(s *capture.Status) string { return s.UUID }, func(s *capture.Status) capture.Status { return *s })
	if err != nil {
		return nil, err
	}
	return &sourcesOutput{page}, nil
}

// findSource returns a source by its UUID, with or without dashes.
func (a *API) findSource(c feed.Caller, id string) (capture.Status, error) {
	all, err := a.sources(c)
	if err != nil {
		return capture.Status{}, err
	}
	plain := strings.NewReplacer("-", "").Replace
	for _, s := range all {
		if strings.EqualFold(plain(s.UUID), plain(id)) || s.Dir == id {
			return s, nil
		}
	}
	return capture.Status{}, problemf(codeFeedNotFound, "source %q: no such file system is watched", id)
}

// getSource answers GET /api/v1/feed-sources/{source}.
func (a *API) getSource(ctx context.Context, in *SourcePath) (*sourceOutput, error) {
	who, err := a.caller(ctx)
	if err != nil {
		return nil, err
	}
	s, err := a.findSource(who, in.Source)
	if err != nil {
		return nil, err
	}
	return &sourceOutput{s}, nil
}

// rescanSource answers POST /api/v1/feed-sources/{source}/rescan.
func (a *API) rescanSource(ctx context.Context, in *rescanInput) (*rescanOutput, error) {
	who, err := a.caller(ctx)
	if err != nil {
		return nil, err
	}
	s, err := a.findSource(who, in.Source)
	if err != nil {
		return nil, err
	}
	if in.Wait || !who.Admin { // who may not is told so at once
		if err := a.opts.Feeds.Rescan(ctx, who, s.UUID); err != nil {
			return nil, feedProblem(err)
		}
		s, err = a.findSource(who, in.Source)
		return &rescanOutput{http.StatusOK, s}, err
	}
	if a.ending.Err() != nil {
		return nil, problemf(codeFeedStore, "the agent ends")
	}
	select {
	case a.rescans <- struct{}{}:
	default:
		return nil, problemf(codeFeedLimit, "%d file systems are being scanned, which is the limit", cap(a.rescans))
	}
	a.background.Go(func() { // awaited by Run
		defer func() { <-a.rescans }()
		if err := a.opts.Feeds.Rescan(a.ending, who, s.UUID); err != nil && a.ending.Err() == nil {
			a.log.Warn("feeds: source is not rescanned", "source", s.UUID, "err", err)
		}
	})
	return &rescanOutput{http.StatusAccepted, s}, nil
}

// getPaths answers GET /api/v1/feed-sources/{source}/paths.
func (a *API) getPaths(ctx context.Context, in *pathsInput) (*pathsOutput, error) {
	who, err := a.caller(ctx)
	if err != nil {
		return nil, err
	}
	fid, err := changelog.ParseFID(in.FID)
	if err != nil {
		return nil, problemf(codeFeedArgument, "%v", err)
	}
	paths, err := a.opts.Feeds.Paths(ctx, who, in.Source, fid)
	if err != nil {
		return nil, feedProblem(err)
	}
	out := &pathsOutput{}
	out.Body.Paths = []json.RawMessage{}
	for _, p := range paths {
		b, err := feedclient.MarshalPath(p)
		if err != nil {
			return nil, err
		}
		out.Body.Paths = append(out.Body.Paths, b)
	}
	return out, nil
}

// feedKey sorts feeds by their numbers.
func feedKey(i *feedclient.Info) string {
	n, err := strconv.ParseUint(strings.TrimPrefix(i.ID, "cl"), 10, 32)
	if err != nil {
		return i.ID
	}
	return fmt.Sprintf("%010d", n)
}

// listFeeds answers GET /api/v1/feeds.
func (a *API) listFeeds(ctx context.Context, in *Paging) (*feedsOutput, error) {
	who, err := a.caller(ctx)
	if err != nil {
		return nil, err
	}
	all, err := a.opts.Feeds.List(who)
	if err != nil {
		return nil, feedProblem(err)
	}
	slices.SortFunc(all, func(x, y feedclient.Info) int { return cmp.Compare(feedKey(&x), feedKey(&y)) })
	page, err := pageOf(*in, all, feedKey, func(i *feedclient.Info) feedclient.Info { return *i })
	if err != nil {
		return nil, err
	}
	return &feedsOutput{page}, nil
}

// createFeed answers POST /api/v1/feeds.
func (a *API) createFeed(ctx context.Context, in *createFeedInput) (*feedOutput, error) {
	who, err := a.caller(ctx)
	if err != nil {
		return nil, err
	}
	return feedAnswer(a.opts.Feeds.Create(ctx, who, in.Body))
}

// feedAnswer is what is told of a feed, or why not.
func feedAnswer(i feedclient.Info, err error) (*feedOutput, error) {
	if err != nil {
		return nil, feedProblem(err)
	}
	return &feedOutput{i}, nil
}

// getFeed answers GET /api/v1/feeds/{feed}.
func (a *API) getFeed(ctx context.Context, in *feedInput) (*feedOutput, error) {
	who, err := a.caller(ctx)
	if err != nil {
		return nil, err
	}
	if in.Consumer != "" {
		if err := a.leases.renew(who, in.Feed, in.Consumer); err != nil {
			return nil, err
		}
	}
	return feedAnswer(a.opts.Feeds.Info(who, in.Feed))
}

// changeFeed answers PATCH /api/v1/feeds/{feed}.
func (a *API) changeFeed(ctx context.Context, in *changeFeedInput) (*feedOutput, error) {
	who, err := a.caller(ctx)
	if err != nil {
		return nil, err
	}
	b := &in.Body
	return feedAnswer(a.opts.Feeds.Set(ctx, who, in.Feed, feedclient.CreateOptions{
		Filter: b.Filter, Owner: b.Owner, ExpandMoves: b.ExpandMoves,
		AbortTimeout: b.AbortTimeout, AbortSize: b.AbortSize, AbortBytes: b.AbortBytes,
		AbortProduct: b.AbortProduct,
	}))
}

// destroyFeed answers DELETE /api/v1/feeds/{feed}.
func (a *API) destroyFeed(ctx context.Context, in *FeedPath) (*struct{}, error) {
	who, err := a.caller(ctx)
	if err != nil {
		return nil, err
	}
	return nil, feedProblem(a.opts.Feeds.Destroy(ctx, who, in.Feed))
}

// resetFeed answers POST /api/v1/feeds/{feed}/reset.
func (a *API) resetFeed(ctx context.Context, in *resetFeedInput) (*feedOutput, error) {
	who, err := a.caller(ctx)
	if err != nil {
		return nil, err
	}
	return feedAnswer(a.opts.Feeds.Reset(ctx, who, in.Feed, in.Body.From, in.Body.Rescan))
}
