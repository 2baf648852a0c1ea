// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package console_test

import (
	"context"
	"encoding/xml"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/config"
	"github.com/weir-io/weir/internal/hoststat/polltest"
	"github.com/weir-io/weir/internal/hub"
)

// testHub is a hub that can be stopped and started again where it was.
type testHub struct {
	t    *testing.T
	cfg  *config.Config
	at   hub.Addresses
	use  func(*hub.Hub) // before it runs; may be nil
	stop func()
}

// newHub configures a hub on ports that the system chooses.
func newHub(t *testing.T) *testHub {
	t.Helper()
	cfg := config.Default()
	cfg.Hub.StateDir = t.TempDir()
	cfg.Hub.OutputDir = filepath.Join(cfg.Hub.StateDir, "traces")
	free := []string{"tcp://127.0.0.1:0"}
	cfg.Relay.ControlURL, cfg.Relay.DataURL, cfg.Relay.LiveURL, cfg.HTTP.Listen = free, free, free, "127.0.0.1:0"
	cfg.Hosts.Poll = 500 * time.Millisecond
	return &testHub{t: t, cfg: cfg}
}

// start runs the hub until it is stopped or the test ends.
func (h *testHub) start() {
	h.t.Helper()
	one, err := hub.New(h.cfg, slog.New(slog.NewTextHandler(h.t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		h.t.Fatal(err)
	}
	if h.use != nil {
		h.use(one)
	}
	ctx, cancel := context.WithCancel(context.Background())
	listening := make(chan hub.Addresses, 1)
	var running sync.WaitGroup
	running.Go(func() {
		defer close(listening)
		if err := one.Run(ctx, func(at hub.Addresses) { listening <- at }); err != nil {
			h.t.Error(err)
		}
	})
	h.stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	h.t.Cleanup(h.stop)
	at, ok := <-listening
	if !ok {
		h.t.FailNow()
	}
	h.at = at
}

// again stops the hub; calling what it returns starts one at the same address.
func (h *testHub) again() (start func()) {
	h.t.Helper()
	h.stop()
	h.cfg.HTTP.Listen = h.at.HTTP[0]
	return h.start
}

func (h *testHub) url() string { return "http://" + h.at.HTTP[0] }

// watched is a host of the hub's file.
type watched struct {
	name, group, address string
}

// watch has the hub ask hosts, and judge an alarm about their load.
func (h *testHub) watch(hosts ...watched) {
	h.t.Helper()
	var b strings.Builder
	b.WriteString("<wulfstat>")
	for _, one := range hosts {
		host, port, err := net.SplitHostPort(one.address)
		if err != nil {
			h.t.Fatal(err)
		}
		fmt.Fprintf(&b, "<host><label>%s</label><ip>%s</ip><port>%s</port><group>%s</group></host>\n", escaped(one.name), host, port, escaped(one.group))
	}
	b.WriteString(`<alarm id="overload"><when>load1 &gt; 2 * ncpu</when><level>crit</level><note>more runs than there are processors for</note></alarm></wulfstat>`)
	h.cfg.Hosts.File = filepath.Join(h.t.TempDir(), "wulfhosts")
	if err := os.WriteFile(h.cfg.Hosts.File, []byte(b.String()), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

func escaped(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a strings.Builder does not fail
	return b.String()
}

// machine serves the statistics of a machine that can be changed while it runs.
type machine struct {
	mu sync.Mutex
	polltest.Machine
	daemon *polltest.Daemon
}

func newMachine(name string) *machine {
	m := &machine{Machine: *polltest.Default(name)}
	m.daemon = &polltest.Daemon{Answer: func(int, int) []byte {
		m.mu.Lock()
		defer m.mu.Unlock()
		return polltest.Frame(m.Message(time.Now()))
	}}
	return m
}

// change changes the machine.
func (m *machine) change(how func(*polltest.Machine)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	how(&m.Machine)
}
