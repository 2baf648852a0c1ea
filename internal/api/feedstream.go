// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/weir-io/weir/changelog"
	feedclient "github.com/weir-io/weir/client/feed"
)

const (
	// heartbeat is how long a stream may be silent.
	heartbeat = 15 * time.Second

	// What a stream takes from a feed at once; nothing more waits in memory for a
	// client that reads slowly.
	streamRecords = 1000
	streamBytes   = 256 << 10
)

// StreamStart says where a stream begins. Exported for the reason of [Paging].
type StreamStart struct {
	After       string `query:"after" maxLength:"20" doc:"Index that the caller has: what is behind it comes."`
	LastEventID string `header:"Last-Event-ID" maxLength:"20" doc:"The same, as browsers send it when they connect again; it comes first."`
	Accept      string `header:"Accept" maxLength:"1024" doc:"text/event-stream has the records as events, each with its index as id; else they are lines of JSON."`
	request
}

type streamInput struct {
	FeedPath
	ConsumerToken
	StreamStart
}

type feedTailInput struct {
	StreamStart
	Source string `query:"source" required:"true" maxLength:"4096" doc:"Directory, or UUID of a file system that is watched."`
	Mask   string `query:"mask" maxLength:"512" doc:"Types of records, as CREAT,UNLNK or +OPEN."`
	Filter string `query:"filter" maxLength:"16384" doc:"Filter of records, JSON as in a feed."`
}

func (a *API) registerFeedStreams(f huma.API, codes []code) {
	response := binary("The records, one a line of JSON, with an empty line after 15 s without one. If the feed ends, the last line is an object with the member problem.",
		recordKinds[feedclient.FormatJSON])
	response.Content["text/event-stream"] = response.Content[recordKinds[feedclient.FormatJSON]]
	response.Headers = map[string]*huma.Param{"Weir-Consumer": {
		Description: "Token of the consumer, to cancel with while the stream is open.", Schema: &huma.Schema{Type: huma.TypeString},
	}}
	op := newOperation("GET", "/api/v1/feeds/{feed}/stream", "stream-feed", tagFeeds,
		"Read records as they come, until the client ends it; nothing is cancelled by that", codes...)
	op.Responses["200"] = response
	huma.Register(f, op, a.streamFeed)
	op = newOperation("GET", "/api/v1/feed-tail", "stream-tail", tagFeeds,
		"Read what happens from now on, through a feed that lives as long as the stream", append(codes, codeFeedUnsupported, codeFeedLimit)...)
	op.Responses["200"] = response
	huma.Register(f, op, a.streamTail)
}

// start is the index that a stream begins behind; nil: none was given.
func (s *StreamStart) start() (*uint64, error) {
	if s.LastEventID != "" {
		return readIndex("Last-Event-ID", s.LastEventID)
	}
	return readIndex("after", s.After)
}

// streamFeed answers GET /api/v1/feeds/{feed}/stream.
func (a *API) streamFeed(ctx context.Context, in *streamInput) (*huma.StreamResponse, error) {
	who, err := a.caller(ctx)
	if err == nil {
		err = onlyOwnPages(in.r)
	}
	if err != nil {
		return nil, err
	}
	after, err := in.start()
	if err != nil {
		return nil, err
	}
	l, err := a.leases.take(who, in.Feed, in.Consumer, false)
	if err != nil {
		return nil, err
	}
	// A consumer that was there before goes on to be; one of this stream ends with it.
	end := func() { a.leases.drop(l) }
	if in.Consumer != "" {
		end = func() { a.leases.release(l) }
	}
	s := &stream{consumer: l, events: wantsEvents(in.Accept)}
	if after != nil {
		err = l.Seek(*after)
	}
	if err == nil {
		err = s.read(ctx, 0)
	}
	if err != nil {
		end()
		return nil, feedProblem(err)
	}
	return a.streaming(s, l.token, end), nil
}

// streamTail answers GET /api/v1/feed-tail.
func (a *API) streamTail(ctx context.Context, in *feedTailInput) (*huma.StreamResponse, error) {
	who, err := a.caller(ctx)
	if err == nil {
		err = onlyOwnPages(in.r)
	}
	if err != nil {
		return nil, err
	}
	had, err := in.start()
	if err != nil {
		return nil, err
	}
	o := feedclient.CreateOptions{Source: in.Source, Mask: in.Mask}
	if in.Filter != "" {
		if !json.Valid([]byte(in.Filter)) {
			return nil, problemf(codeFeedArgument, "filter: it is no JSON")
		}
		o.Filter = json.RawMessage(in.Filter)
	}
	n, err := a.opts.Feeds.Tail(ctx, who, o)
	if err != nil {
		return nil, feedProblem(err)
	}
	s := &stream{consumer: n, events: wantsEvents(in.Accept)}
	if begin := n.Info().Cancelled; had != nil && *had < begin {
		s.missed(*had+1, begin)
	}
	return a.streaming(s, "", func() {
		if err := n.Close(context.WithoutCancel(ctx), false); err != nil {
			a.log.Warn("feeds: consumer's end", "err", err)
		}
	}), nil
}

