// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package console_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/weir-io/weir/internal/hoststat/polltest"
)

// hostile is a name that would do something, were it made into elements.
const hostile = `<img src=x onerror=document.title='taken'>`

// row is an expression for the row of a host.
func row(name string) string {
	return `[...document.querySelectorAll("tbody tr")].find(tr => tr.cells[0].innerText === ` + quote(name) + `)`
}

func TestHostsAreShownLive(t *testing.T) {
	calm, busy := newMachine("calm"), newMachine("busy")
	busy.Load = 0.5
	h := newHub(t)
	h.watch(watched{"calm", "rack1", calm.daemon.Start(t)}, watched{"busy", hostile, busy.daemon.Start(t)}, watched{"dead", "rack1", "127.0.0.1:1"})
	h.start()
	b := openTab(t, h.url(), "")
	b.until("the dead one is down", row("dead")+"?.cells[2].innerText === 'down'")
	b.until("the others are up", row("busy")+"?.cells[2].innerText === 'up' && "+row("calm")+"?.cells[2].innerText === 'up'")
	b.until("the sick one is first", `document.querySelector("tbody tr").cells[0].innerText === "dead"`)
	b.until("its load is there", row("busy")+"?.cells[4].innerText === '0.50'")
	b.text("window.kept = " + row("busy"))
	busy.change(func(m *polltest.Machine) { m.Load = 9.25 })
	b.until("its load is another one", row("busy")+"?.cells[4].innerText === '9.25'")
	b.until("the alarm", row("busy")+"?.cells[3].innerText === 'overload'")
	b.until("it keeps its row, behind the dead one", "document.querySelectorAll('tbody tr')[1] === window.kept")
	if got := b.text(row("busy") + ".cells[1].textContent"); got != hostile {
		t.Errorf("a group is shown as %q", got)
	}
	if got := b.text("document.title"); strings.Contains(got, "taken") {
		t.Error("a name has run as a script")
	}
	b.pictures("hosts-few")

	b.click(".chip.warn")
	b.until("those with alarms alone", `[...document.querySelectorAll("tbody tr")].filter(tr => !tr.hidden).length === 1`)
	if got := b.text("location.hash"); got != "#/hosts?only=alarm" {
		t.Errorf("the address is %s", got)
	}
	b.click("tbody tr:not([hidden]) td.number") // anywhere in the row
	b.until("the host", `document.querySelector("h1").innerText === "busy"`)
	b.until("a chart of its load", `[...document.querySelectorAll("canvas")].some(c => c.getAttribute("aria-label")?.includes("1 min 9.25"))`)
	b.shows("more runs than there are processors for")
	b.pictures("host")
	b.text("history.back()")
	b.until("the list as it was", `location.hash === "#/hosts?only=alarm" && [...document.querySelectorAll("tbody tr")].filter(tr => !tr.hidden).length === 1`)
}

func TestNoHosts(t *testing.T) {
	h := newHub(t)
	h.start()
	b := openTab(t, h.url(), "")
	b.shows("weir agent --xmlsysd --hub " + h.url())
	b.pictures("hosts-none")
}

func TestAHostThatIsNotKnown(t *testing.T) {
	h := newHub(t)
	h.start()
	b := openTab(t, h.url(), "#/hosts")
	b.shows("No host is known yet")
	b.forgive() // browsers complain of 404
	b.open("#/hosts/none")
	b.shows("No such host")
}

// crowd answers for any number of hosts, at all addresses of loopback, and returns the
// port: a hosts file has one host of an address.
func crowd(t *testing.T) (port int) {
	t.Helper()
	l, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &polltest.Daemon{Answer: polltest.Crowd("crowd")}
	d.Serve(l)
	t.Cleanup(d.Close)
	return l.Addr().(*net.TCPAddr).Port
}

// A thousand hosts are one list, which stays at hand.
func TestAThousandHosts(t *testing.T) {
	port := crowd(t)
	hosts := make([]watched, 1000)
	for i := range hosts {
		hosts[i] = watched{fmt.Sprintf("node%04d", i+1), fmt.Sprintf("rack%d", i/40+1), fmt.Sprintf("127.0.%d.%d:%d", i/250, i%250+1, port)}
	}
	hosts[776].address = "127.0.0.1:1"
	h := newHub(t)
	h.watch(hosts...)
	h.cfg.Hosts.Poll = 2 * time.Second
	h.start()
	b := openTab(t, h.url(), "")
	b.until("all hosts are up but one", `document.querySelectorAll("tbody tr").length === 1000 && document.querySelectorAll("td.state.good").length === 999`)
	if got := b.text(`document.querySelector("tbody tr").cells[0].innerText`); got != "node0777" {
		t.Errorf("the first one is %s", got)
	}
	b.pictures("hosts-thousand")
	b.enter("input[type=search]", "rack7 node02")
	b.until("the filter", `[...document.querySelectorAll("tbody tr")].filter(tr => !tr.hidden).length === 40`)
}

// Keys go through the list, and a line is copied.
func TestKeysAndCopying(t *testing.T) {
	h := newHub(t)
	h.watch(watched{"a1", "", newMachine("a1").daemon.Start(t)}, watched{"a2", "", newMachine("a2").daemon.Start(t)})
	h.start()
	b := openTab(t, h.url(), "#/hosts?sort=host")
	b.until("both", row("a2")+"?.cells[2].innerText === 'up'")
	// The protocol types what a key writes even where the page has taken the key.
	b.text(`document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "/", bubbles: true }))`)
	b.do(chromedp.KeyEvent("a"))
	if got := b.text(`document.querySelector("input[type=search]").value`); got != "a" {
		t.Errorf("the filter has %q", got)
	}
	b.text(row("a1") + ".querySelector('a').focus()")
	b.do(chromedp.KeyEvent(kb.ArrowDown), chromedp.KeyEvent(kb.Enter))
	b.until("the next host", `document.querySelector("h1").innerText === "a2"`)
	for _, missing := range []string{
		`[...document.querySelectorAll("button, a, input")].filter(e => !(e.innerText || e.getAttribute("aria-label"))).length`,
		`[...document.querySelectorAll("table")].filter(e => !e.caption?.textContent).length`,
		`[...document.querySelectorAll("canvas")].filter(e => e.offsetWidth > 0 && !e.getAttribute("aria-label")).length`,
	} {
		if got := b.text(missing); got != "0" {
			t.Errorf("%s elements without a name: %s", got, missing)
		}
	}
	b.until("a copied line", `(() => {
		const button = document.querySelector(".copy");
		if (button.innerText === "Copy") button.click();
		return button.innerText === "Copied";
	})()`)
}

// At 400 pixels nothing but tables is wider than the page.
func TestNarrowPages(t *testing.T) {
	h := newHub(t)
	h.watch(watched{"a1", "", newMachine("a1").daemon.Start(t)})
	h.start()
	b := openTab(t, h.url(), "")
	b.do(chromedp.EmulateViewport(400, 800))
	for _, place := range []string{"#/hosts", "#/hosts/a1", "#/sessions", "#/feeds", "#/flows", "#/about"} {
		b.open(place)
		b.until("it is filled", `document.querySelector("main").innerText.length > 20`)
		if got := b.text("document.documentElement.scrollWidth <= innerWidth"); got != "true" {
			t.Errorf("%s is %s pixels wide", place, b.text("document.documentElement.scrollWidth"))
		}
	}
}
