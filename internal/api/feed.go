// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/client"
	feedclient "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed"
	"github.com/weir-io/weir/internal/feed/capture"
)

// Feeds is who serves the feeds of this host, see [FeedsOf].
type Feeds interface {
	// Served is why no feeds are served; nil if they are. It costs nothing.
	Served() error

	feedSources
	feedTable
	feedReaders
}

// feedSources are the file systems that are watched.
type feedSources interface {
	Sources(c feed.Caller) ([]capture.Status, error)
	Rescan(ctx context.Context, c feed.Caller, source string) error
	Paths(ctx context.Context, c feed.Caller, source string, f changelog.FID) ([]string, error)
}

// feedTable are the feeds.
type feedTable interface {
	List(c feed.Caller) ([]feedclient.Info, error)
	Info(c feed.Caller, ref string) (feedclient.Info, error)
	Create(ctx context.Context, c feed.Caller, o feedclient.CreateOptions) (feedclient.Info, error)
	Set(ctx context.Context, c feed.Caller, ref string, o feedclient.CreateOptions) (feedclient.Info, error)
	Destroy(ctx context.Context, c feed.Caller, ref string) error
	Reset(ctx context.Context, c feed.Caller, ref, from string, rescan bool) (feedclient.Info, error)
}

// feedReaders are those who read feeds.
type feedReaders interface {
	Attach(c feed.Caller, ref string, steal bool) (FeedConsumer, error)
	Tail(ctx context.Context, c feed.Caller, o feedclient.CreateOptions) (FeedConsumer, error)
}

// FeedConsumer is the one that reads a feed now; *feed.Consumer is one.
type FeedConsumer interface {
	Info() feedclient.Info
	Read(ctx context.Context, o feedclient.ReadOptions, add func(*changelog.Record) int) (feed.Result, error)
	Seek(through uint64) error
	Rewind() error
	Cancel(ctx context.Context, through uint64) (cancelled uint64, err error)
	Close(ctx context.Context, commit bool) error
	Done() <-chan struct{}
	Err() error
}

// otherEndKey is that of a connection in the context of its requests.
type otherEndKey struct{}

// otherEnd is the other end of a connection.
type otherEnd struct {
	conn net.Conn
	once sync.Once
	who  feed.Caller
	err  error
}

// ConnContext notes the connection that requests come by, so that those about feeds can
// tell who calls. It is for http.Server's field of that name.
func (a *API) ConnContext(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, otherEndKey{}, &otherEnd{conn: conn})
}

// caller tells who makes a request. It is asked once for a connection, and not before
// something depends on it.
func (a *API) caller(ctx context.Context) (feed.Caller, error) {
	if c, ok := ctx.Value(tokenKey{}).(feed.Caller); ok {
		return c, nil
	}
	p, _ := ctx.Value(otherEndKey{}).(*otherEnd)
	if p == nil || a.opts.Caller == nil {
		return feed.Caller{}, problemf(codeFeedDenied, "it is not known who calls")
	}
	p.once.Do(func() { p.who, p.err = a.opts.Caller(p.conn) })
	if p.err != nil {
		return feed.Caller{}, problemf(codeFeedDenied, "it is not known who calls: %v", p.err)
	}
	return p.who, nil
}

// feedCodes are the codes of the table for those of feeds.
var feedCodes = map[feedclient.Code]code{
	feedclient.CodeNotFound: codeFeedNotFound, feedclient.CodeExists: codeFeedExists, feedclient.CodeBusy: codeFeedBusy,
	feedclient.CodeAborted: codeFeedAborted, feedclient.CodeDenied: codeFeedDenied, feedclient.CodeBadArgument: codeFeedArgument,
	feedclient.CodeUnsupported: codeFeedUnsupported, feedclient.CodeLimit: codeFeedLimit, feedclient.CodeStore: codeFeedStore,
}

// feedProblem makes of what a manager answers what a client is told.
func feedProblem(err error) error {
	var known *feedclient.Error
	if !errors.As(err, &known) {
		return err
	}
	c, ok := feedCodes[known.Code]
	if !ok {
		return err
	}
	p := problemf(c, "%s", known.Message)
	p.Holder, p.Aborted = known.Holder, known.Aborted
	return p
}

// asFeedProblem is feedProblem for what ends a stream, where there is no status any more.
func asFeedProblem(err error) *client.Problem {
	var p *client.Problem
	if errors.As(feedProblem(err), &p) {
		return p
	}
	return problemf(codeInternal, "the log says more")
}

// onlyOwnPages refuses a request that a page of another origin makes a browser send:
// those that take a feed for reading change something, though their method is GET.
func onlyOwnPages(r *http.Request) error {
	as := *r
	as.Method = http.MethodPost
	if err := http.NewCrossOriginProtection().Check(&as); err != nil {
		return problemf(codeCrossOrigin, "%s %s from origin %q", r.Method, r.URL.Path, r.Header.Get("Origin"))
	}
	return nil
}
