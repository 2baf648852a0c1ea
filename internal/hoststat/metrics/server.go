// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"

	"github.com/klauspost/compress/gzip"

	"github.com/weir-io/weir/internal/hoststat"
	"github.com/weir-io/weir/xmlsysd"
)

// maxKept bounds the exposition whose buffers are used again, in bytes.
const maxKept = 4 << 20

// maxScrapes bounds the scrapes of a view at one time. More are refused.
const maxScrapes = 4

// Options are what a server is made of.
type Options struct {
	Engine *hoststat.Engine
	Root   string // of the host's files, as in the engine's options; empty: /

	// More appends families that stand before weir's own, complete but for the end
	// of the exposition, in OpenMetrics or the text format; nil: none.
	More func(b []byte, openMetrics bool) ([]byte, error)
	// Fleet calls a function with the last message of each host that is up, as the
	// host's daemon has sent it, and its name; their samples have the name as the
	// label host. Messages are valid until the function returns. It stops when that
	// returns false. nil: this host alone is shown.
	Fleet func(yield func(host string, message []byte) bool)
	// Refuse answers a request that is not served; nil: a line of text.
	Refuse func(w http.ResponseWriter, r *http.Request, status int, reason string)
}

// Server shows a host in both views.
type Server struct {
	Native http.Handler // weir's names, for /metrics
	Node   http.Handler // those of node_exporter, for /metrics/node

	views [2]*view
}

// New returns a server. It reads nothing before the first scrape.
func New(o Options) *Server {
	if o.Root == "" {
		o.Root = "/"
	}
	if o.Refuse == nil {
		o.Refuse = func(w http.ResponseWriter, _ *http.Request, status int, reason string) { http.Error(w, reason, status) }
	}
	facts := newFacts(o.Root)
	native := newView(o, facts, nativeTable)
	o.More = nil
	node := newView(o, facts, nodeTable)
	node.lane, node.answers = newLane(o.Engine, node.plan), new(answers)
	return &Server{Native: native, Node: node, views: [2]*view{native, node}}
}

// Close waits for scrapes to end and gives the engine's sessions back; it must be
// called before the engine is closed.
func (s *Server) Close() {
	for _, v := range s.views {
		v.close()
	}
}

// view serves an exposition.
type view struct {
	// Immutable.
	o       Options
	facts   *facts
	plan    *plan
	fleet   *plan    // of other hosts; nil: none are shown
	lane    *lane    // nil: what is in no section is not shown
	answers *answers // nil: likewise

	mu     sync.Mutex
	free   []*worker // guarded by mu
	out    int       // guarded by mu: workers that are not free
	closed bool      // guarded by mu
	busy   sync.WaitGroup
}

// worker is what a scrape needs.
type worker struct {
	scrape scrape
	fleet  *fleet // nil: this host alone is shown
	more   []byte
	packed packed
	gzip   *gzip.Writer
}

// packed is a buffer to write to.
type packed []byte

// Write appends.
func (p *packed) Write(b []byte) (int, error) {
	*p = append(*p, b...)
	return len(b), nil
}

func newView(o Options, f *facts, table func(*grow)) *view {
	v := &view{o: o, facts: f, plan: newPlan(o.Engine.Model(), table)}
	if o.Fleet != nil {
		// Their kernels' names must not use up what this host's model has room for.
		v.fleet = newPlan(xmlsysd.NewModel(), table)
	}
	return v
}

var (
	errBusy   = errors.New("as many scrapes as are allowed are being served")
	errClosed = errors.New("shutting down")
)

// take returns a worker.
func (v *view) take() (*worker, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case v.closed:
		return nil, errClosed
	case v.out == maxScrapes:
		return nil, errBusy
	}
	v.out++
	v.busy.Add(1)
	if n := len(v.free); n > 0 {
		w := v.free[n-1]
		v.free = v.free[:n-1]
		return w, nil
	}
	w := &worker{scrape: scrape{plan: v.plan, facts: v.facts, session: v.o.Engine.NewSession()}}
	w.scrape.wanted = w.scrape.wants
	if v.lane != nil {
		w.scrape.live = newLive(v.o.Engine, v.o.Root, v.lane, v.answers)
	}
	if v.fleet != nil {
		w.fleet = newFleet(v.fleet, v.o.Fleet)
		w.scrape.others = w.fleet
	}
	return w, nil
}

func (v *view) give(w *worker) {
	if len(w.more) > maxKept {
		w.more, w.packed = nil, nil
		w.scrape.drop()
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.out--
	v.busy.Done()
	v.free = append(v.free, w)
}

func (v *view) close() {
	v.mu.Lock()
	v.closed = true
	v.mu.Unlock()
	v.busy.Wait()
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, w := range v.free {
		w.scrape.session.Close()
		if w.scrape.live != nil {
			w.scrape.live.close()
		}
	}
	v.free = nil
	if v.lane != nil {
		v.lane.close()
	}
}

// ServeHTTP serves a scrape.
func (v *view) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		v.o.Refuse(w, r, http.StatusMethodNotAllowed, r.Method+" is not served here")
		return
	}
	sel, err := v.plan.selection(r.URL.RawQuery)
	if err != nil {
		v.o.Refuse(w, r, http.StatusBadRequest, err.Error())
		return
	}
	var others *xmlsysd.Selection
	if v.fleet != nil {
		others, _ = v.fleet.selection(r.URL.RawQuery) // it is as good as the other one
	}
	v.answers.enter()
	defer v.answers.leave()
	wk, err := v.take()
	if err != nil {
		v.answers.add(http.StatusServiceUnavailable)
		w.Header().Set("Retry-After", "1")
		v.o.Refuse(w, r, http.StatusServiceUnavailable, err.Error())
		return
	}
	defer v.give(wk)
	f := negotiate(r.Header.Values("Accept"))
	more := wk.more[:0]
	if v.o.More != nil {
		if more, err = v.o.More(more, f == openMetrics); err != nil {
			v.answers.add(http.StatusInternalServerError)
			v.o.Refuse(w, r, http.StatusInternalServerError, err.Error())
			return
		}
	}
	if wk.fleet != nil {
		wk.fleet.scrape.sel = others
	}
	wk.more = wk.scrape.run(r.Context(), f, sel, more)
	if errors.Is(r.Context().Err(), context.Canceled) {
		return // nobody waits for it
	}
	v.reply(w, r, wk, f)
}

// reply sends the exposition that a worker has made.
func (v *view) reply(w http.ResponseWriter, r *http.Request, wk *worker, f format) {
	body := wk.more
	h := w.Header()
	h.Set("Content-Type", typeText)
	if f == openMetrics {
		h.Set("Content-Type", typeOpenMetrics)
	}
	h.Set("Vary", "Accept, Accept-Encoding")
	if wantsGzip(r.Header.Values("Accept-Encoding")) {
		h.Set("Content-Encoding", "gzip")
		body = wk.pack(body)
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	v.answers.add(http.StatusOK)
	if r.Method != http.MethodGet {
		return
	}
	if _, err := w.Write(body); err != nil { // the client has gone
		v.answers.fail()
	}
}

// pack compresses an exposition.
func (wk *worker) pack(body []byte) []byte {
	wk.packed = wk.packed[:0]
	if wk.gzip == nil {
		wk.gzip, _ = gzip.NewWriterLevel(&wk.packed, gzip.BestSpeed) // the level is a right one
	} else {
		wk.gzip.Reset(&wk.packed)
	}
	_, _ = wk.gzip.Write(body) // memory takes all
	_ = wk.gzip.Close()
	return wk.packed
}
