// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/weir-io/weir/lttng"
)

// Dial connects to a relay and creates a session on it: all of it, or nothing.
// A net URL as control stands for both ends if data is the zero URL or equal;
// otherwise both are tcp URLs, and data may be at another address. Hops of a URL
// are weir relays on the way. A udp URL as data has packets sent in datagrams,
// which relays of weir take if they are told to ([ErrNoUDP]); it has no hops. The context and Options.Timeout bound only Dial.
func Dial(ctx context.Context, control, data lttng.URL, o Options) (*Session, error) {
	ends, err := splitURLs(control, data)
	if err != nil {
		return nil, err
	}
	if o.BasePath == "" {
		o.BasePath = control.Subdir
	}
	o = o.withDefaults()
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	c, err := ends.control.dial(ctx, o)
	if err != nil {
		return nil, err
	}
	s := newSession(o, ends.control.Addr(), ends.data.Addr())
	if ends.data.udp() {
		s.maxReply = max(s.maxReply, lttng.MaxUDPStatusReply)
	}
	s.startControl(c)
	if err := s.establish(ctx, ends.data, o); err != nil {
		s.Abort()
		return nil, err
	}
	return s, nil
}

// establish is Dial once the control connection is there.
func (s *Session) establish(ctx context.Context, data target, o Options) error {
	failed := func(step Step, err error) error {
		if lost, ok := errors.AsType[*Error](err); ok {
			err = lost.Err // what it says beside is here, too
		}
		return &DialError{Step: step, End: Control, Addr: s.control.addr, Err: err}
	}
	if err := s.negotiate(ctx, o); err != nil {
		return failed(StepVersion, err)
	}
	if s.minor >= lttng.MinorConfiguration {
		if err := s.configure(ctx, o, data.udp()); err != nil {
			return failed(StepConfiguration, err)
		}
	}
	if err := s.create(ctx, o.request()); err != nil {
		return failed(StepSession, err)
	}
	if data.udp() {
		return s.openUDP(ctx, data, o)
	}
	c, err := data.dial(ctx, o)
	if err != nil {
		return err
	}
	if s.extensions.Has(lttng.ExtToken) {
		if err := s.showToken(ctx, c); err != nil {
			c.Close()
			return &DialError{Step: StepSameRelay, End: Data, Addr: s.data.addr, Err: err}
		}
	}
	s.startData(c)
	if o.SameRelay != nil && !s.extensions.Has(lttng.ExtToken) {
		if err := o.SameRelay(ctx, s.control.conn, c); err != nil {
			return &DialError{Step: StepSameRelay, End: Data, Addr: s.data.addr, Err: err}
		}
	}
	return nil
}

// configure learns what the relay allows, and which extensions it has. A relay
// that does not know the question refuses it and goes on.
func (s *Session) configure(ctx context.Context, o Options, udp bool) error {
	query := func(flags uint64) (lttng.ConfigurationReply, error) {
		return ask(ctx, s, lttng.CmdGetConfiguration, lttng.GetConfiguration{QueryFlags: flags}.Append, lttng.ParseConfigurationReply)
	}
	var r lttng.ConfigurationReply
	var err error
	if !o.Plain {
		want := lttng.ExtResume | lttng.ExtToken
		if udp {
			want = lttng.ExtResume | lttng.ExtUDP
		}
		r, err = query(lttng.ExtensionQuery(want))
		s.extensions = r.Extensions() & want
	}
	if err == nil && r.Code != lttng.ReplyOK {
		r, err = query(0)
	}
	if err == nil && r.Code != lttng.ReplyOK {
		err = &RefusedError{Op: lttng.CmdGetConfiguration, Code: r.Code}
	}
	s.clear = r.Flags&lttng.ConfigClearAllowed != 0
	return err
}

// negotiate agrees on a version.
func (s *Session) negotiate(ctx context.Context, o Options) error {
	own := lttng.Version{Major: lttng.MajorVersion, Minor: uint32(o.Minor)}
	got, err := ask(ctx, s, lttng.CmdVersion, own.Append, lttng.ParseVersionReply)
	if err != nil {
		return err
	}
	least := lttng.Version{Major: lttng.MajorVersion, Minor: 1}
	if o.CTF2 {
		least.Minor = uint32(lttng.MinorTraceFormat)
	}
	minor := min(got.Minor, own.Minor)
	if got.Major != least.Major || minor < least.Minor {
		return &VersionError{Got: got, Want: least}
	}
	s.minor = lttng.Minor(minor)
	return nil
}

// create sends CREATE_SESSION.
func (s *Session) create(ctx context.Context, m lttng.CreateSession) error {
	minor := s.minor
	r, err := ask(ctx, s, lttng.CmdCreateSession,
		func(b []byte) []byte { return m.Append(b, minor) },
		func(b []byte) (lttng.SessionReply, int, error) { return lttng.ParseSessionReply(b, minor) })
	if err != nil {
		return err
	}
	if r.Code != lttng.ReplyOK {
		return &RefusedError{Op: lttng.CmdCreateSession, Code: r.Code}
	}
	s.id, s.path = r.Session, r.Path
	return nil
}

// target is where one end of a session is.
type target struct {
	end  End
	hops []lttng.Hop
	lttng.Hop
	portSet bool // by the user
}

// udp reports whether the end takes datagrams.
func (t target) udp() bool { return strings.HasPrefix(string(t.Scheme), "udp") }

