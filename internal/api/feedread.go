// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/weir-io/weir/changelog"
	feedclient "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed"
)

// maxWait is how long one request may wait for records.
const maxWait = 10 * time.Minute

// recordKinds are the media types of the forms of records.
var recordKinds = [...]string{
	feedclient.FormatNative: "application/octet-stream",
	feedclient.FormatLustre: "application/octet-stream",
	feedclient.FormatJSON:   "application/x-ndjson",
	feedclient.FormatText:   "text/plain",
}

// ConsumerToken is the parameter of those that read a feed. Exported for the reason of
// [Paging].
type ConsumerToken struct {
	Consumer string `header:"Weir-Consumer" maxLength:"64" doc:"Token of the consumer, which its first answer had; without it the request is that of a new one."`
}

type recordsInput struct {
	FeedPath
	ConsumerToken
	Max      int    `query:"max" default:"1000" doc:"Most records of an answer: 1 to 65536."`
	MaxBytes int    `query:"max_bytes" default:"1048576" doc:"Most bytes of an answer: 4096 to 16777216; one record that is larger is answered alone."`
	Wait     string `query:"wait" default:"0s" maxLength:"32" doc:"How long to wait for the first record, as 30s; at most 10m. The answer has no record when that time is over."`
	Linger   string `query:"linger" default:"0s" maxLength:"32" doc:"How long to wait for more after the first, as 20ms; at most 1s."`
	Cancel   string `query:"cancel" enum:"previous,none" default:"previous" doc:"Whether what was answered before is cancelled first."`
	After    string `query:"after" maxLength:"20" doc:"Index that the caller has: what is behind it is answered, and cancel=previous cancels through it. Without it, it is the last that was answered, though an answer may have been lost on its way."`
	Batch    string `query:"batch" maxLength:"20" doc:"Number of the last batch that came whole, as Weir-Batch of it said, 0 before the first. If another one was answered since, that was lost on its way: what it had is answered again."`
	Format   string `query:"format" enum:"json,native,lustre,text" default:"json" doc:"Form of the records."`
	Steal    bool   `query:"steal" doc:"Take the feed from another consumer; administrators only."`
	request
}

// request has the request itself, for what the framework does not read.
type request struct{ r *http.Request }

// Resolve implements huma.Resolver.
func (q *request) Resolve(hc huma.Context) []error {
	q.r, _ = humago.Unwrap(hc)
	return nil
}

type consumerInput struct {
	FeedPath
	Steal bool `query:"steal" doc:"Take the feed from another consumer; administrators only."`
}

type consumerOutput struct {
	Consumer string `header:"Weir-Consumer" doc:"Token of the consumer."`
	Body     feedclient.Info
}

type leaveInput struct {
	FeedPath
	Consumer string `header:"Weir-Consumer" required:"true" maxLength:"64" doc:"Token of the consumer."`
	Commit   bool   `query:"commit" doc:"Cancel first what was answered last."`
}

type cancelInput struct {
	FeedPath
	ConsumerToken
	Body struct {
		Through string `json:"through" maxLength:"20" doc:"Index of the last record that is not needed any more; 0 stands for all there are."`
	}
}

type cancelOutput struct {
	Body struct {
		Cancelled string `json:"cancelled" doc:"Index through which records are cancelled now, durably."`
	}
}

type tailInput struct {
	Body feedclient.CreateOptions
}

func (a *API) registerFeedReaders(f huma.API) {
	const one, consumer = "/api/v1/feeds/{feed}", "/api/v1/feeds/{feed}/consumer"
	reading := []code{
		codeInvalidRequest, codeCrossOrigin, codeFeedArgument, codeFeedDenied, codeFeedNotFound,
		codeFeedBusy, codeFeedAborted, codeFeedStore,
	}
	op := newOperation("GET", one+"/records", "read-feed", tagFeeds, "Read one batch of records", reading...)
	op.Responses["200"] = recordsResponse()
	huma.Register(f, op, a.readRecords)
	operation(f, "POST", one+"/cancel", "cancel-feed", tagFeeds, "Say that records are not needed any more", a.cancelRecords,
		append(reading, codeBodyTooLarge)...)
	op = newOperation("POST", consumer, "open-feed", tagFeeds, "Become the consumer of a feed, without reading", reading...)
	op.DefaultStatus = http.StatusCreated
	huma.Register(f, op, a.openFeed)
	operation(f, "DELETE", consumer, "leave-feed", tagFeeds, "Give a feed back", a.leaveFeed, reading...)
	op = newOperation("POST", "/api/v1/feed-tail", "open-tail", tagFeeds,
		"Become the consumer of a new transient feed, which ends with its lease",
		append(reading, codeBodyTooLarge, codeFeedUnsupported, codeFeedLimit)...)
	op.DefaultStatus = http.StatusCreated
	huma.Register(f, op, a.openTail)
	a.registerFeedStreams(f, reading)
}

