// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package console_test

import (
	"net"
	"os"
	"sync"
	"testing"
	"time"

	feedclient "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/api"
	"github.com/weir-io/weir/internal/feed"
	"github.com/weir-io/weir/internal/feed/capture"
	"github.com/weir-io/weir/internal/hub"
)

// feedsDouble has feeds to look at.
type feedsDouble struct {
	api.Feeds // the rest is not asked for
	mu        sync.Mutex
	list      []feedclient.Info // guarded by mu
	denied    bool              // guarded by mu
}

func (d *feedsDouble) List(c feed.Caller) ([]feedclient.Info, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.denied && !c.Admin {
		return nil, &feedclient.Error{Code: feedclient.CodeDenied, Message: "not for you"}
	}
	return append([]feedclient.Info(nil), d.list...), nil
}

func (d *feedsDouble) Info(_ feed.Caller, ref string) (feedclient.Info, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, one := range d.list {
		if one.ID == ref || one.Name == ref {
			return one, nil
		}
	}
	return feedclient.Info{}, &feedclient.Error{Code: feedclient.CodeNotFound, Message: ref}
}

func (*feedsDouble) Sources(feed.Caller) ([]capture.Status, error) { return nil, nil }

// change changes what is to be seen.
func (d *feedsDouble) change(how func(*feedsDouble)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	how(d)
}

func TestFeedsAreShownLive(t *testing.T) {
	now := time.Now()
	d := &feedsDouble{list: []feedclient.Info{
		{
			ID: "cl1", Name: "audit", Source: "0b7c", Dir: "/", Part: "srv", State: "active", SourceState: "active", First: 100, Last: 4100, Available: 4000, AvailableExact: true,
			Bytes: 600000, Cancelled: 99, Delivered: 2000, Consumer: &feedclient.Lease{PID: 4242, UID: 33, Since: now, Held: 1900}, Created: now, LastRead: now, LastCancel: now,
			Mask: "CREAT UNLNK RENME", Kind: "persistent", Mode: "exclusive", AbortTimeout: feedclient.Seconds(30 * 24 * time.Hour), AbortIn: "719h59m0s", Rate: 12.5,
		},
		{
			ID: "cl2", Name: hostile, Source: "0b7c", Dir: "/home", State: "aborted", SourceState: "active", Last: 4100, Created: now,
			Aborted: &feedclient.Abort{Reason: "backlog too large", First: 1, Last: 4000, Since: now}, Gaps: 1, LastGap: 77,
		},
	}}
	h := newHub(t)
	h.use = func(one *hub.Hub) {
		one.UseFeeds(d, func(net.Conn) (feed.Caller, error) { return feed.Caller{UID: 1000}, nil })
	}
	h.start()
	b := openTab(t, h.url(), "#/feeds")
	b.until("the backlog", cell("audit", 3)+" === '4,000'")
	if got := b.text(cell(hostile, 2)); got != "aborted" {
		t.Errorf("a feed that was given up is %s", got)
	}
	d.change(func(d *feedsDouble) { d.list[0].Available = 17 })
	b.until("a smaller backlog", cell("audit", 3)+" === '17'")
	b.pictures("feeds")
	b.text(row("audit") + ".querySelector('a').click()")
	b.shows("process 4242 of user 33")
	b.shows("weir feed read audit --follow")
	b.pictures("feed")
	b.open("#/feeds")
	own, _ := os.Hostname()
	b.shows(own)
	b.forgive() // browsers complain of 403
	d.change(func(d *feedsDouble) { d.denied = true })
	b.shows("not for you")
	b.shows("ssh -L")
	b.pictures("feeds-denied")
}

func TestNoFeeds(t *testing.T) {
	h := newHub(t)
	h.start()
	b := openTab(t, h.url(), "#/feeds")
	b.shows("No feeds are served here")
}
