// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package console_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/weir-io/weir/internal/peer"
	"github.com/weir-io/weir/internal/wait"
)

// shots is where tests leave pictures of the console, for people to look at.
var shots = flag.String("shots", "", "write pictures of the console to this directory")

// tab is a browser with one page. What goes wrong in it fails the test at its end.
type tab struct {
	t      *testing.T
	ctx    context.Context
	origin string // the only one that may be asked

	mu        sync.Mutex
	asked     []string // guarded by mu; paths and queries of requests
	troubles  []string // guarded by mu; what the console of the browser has to say
	forgiving bool     // guarded by mu; requests are meant to fail
}

// openTab starts a browser with a page of a hub.
func openTab(t *testing.T, hubURL, place string) *tab {
	t.Helper()
	program := peer.Need(t, "chromium")
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program),
		chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(1440, 900))
	ctx, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &tab{t: t, ctx: ctx, origin: hubURL}
	b.do(chromedp.Navigate("about:blank")) // without a bound: it would be the browser's
	b.listen()
	t.Cleanup(func() {
		b.picture("last-" + strings.ReplaceAll(t.Name(), "/", "-"))
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, trouble := range b.troubles {
			t.Errorf("the browser says: %s", trouble)
		}
	})
	b.open(place)
	return b
}

// listen notes what the page asks for, and what the browser says of it.
func (b *tab) listen() {
	b.t.Helper()
	call(b, network.Enable, network.EnableParams{})
	messages := chromedp.Console(b.ctx)
	var reading sync.WaitGroup
	reading.Go(func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			b.mu.Lock()
			if !b.forgiving || m.Source != "network" {
				b.troubles = append(b.troubles, m.String())
			}
			b.mu.Unlock()
		}
	})
	err := chromedp.Listen(b.ctx, func(event any) {
		if sent, ok := event.(*network.EventRequestWillBeSent); ok {
			b.note(sent.Request.URL)
		}
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = chromedp.Cancel(b.ctx); reading.Wait() })
}

func (b *tab) note(address string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	u, err := url.Parse(address)
	if err != nil || u.Scheme+"://"+u.Host != b.origin {
		b.troubles = append(b.troubles, "another origin is asked: "+address)
		return
	}
	b.asked = append(b.asked, u.RequestURI())
}

// requests returns how many requests for paths with a prefix were made.
func (b *tab) requests(prefix string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, one := range b.asked {
		if strings.HasPrefix(one, prefix) {
			n++
		}
	}
	return n
}

// forgive lets requests fail from here on. There is no way back: browsers complain late.
func (b *tab) forgive() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forgiving = true
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// open goes to a place of the console.
func (b *tab) open(place string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.origin + "/" + place))
}

// text returns what an expression of the page is, as text.
func (b *tab) text(expression string) string {
	b.t.Helper()
	got, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("String("+expression+")"))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return got
}

// until waits until an expression of the page is true.
func (b *tab) until(what, expression string) {
	b.t.Helper()
	deadline := time.Now().Add(wait.Patience)
	wait.Until(b.t, what, func() bool {
		if time.Until(deadline) < wait.Patience/2 && !b.t.Failed() {
			b.t.Errorf("still waiting until %s; the page is\n%s", what, b.text("document.body.innerText"))
		}
		return b.text(expression) == "true"
	})
}

// shows waits until the page has a text.
func (b *tab) shows(text string) {
	b.t.Helper()
	b.until("it shows "+text, "document.body.innerText.includes("+quote(text)+")")
}

// click presses what a selector finds first.
func (b *tab) click(selector string) {
	b.t.Helper()
	b.until(selector+" is there", "document.querySelector("+quote(selector)+") !== null")
	b.text("document.querySelector(" + quote(selector) + ").click()")
}

// enter puts a text into what a selector finds first.
func (b *tab) enter(selector, text string) {
	b.t.Helper()
	b.until(selector+" is there", "document.querySelector("+quote(selector)+") !== null")
	b.text("(i => { i.value = " + quote(text) + "; i.dispatchEvent(new Event('input')); })(document.querySelector(" + quote(selector) + "))")
}

// pause lets some ms of the page's own clock go by: nobody signals that it asks nothing.
func (b *tab) pause(ms int) {
	b.t.Helper()
	pass := chromedp.Evaluate[chromedp.Void](fmt.Sprintf("new Promise(done => setTimeout(done, %d))", ms), chromedp.EvalAwaitPromise)
	b.do(pass)
}

// picture leaves a picture of the page, if they are wanted.
func (b *tab) picture(name string) {
	b.t.Helper()
	if *shots == "" || b.ctx.Err() != nil {
		return
	}
	take := chromedp.FullScreenshot(100)
	if b.text("document.documentElement.scrollHeight > 4000") == "true" {
		take = chromedp.CaptureScreenshot()
	}
	png, err := chromedp.Run(b.ctx, take)
	if err == nil {
		err = os.WriteFile(filepath.Join(*shots, name+".png"), png, 0o600)
	}
	if err != nil {
		b.t.Errorf("picture %s: %v", name, err)
	}
}

// pictures leaves pictures of a page in light and dark, wide and narrow.
func (b *tab) pictures(name string) {
	b.t.Helper()
	if *shots == "" {
		return
	}
	for _, scheme := range []string{"light", "dark"} {
		b.scheme(scheme)
		b.do(chromedp.EmulateViewport(1440, 900))
		b.picture(name + "-" + scheme)
		b.do(chromedp.EmulateViewport(400, 800))
		b.picture(name + "-" + scheme + "-narrow")
	}
	b.scheme("light")
	b.do(chromedp.EmulateViewport(1440, 900))
}

// scheme has the person prefer light or dark.
func (b *tab) scheme(name string) {
	b.t.Helper()
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}},
	})
}

// call has the browser obey a command of its protocol.
func call[P, R any](b *tab, command cdp.Command[P, R], params P) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, command, params); err != nil {
		b.t.Fatalf("%s: %v", command.Method, err)
	}
}

// quote writes a text as JavaScript has it.
func quote(text string) string {
	b, _ := json.Marshal(text) // texts can always be written
	return string(b)
}