// recordsResponse documents a batch.
func recordsResponse() *huma.Response {
	text := func(about string) *huma.Param {
		return &huma.Param{Description: about, Schema: &huma.Schema{Type: huma.TypeString}}
	}
	r := binary("The records: lines of JSON or text; in the native form a length of four bytes, little-endian, before each; in Lustre's one after the other.",
		recordKinds[feedclient.FormatJSON])
	for _, kind := range recordKinds {
		r.Content[kind] = r.Content[recordKinds[feedclient.FormatJSON]]
	}
	r.Headers = map[string]*huma.Param{
		"Weir-Consumer": text("Token of the consumer, for its next requests."),
		"Weir-Batch":    text("Number of the batch, for the next request of the consumer."),
		"Weir-Count":    text("Number of records."),
		"Weir-Through":  text("Last index that was looked at: cancelling through it is done with the batch."),
		"Weir-Flags":    text("Of more, gap and aborted those that hold: more records are there; records are missing, a MARK says where; nothing comes after this batch."),
	}
	return r
}

// options are those of a read.
func (in *recordsInput) options() (o feedclient.ReadOptions, err error) {
	o = feedclient.ReadOptions{MaxRecords: in.Max, MaxBytes: in.MaxBytes, Keep: in.Cancel == "none"}
	if in.Max < 1 {
		return o, problemf(codeFeedArgument, "max=%d: want 1 to 65536", in.Max)
	}
	if in.MaxBytes < 1 {
		return o, problemf(codeFeedArgument, "max_bytes=%d: want 4096 to 16777216", in.MaxBytes)
	}
	if o.Wait, err = readDuration("wait", in.Wait, maxWait); err == nil {
		o.Linger, err = readDuration("linger", in.Linger, time.Second)
	}
	return o, err
}

func readDuration(name, text string, most time.Duration) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > most {
		return 0, problemf(codeFeedArgument, "%s=%q: want a time from 0s to %v", name, text, most)
	}
	return d, nil
}

// readIndex reads an index that a caller has; nil is none.
func readIndex(name, text string) (*uint64, error) {
	if text == "" {
		return nil, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return nil, problemf(codeFeedArgument, "%s=%q: want the index of a record", name, text)
	}
	return &n, nil
}

// readRecords answers GET /api/v1/feeds/{feed}/records.
func (a *API) readRecords(ctx context.Context, in *recordsInput) (*huma.StreamResponse, error) {
	who, err := a.caller(ctx)
	if err == nil {
		err = onlyOwnPages(in.r)
	}
	if err != nil {
		return nil, err
	}
	o, err := in.options()
	if err != nil {
		return nil, err
	}
	after, err := readIndex("after", in.After)
	if err != nil {
		return nil, err
	}
	number, err := readIndex("batch", in.Batch)
	if err != nil {
		return nil, err
	}
	form, err := readForm(in.Format)
	if err != nil {
		return nil, err
	}
	l, err := a.leases.take(who, in.Feed, in.Consumer, in.Steal)
	if err != nil {
		return nil, err
	}
	batch := batch{form: form}
	var res feed.Result
	if number != nil && *number != l.batches {
		err = l.Rewind()
	}
	if err == nil {
		res, err = a.read(ctx, l, o, after, &batch)
	}
	if err == nil {
		l.batches++
	}
	answered := l.batches
	if a.leases.release(l); err != nil {
		if in.Consumer == "" { // nobody knows the token
			a.leases.drop(l)
		}
		return nil, feedProblem(err)
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		hc.SetHeader("Content-Type", recordKinds[form])
		hc.SetHeader("Content-Length", strconv.Itoa(len(batch.b)))
		hc.SetHeader("Weir-Consumer", l.token)
		hc.SetHeader("Weir-Batch", strconv.FormatUint(answered, 10))
		hc.SetHeader("Weir-Count", strconv.Itoa(res.Count))
		hc.SetHeader("Weir-Through", strconv.FormatUint(res.Through, 10))
		hc.SetHeader("Weir-Flags", flagNames(res))
		if in.r.Method != http.MethodHead {
			_, _ = hc.BodyWriter().Write(batch.b) // a client that has gone reads it again
		}
	}}, nil
}

