// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package statsource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/hoststat"
	"github.com/weir-io/weir/internal/source"
	"github.com/weir-io/weir/xmlsysd"
)

// fakeHost is a host whose sections are filled by functions, by path.
type fakeHost struct {
	model  *xmlsysd.Model
	hidden []string

	mu    sync.Mutex
	fill  map[string]func(t *xmlsysd.Tape) // guarded by mu
	at    time.Time                        // of all sections; zero: when they are read
	delay chan struct{}                    // gets one when a reading begins; nil: does not
	reads int                              // guarded by mu
	ages  []time.Duration
	raws  [][]xmlsysd.RawRule
}

func newFakeHost() *fakeHost {
	return &fakeHost{model: xmlsysd.NewModel(), fill: make(map[string]func(*xmlsysd.Tape))}
}

// set gives a section leaves, by their paths, in one element each.
func (h *fakeHost) set(section string, fill func(*xmlsysd.Tape)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fill[section] = fill
}

// load fills proc/loadavg.
func (h *fakeHost) load(values ...string) {
	h.set("proc/loadavg", func(t *xmlsysd.Tape) {
		t.Open(h.model.Must("proc/loadavg"), xmlsysd.Stamp{})
		for i, leaf := range []string{"load1", "load5", "load15", "running", "threads", "last_pid"}[:len(values)] {
			t.Leaf(h.model.Must("proc/loadavg/"+leaf), []byte(values[i]))
		}
		t.Close()
	})
}

func (h *fakeHost) Model() *xmlsysd.Model { return h.model }

func (h *fakeHost) Sections() (all []Section) {
	for i := range h.model.Len() {
		if n := h.model.Node(xmlsysd.NodeID(i)); n.Section != "" {
			all = append(all, Section{Node: xmlsysd.NodeID(i), Name: n.Section, Source: "/" + n.Path, Slow: n.Section == "sensors"})
		}
	}
	return all
}

func (h *fakeHost) Hidden() (all []xmlsysd.NodeID) {
	for _, path := range h.hidden {
		all = append(all, h.model.Must(path))
	}
	return all
}

func (h *fakeHost) NewReader() Reader { return &fakeReader{host: h} }

type fakeReader struct {
	host  *fakeHost
	tapes []xmlsysd.Tape
	parts []Part
}

func (r *fakeReader) Read(ctx context.Context, wants func(xmlsysd.NodeID) bool, age time.Duration, raw []xmlsysd.RawRule) []Part {
	h := r.host
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reads++
	h.ages, h.raws = append(h.ages, age), append(h.raws, raw)
	if h.delay != nil {
		h.delay <- struct{}{}
	}
	r.parts, r.tapes = r.parts[:0], make([]xmlsysd.Tape, len(h.fill))
	for i := range h.model.Len() {
		id := xmlsysd.NodeID(i)
		fill := h.fill[h.model.Node(id).Path]
		if fill == nil || !wants(id) && len(raw) == 0 {
			continue
		}
		at := h.at
		if at.IsZero() {
			at = time.Now()
		}
		t := &r.tapes[len(r.parts)]
		fill(t)
		r.parts = append(r.parts, Part{Node: id, Tape: t, At: at})
	}
	return r.parts
}

func (r *fakeReader) Release() {}
func (r *fakeReader) Close()   {}

// engineHost is the real one.
type engineHost struct{ *hoststat.Engine }

func (h engineHost) Sections() []Section { return nil }

func (h engineHost) NewReader() Reader { return &engineReader{session: h.NewSession()} }

type engineReader struct {
	session *hoststat.Session
	query   hoststat.Query
	samples *hoststat.Samples
	parts   []Part
}

func (r *engineReader) Read(ctx context.Context, wants func(xmlsysd.NodeID) bool, age time.Duration, raw []xmlsysd.RawRule) []Part {
	r.query = hoststat.Query{MaxAge: age, Raw: raw}
	r.samples = r.session.Sample(ctx, wants, &r.query)
	r.parts = r.parts[:0]
	for _, p := range r.samples.Parts() {
		r.parts = append(r.parts, Part{Node: p.Node, Tape: p.Tape, At: p.At})
	}
	return r.parts
}

func (r *engineReader) Release() { r.samples.Release() }
func (r *engineReader) Close()   { r.session.Close() }

// recording is a trace with one channel, and what a session and its consumer do for
// it.
type recording struct {
	testing.TB

	trace *trace
	*channel

	lock  sync.Mutex // the session's
	text  []byte     // published; guarded by lock
	quiet bool       // nothing is published; guarded by lock

	woken chan struct{}
	conn  *handover.PacketConn
	dir   string
	data  *os.File
	infos []ctf.PacketInfo // of packets that were taken
}

