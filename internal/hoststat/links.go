// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"encoding/hex"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/kernel/rtlink"
)

// links are the interfaces and their addresses at a moment. They are not changed.
type links struct {
	byName map[string]*linkInfo
	list   []*linkInfo // in the kernel's order
}

// linkInfo is an interface with texts as they are written.
type linkInfo struct {
	rtlink.Link
	mac       []byte
	broadcast []byte
	alias     []byte
	state     []byte
	primary   netip.Addr // IPv4; not valid: none
	ips       [][]byte   // of Addresses
}

var noLinks = new(links)

func newLinks(list []rtlink.Link) *links {
	l := &links{byName: make(map[string]*linkInfo, len(list))}
	for _, link := range list {
		info := &linkInfo{Link: link, mac: macText(link.Hardware), broadcast: macText(link.Broadcast), alias: []byte(link.Alias), state: []byte(link.OperState)}
		for _, a := range link.Addresses {
			if a.IP.Is4() && !a.Secondary && !info.primary.IsValid() {
				info.primary = a.IP
			}
			info.ips = append(info.ips, []byte(a.IP.String()))
		}
		l.byName[link.Name] = info
		l.list = append(l.list, info)
	}
	return l
}

// macText writes an address as 02:00:5e:10:00:00.
func macText(b []byte) []byte {
	var text []byte
	for i := range b {
		if i > 0 {
			text = append(text, ':')
		}
		text = hex.AppendEncode(text, b[i:i+1])
	}
	return text
}

// global returns the first global address of version 4, else of version 6.
func (l *links) global() (netip.Addr, bool) {
	var six netip.Addr
	for _, link := range l.list {
		for _, a := range link.Addresses {
			switch {
			case !a.Global || a.IP.IsLoopback():
			case a.IP.Is4():
				return a.IP, true
			case !six.IsValid():
				six = a.IP
			}
		}
	}
	return six, six.IsValid()
}

// linkCache keeps the links by listing them once, and again when they change.
type linkCache struct {
	engine  *Engine
	current atomic.Pointer[links]
	starts  sync.Once
	ready   chan struct{} // closed when there are links, or cannot be

	mu    sync.Mutex
	watch *rtlink.Watch // guarded by mu
}

func newLinkCache(e *Engine) *linkCache {
	c := &linkCache{engine: e, ready: make(chan struct{})}
	c.current.Store(noLinks)
	return c
}

// Time limits of the cache.
const (
	firstLinks = 200 * time.Millisecond // how long the first message waits for links
	linkPause  = 100 * time.Millisecond // between two lists, while much changes
	linkRetry  = 5 * time.Second
)

// now returns the links. The first call waits for them, but not for long.
func (c *linkCache) now() *links {
	c.starts.Do(c.start)
	select {
	case <-c.ready:
	default:
		c.await()
	}
	return c.current.Load()
}

func (c *linkCache) await() {
	select {
	case <-c.ready:
	case <-time.After(firstLinks):
	}
}

// start begins to follow the links of this process, if the files are of it too.
func (c *linkCache) start() {
	if !c.engine.kernels {
		close(c.ready)
		return
	}
	c.engine.running.Go(c.run) // ended by Engine.Close, which waits
}

// isProc reports whether a directory is the kernel's and not a copy.
func isProc(path string) bool {
	var st unix.Statfs_t
	return unix.Statfs(path, &st) == nil && st.Type == unix.PROC_SUPER_MAGIC
}

func (c *linkCache) run() {
	var once sync.Once
	ready := func() { once.Do(func() { close(c.ready) }) }
	defer ready()
	for c.pause(0) {
		w, err := rtlink.NewWatch()
		if err == nil && c.own(w) {
			err = c.follow(w, ready)
		}
		if c.pause(0) {
			c.engine.o.Log.Warn("network interfaces cannot be followed", "err", err)
		}
		ready()
		c.pause(linkRetry)
	}
}

// follow lists the links now and whenever they change.
func (c *linkCache) follow(w *rtlink.Watch, ready func()) error {
	defer w.Close()
	for {
		list, err := rtlink.Dump()
		if err != nil {
			return err
		}
		c.current.Store(newLinks(list))
		ready()
		if err := w.Wait(); err != nil {
			return err
		}
		c.pause(linkPause) // what changes meanwhile is in the socket
	}
}

// own keeps the watch for close. It reports false if that was called.
func (c *linkCache) own(w *rtlink.Watch) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.pause(0) {
		w.Close()
		return false
	}
	c.watch = w
	return true
}

// pause waits. It reports false when the engine is being closed.
func (c *linkCache) pause(d time.Duration) bool {
	if d == 0 {
		select {
		case <-c.engine.quit:
			return false
		default:
			return true
		}
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-c.engine.quit:
		return false
	case <-t.C:
		return true
	}
}

// close ends the goroutine: it may be waiting for the socket.
func (c *linkCache) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.watch != nil {
		c.watch.Close()
	}
}