// wantsEvents reports whether a client asks for server-sent events.
func wantsEvents(accept string) bool { return strings.Contains(accept, "text/event-stream") }

// streaming makes an answer of a stream, whose first batch may have been read.
func (a *API) streaming(s *stream, token string, end func()) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer end()
		req, w := humago.Unwrap(hc)
		kind := recordKinds[feedclient.FormatJSON]
		if s.events {
			kind = "text/event-stream"
		}
		hc.SetHeader("Content-Type", kind)
		if token != "" {
			hc.SetHeader("Weir-Consumer", token)
		}
		if req.Method == http.MethodHead {
			return
		}
		ctx, cancel := context.WithCancel(req.Context())
		defer cancel()
		defer context.AfterFunc(a.ending, cancel)()
		s.w, s.flush = w, http.NewResponseController(w).Flush
		a.streams.Add(1)
		defer a.streams.Add(-1)
		s.run(ctx)
	}}
}

// stream writes the records of a feed to a client. It is one goroutine's.
type stream struct {
	consumer FeedConsumer
	events   bool // in the form of server-sent events
	w        interface{ Write([]byte) (int, error) }
	flush    func() error

	out     []byte
	last    int    // where the last record begins in out
	through uint64 // last index looked at
	told    uint64 // last index that the client has got
}

// run writes until the client is gone, the feed ends or ctx does.
func (s *stream) run(ctx context.Context) {
	for {
		if len(s.out) == 0 {
			s.beat()
		}
		if _, err := s.w.Write(s.out); err != nil {
			return // gone, or it reads nothing
		}
		if err := s.flush(); err != nil {
			return
		}
		s.out = s.out[:0]
		err := s.read(ctx, heartbeat)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			s.problem(err)
			_, _ = s.w.Write(s.out) // it ends anyway
			return
		}
	}
}

// read takes a batch from the feed.
func (s *stream) read(ctx context.Context, wait time.Duration) error {
	res, err := s.consumer.Read(ctx, feedclient.ReadOptions{
		MaxRecords: streamRecords, MaxBytes: streamBytes, Wait: wait, Keep: true,
	}, s.add)
	s.through = max(s.through, res.Through)
	return err
}

// add writes a record, or takes the last one back.
func (s *stream) add(r *changelog.Record) int {
	if r == nil {
		s.out = s.out[:s.last]
		return 0
	}
	s.last = len(s.out)
	s.told = r.Index
	if !s.events {
		s.out = append(changelog.AppendJSON(s.out, r), '\n')
		return len(s.out) - s.last
	}
	s.out = strconv.AppendUint(append(s.out, "id: "...), r.Index, 10)
	s.out = changelog.AppendJSON(append(s.out, "\ndata: "...), r) // JSON has no line ends
	s.out = append(s.out, "\n\n"...)
	return len(s.out) - s.last
}

// missed tells that records of a tail are missing which a client saw the begin of.
func (s *stream) missed(from, to uint64) {
	s.add(&changelog.Record{
		Index: to, Time: time.Now().UnixNano(), Type: changelog.Mark,
		Mark: &changelog.Marker{Kind: changelog.MarkGap, Reason: changelog.GapSkipped, From: from, To: to},
	})
}

// beat shows that the stream lives. As an event it moves the client's place over
// records that the filter has left out.
func (s *stream) beat() {
	switch {
	case !s.events:
		s.out = append(s.out, '\n')
	case s.through > s.told:
		s.told = s.through
		s.out = append(strconv.AppendUint(append(s.out, "id: "...), s.through, 10), "\n\n"...)
	default:
		s.out = append(s.out, ": heartbeat\n\n"...)
	}
}

// problem tells why a stream ends.
func (s *stream) problem(err error) {
	b, jerr := json.Marshal(map[string]any{"problem": asFeedProblem(err)})
	if jerr != nil {
		b = []byte(`{"problem":{}}`)
	}
	if s.events {
		s.out = append(append(append(s.out, "event: problem\ndata: "...), b...), "\n\n"...)
		return
	}
	s.out = append(append(s.out, b...), '\n')
}