// Addr returns HOST:PORT.
func (t target) Addr() string { return hopAddr(t.Hop) }

type targets struct{ control, data target }

// splitURLs makes two ends of what the user gave.
func splitURLs(control, data lttng.URL) (targets, error) {
	whole := data.Scheme == "" || data.String() == control.String()
	fail := func(u lttng.URL, reason error) (targets, error) {
		return targets{}, fmt.Errorf("relay: %w", &lttng.URLError{URL: u.String(), Part: string(u.Scheme), Err: reason})
	}
	switch network := control.Scheme.Network(); {
	case !strings.HasPrefix(network, "tcp"):
		return fail(control, lttng.ErrURLProtocol)
	case control.Scheme.IsNet() && !whole:
		return fail(data, lttng.ErrURLFormat)
	case control.Scheme.IsNet():
		return targets{
			makeTarget(Control, control, control.Port.Or(lttng.DefaultControlPort)),
			makeTarget(Data, control, control.Data.Or(lttng.DefaultDataPort)),
		}, nil
	case data.Scheme == "":
		return fail(control, errNoData)
	}
	udp := strings.HasPrefix(string(data.Scheme), "udp")
	switch {
	case !udp && !strings.HasPrefix(string(data.Scheme), "tcp"):
		return fail(data, lttng.ErrURLProtocol)
	case udp && len(data.Hops) > 0:
		return fail(data, lttng.ErrURLHop)
	case udp && len(control.Hops) > 0:
		return fail(control, lttng.ErrURLHop)
	}
	return targets{
		makeTarget(Control, control, control.Port.Or(lttng.DefaultControlPort)),
		makeTarget(Data, data, data.Port.Or(lttng.DefaultDataPort)),
	}, nil
}

var errNoData = errors.New("data URL must be given")

func makeTarget(end End, u lttng.URL, port uint16) target {
	return target{end, u.Hops, lttng.Hop{Scheme: lttng.Scheme(u.Scheme.Network()), Host: u.Host, Port: port}, u.Port.Set}
}

// dial connects, through the hops if there are any.
func (t target) dial(ctx context.Context, o Options) (net.Conn, error) {
	first := t.Hop
	if len(t.hops) > 0 {
		first = t.hops[0]
	}
	failed := func(step Step, err error) error {
		return &DialError{Step: step, End: t.end, Addr: t.Addr(), Err: err}
	}
	c, err := dialHost(ctx, o, first)
	_, unresolved := errors.AsType[*net.DNSError](err)
	switch {
	case err == nil:
	case unresolved || noSuchAddress(err):
		return nil, failed(StepResolve, err)
	default:
		return nil, failed(StepConnect, err)
	}
	tune(c, o.StallTimeout)
	if len(t.hops) > 0 {
		if err := passHops(ctx, c, append(t.hops[1:len(t.hops):len(t.hops)], t.Hop)); err != nil {
			c.Close()
			return nil, failed(StepConnect, fmt.Errorf("hop %s: %w", hopAddr(first), err))
		}
	}
	return c, nil
}

// dialHost connects to a name or address. Names in plain schemes mean their IPv4
// addresses, and the others only if there are none.
func dialHost(ctx context.Context, o Options, h lttng.Hop) (net.Conn, error) {
	addr := hopAddr(h)
	network := string(h.Scheme)
	_, err := netip.ParseAddr(h.Host)
	if err == nil || h.Scheme != lttng.SchemeTCP && h.Scheme != lttng.SchemeUDP {
		return o.connect(ctx, network, addr)
	}
	c, err := o.connect(ctx, network+"4", addr)
	if err == nil || !noSuchAddress(err) {
		return c, err
	}
	six, err6 := o.connect(ctx, network+"6", addr)
	if err6 != nil && noSuchAddress(err6) {
		return nil, err // there are none at all
	}
	return six, err6
}

// anotherTry is after how long a connection that has not come about is tried once
// more, beside the tries before. The kernel repeats each less and less often: a way
// that lets packets through again would be found seconds later.
const anotherTry = time.Second

// connect opens a connection by the first try that comes to an end, good or bad.
func (o Options) connect(ctx context.Context, network, addr string) (net.Conn, error) {
	type end struct {
		c   net.Conn
		err error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ends := make(chan end)
	tries := 0
	try := func() {
		tries++
		go func() { // waited for below
			c, err := o.Dial(ctx, network, addr)
			ends <- end{c, err}
		}()
	}
	again := time.NewTicker(anotherTry)
	defer again.Stop()
	for try(); ; {
		select {
		case <-again.C:
			try()
		case first := <-ends:
			cancel()
			for range tries - 1 {
				if other := <-ends; other.err == nil {
					other.c.Close()
				}
			}
			return first.c, first.err
		}
	}
}

// noSuchAddress reports whether a name has no address of the family.
func noSuchAddress(err error) bool {
	if _, ok := errors.AsType[*net.AddrError](err); ok {
		return true
	}
	dns, ok := errors.AsType[*net.DNSError](err)
	return ok && dns.IsNotFound
}

func hopAddr(h lttng.Hop) string { return net.JoinHostPort(h.Host, strconv.Itoa(int(h.Port))) }

// newUUID returns a random UUID of version 4.
func newUUID() [16]byte {
	var u [16]byte
	_, _ = rand.Read(u[:]) // never fails
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return u
}