// read reads a batch, behind an index if one is given.
func (a *API) read(ctx context.Context, n FeedConsumer, o feedclient.ReadOptions, after *uint64, b *batch) (feed.Result, error) {
	if after != nil {
		if !o.Keep && *after > 0 && n.Info().Mode == feedclient.ModeOneshot {
			if _, err := n.Cancel(ctx, *after); err != nil {
				return feed.Result{}, err
			}
		}
		if err := n.Seek(*after); err != nil {
			return feed.Result{}, err
		}
		o.Keep = true
	}
	return n.Read(ctx, o, b.add)
}

// batch collects records as they stand in an answer.
type batch struct {
	form feedclient.Format
	b    []byte
	last int // where the last one begins
}

// add appends a record, or takes the last one back.
func (b *batch) add(r *changelog.Record) int {
	if r == nil {
		b.b = b.b[:b.last]
		return 0
	}
	b.last = len(b.b)
	b.b = feed.AppendStream(b.b, b.form, r)
	return len(b.b) - b.last
}

// flagNames are what a client is told of a batch.
func flagNames(r feed.Result) string {
	var names []string
	for _, f := range []struct {
		on   bool
		name string
	}{{r.More, "more"}, {r.Gap, "gap"}, {r.Aborted, "aborted"}} {
		if f.on {
			names = append(names, f.name)
		}
	}
	return strings.Join(names, ", ")
}

// cancelRecords answers POST /api/v1/feeds/{feed}/cancel.
func (a *API) cancelRecords(ctx context.Context, in *cancelInput) (*cancelOutput, error) {
	who, err := a.caller(ctx)
	if err != nil {
		return nil, err
	}
	through, err := strconv.ParseUint(in.Body.Through, 10, 64)
	if err != nil {
		return nil, problemf(codeFeedArgument, "through %q: want the index of a record, or 0 for all", in.Body.Through)
	}
	cancelled, err := a.leases.cancel(ctx, who, in.Feed, in.Consumer, through)
	if err != nil {
		return nil, err
	}
	out := &cancelOutput{}
	out.Body.Cancelled = strconv.FormatUint(cancelled, 10)
	return out, nil
}

// openFeed answers POST /api/v1/feeds/{feed}/consumer.
func (a *API) openFeed(ctx context.Context, in *consumerInput) (*consumerOutput, error) {
	who, err := a.caller(ctx)
	if err != nil {
		return nil, err
	}
	l, err := a.leases.take(who, in.Feed, "", in.Steal)
	if err != nil {
		return nil, err
	}
	defer a.leases.release(l)
	return &consumerOutput{l.token, l.Info()}, nil
}

// leaveFeed answers DELETE /api/v1/feeds/{feed}/consumer.
func (a *API) leaveFeed(ctx context.Context, in *leaveInput) (*struct{}, error) {
	who, err := a.caller(ctx)
	if err != nil {
		return nil, err
	}
	l, err := a.leases.take(who, in.Feed, in.Consumer, false)
	if err != nil {
		return nil, err
	}
	return nil, feedProblem(a.leases.finish(l, in.Commit))
}

// openTail answers POST /api/v1/feed-tail.
func (a *API) openTail(ctx context.Context, in *tailInput) (*consumerOutput, error) {
	who, err := a.caller(ctx)
	if err != nil {
		return nil, err
	}
	n, err := a.opts.Feeds.Tail(ctx, who, in.Body)
	if err != nil {
		return nil, feedProblem(err)
	}
	l, err := a.leases.add(who, n)
	if err != nil {
		return nil, err
	}
	defer a.leases.release(l)
	return &consumerOutput{l.token, l.Info()}, nil
}