// newRecording makes a recording of rules, ready to start.
func newRecording(t testing.TB, host Host, info source.SessionInfo, set agent.ChannelSettings, rules ...agent.EventRule) *recording {
	t.Helper()
	r := &recording{TB: t, woken: make(chan struct{}, 1), dir: t.TempDir()}
	info.Publish = r.publish
	info.Wake = func() {
		select {
		case r.woken <- struct{}{}:
		default:
		}
	}
	s := New(host, slog.New(slog.NewTextHandler(t.Output(), nil)))
	defaults := s.Defaults(info.Mode)
	set.Overwrite = defaults.Overwrite
	if set.SubbufBytes == 0 {
		set.SubbufBytes, set.SubbufCount = defaults.SubbufBytes, defaults.SubbufCount
	}
	made, err := s.Open(info)
	r.must(err)
	r.trace = made.(*trace)
	c, err := made.Channel(0, "c", set)
	r.must(err)
	r.channel = c.(*channel)
	for i := range rules {
		r.enable(&rules[i])
	}
	r.must(c.Prepare())
	streams, err := c.Streams()
	r.must(err)
	r.conn, err = handover.NewPacketConn(streams[0].Files[0])
	r.must(err)
	r.data, err = os.Create(filepath.Join(r.dir, "c_0"))
	r.must(err)
	r.lock.Lock()
	r.must(r.publish())
	r.lock.Unlock()
	ended := make(chan struct{})
	go func() { // ends with woken
		defer close(ended)
		for range r.woken {
			r.lock.Lock()
			if err := r.trace.Follow(); err != nil {
				r.Log(err)
			}
			r.lock.Unlock()
		}
	}()
	t.Cleanup(func() {
		r.lock.Lock()
		err := r.trace.Close()
		r.lock.Unlock()
		close(r.woken)
		<-ended
		r.must(errors.Join(err, r.conn.Close(), r.data.Close()))
	})
	return r
}

// holdsEvent reports whether an event waits in the open packet.
func (r *recording) holdsEvent() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, open := r.out.Open()
	return open
}

func (r *recording) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// enable adds a rule.
func (r *recording) enable(rule *agent.EventRule) {
	r.Helper()
	if rule.Type == "" {
		rule.Type = agent.Tracepoint
	}
	r.lock.Lock()
	defer r.lock.Unlock()
	_, err := r.AddRule(rule)
	r.must(err)
}

// start and stop are orders of the session.
func (r *recording) start() {
	r.Helper()
	r.lock.Lock()
	defer r.lock.Unlock()
	r.must(r.Start())
}

func (r *recording) stop() {
	r.Helper()
	r.lock.Lock()
	defer r.lock.Unlock()
	r.must(r.Stop())
}

var errQuiet = errors.New("the consumer process is gone")

// publish is the session's, whose lock is held.
func (r *recording) publish() error {
	if r.quiet {
		return errQuiet
	}
	text, err := r.trace.Metadata()
	r.text = append(r.text, text...)
	return err
}

// take takes the packets that wait, as a consumer does.
func (r *recording) take() (n int) {
	r.Helper()
	for {
		packet, info, err := r.conn.Receive()
		if errors.Is(err, unix.EAGAIN) {
			return n
		}
		r.must(err)
		_, err = r.data.Write(packet)
		r.must(err)
		r.infos = append(r.infos, info)
		n++
	}
}

// discarded is how many events were lost, as the last packet tells.
func (r *recording) discarded() uint64 {
	if len(r.infos) == 0 {
		return 0
	}
	return r.infos[len(r.infos)-1].Discarded
}

// recorded is an event that was recorded.
type recorded struct {
	name, fields string
	at           uint64 // ns of the trace's clock
}

// read reads what was taken.
func (r *recording) read() (all []recorded) {
	r.Helper()
	r.take()
	r.lock.Lock()
	text := r.text
	r.lock.Unlock()
	r.must(os.WriteFile(filepath.Join(r.dir, "metadata"), text, 0o600))
	set, err := ctf.Open(ctf.Options{}, r.dir)
	r.must(err)
	for _, c := range set.Cursors() {
		for {
			kind, err := c.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			r.must(err)
			if kind != ctf.EventRecord {
				continue
			}
			e := c.Event()
			payload, _ := e.Scope(schema.EventPayload)
			all = append(all, recorded{e.Class.Name, show(payload), e.Cycles})
		}
		r.must(c.Close())
	}
	return all
}

// of returns the fields of the events of a name.
func of(all []recorded, name string) (fields []string) {
	for _, e := range all {
		if e.name == name {
			fields = append(fields, e.fields)
		}
	}
	return fields
}

// show writes an event, or a field, as text.
func show(v ctf.Value) string {
	switch c := v.Class().(type) {
	case *schema.Struct:
		text := ""
		for i := range c.Members {
			f, _ := v.Field(c.Members[i].Name)
			if text != "" {
				text += " "
			}
			text += c.Members[i].Name + "=" + show(f)
		}
		return "{" + text + "}"
	case *schema.Array:
		text := ""
		for i := range v.Len() {
			text += show(v.Index(i))
		}
		return "[" + text + "]"
	case *schema.Integer:
		if c.Signed {
			return strconv.FormatInt(v.Int(), 10)
		}
		return strconv.FormatUint(v.Uint(), 10)
	case *schema.Float:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	case *schema.String:
		return string(v.Text())
	}
	return fmt.Sprintf("%T", v.Class())
}
