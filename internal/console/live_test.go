// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package console_test

import (
	"testing"

	"github.com/weir-io/weir/internal/hoststat/polltest"
)

// A hub that goes and comes back is told of, and what it had told stays meanwhile.
func TestTheHubIsStartedAgain(t *testing.T) {
	m := newMachine("m1")
	h := newHub(t)
	h.watch(watched{"m1", "", m.daemon.Start(t)})
	h.start()
	b := openTab(t, h.url(), "")
	b.until("the host is up", row("m1")+"?.cells[2].innerText === 'up'")
	b.forgive()
	start := h.again()
	b.shows("The hub does not answer since")
	b.until("the host stays", row("m1")+" !== undefined")
	b.pictures("silence")
	m.change(func(m *polltest.Machine) { m.Load = 0.75 })
	start()
	b.until("the bar is gone", `document.getElementById("silence").hidden`)
	b.until("it is shown as it is now", row("m1")+"?.cells[4].innerText === '0.75'")
}

// A page that nobody sees asks nothing, and goes on when it is seen.
func TestAHiddenPageAsksNothing(t *testing.T) {
	m := newMachine("m1")
	h := newHub(t)
	h.watch(watched{"m1", "", m.daemon.Start(t)})
	h.start()
	b := openTab(t, h.url(), "")
	b.until("the host is up", row("m1")+"?.cells[2].innerText === 'up'")
	// A browser without a window hides no page. What pages are told of it is this.
	b.text(`(() => {
		window.away = true;
		Object.defineProperty(document, "hidden", { get: () => window.away });
		document.dispatchEvent(new Event("visibilitychange"));
	})()`)
	// The one that was under way may end, and one wait of the page at its old speed.
	before := -1
	for range 10 {
		if before == b.requests("/api/v1/hosts") {
			break
		}
		before = b.requests("/api/v1/hosts")
		b.pause(2500)
	}
	b.pause(2500)
	if now := b.requests("/api/v1/hosts"); now != before {
		t.Errorf("hidden it has asked %d times", now-before)
	}
	m.change(func(m *polltest.Machine) { m.Load = 1.25 })
	b.text(`(window.away = false, document.dispatchEvent(new Event("visibilitychange")))`)
	b.until("it is shown as it is now", row("m1")+"?.cells[4].innerText === '1.25'")
	if now := b.requests("/api/v1/hosts"); now == before {
		t.Error("seen again it has asked nothing")
	}
}
