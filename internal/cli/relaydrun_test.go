// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/weir-io/weir/internal/config"
	"github.com/weir-io/weir/internal/hub"
	"github.com/weir-io/weir/internal/relaydopt"
)

// fakeHub stands in for the services: it says it listens and waits.
type fakeHub struct {
	at        hub.Addresses
	health    uint64
	fail      error // returned before ready
	up        chan struct{}
	listeners map[string]net.Listener
}

func (f *fakeHub) Run(ctx context.Context, ready func(hub.Addresses)) error {
	for _, l := range f.listeners {
		if l != nil {
			defer l.Close()
		}
	}
	if f.fail != nil {
		return f.fail
	}
	ready(f.at)
	close(f.up)
	<-ctx.Done()
	return nil
}

func (f *fakeHub) UseListeners(l map[string]net.Listener) { f.listeners = l }
func (f *fakeHub) Health() uint64                         { return f.health }

// newProcess returns a relay process around a hub, below a fresh directory.
func newProcess(t *testing.T, h *fakeHub) (*relaydProcess, string) {
	t.Helper()
	dir := t.TempDir()
	h.up = make(chan struct{})
	h.at = hub.Addresses{Control: []string{"0.0.0.0:1234"}, Data: []string{"[::]:2345"}, Live: []string{"127.0.0.1:3456"}}
	opts := relaydopt.Options{
		OutputDir: filepath.Join(dir, "out", "deep"), RunDir: filepath.Join(dir, "run"), PIDFile: filepath.Join(dir, "pid"),
		TracingGroup: "root", Given: map[string]bool{"output": true}, HTTP: "127.0.0.1:0",
	}
	cfg := config.Default()
	cfg.Hub.OutputDir, cfg.HTTP.Listen = opts.OutputDir, opts.HTTP
	p := &relaydProcess{opts: opts, cfg: cfg, log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	p.newHub = func(*config.Config, *slog.Logger) (relayHub, error) { return h, nil }
	return p, dir
}

// runProcess runs p until the hub is up, calls during, and stops it.
func runProcess(t *testing.T, p *relaydProcess, h *fakeHub, during func()) error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- p.run(ctx) }()
	select {
	case <-h.up:
		during()
		cancel()
		return <-done
	case err := <-done:
		return err
	}
}

func TestRelaydFilesWhileRunning(t *testing.T) {
	h := &fakeHub{health: 5}
	p, dir := newProcess(t, h)
	pid := strconv.Itoa(os.Getpid())
	err := runProcess(t, p, h, func() {
		for path, want := range map[string]string{
			"pid": pid + "\n", "run/relayd/control.port": "1234\n", "run/relayd/data.port": "2345\n", "run/relayd/live.port": "3456\n",
		} {
			if text, err := os.ReadFile(filepath.Join(dir, path)); err != nil || string(text) != want {
				t.Errorf("%s: %q, %v, want %q", path, text, err, want)
			}
		}
		info, err := os.Stat(p.opts.OutputDir)
		if err != nil || !info.IsDir() {
			t.Errorf("output directory: %v", err)
		}
		if got := queryHealth(t, filepath.Join(dir, "run/relayd/health-"+pid)); got != 5 {
			t.Errorf("health %d, want 5", got)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	left, _ := os.ReadDir(filepath.Join(dir, "run/relayd"))
	if len(left) != 0 {
		t.Errorf("%d runtime files left, first %s, want none", len(left), left[0].Name())
	}
	if _, err := os.Stat(p.opts.PIDFile); !os.IsNotExist(err) {
		t.Errorf("pid file after the stop: %v, want it gone", err)
	}
}

func queryHealth(t *testing.T, path string) uint64 {
	t.Helper()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write(make([]byte, 4)); err != nil {
		t.Fatal(err)
	}
	reply, err := io.ReadAll(conn)
	if err != nil || len(reply) != 8 {
		t.Fatalf("health reply %x, %v, want 8 bytes", reply, err)
	}
	return binary.NativeEndian.Uint64(reply)
}

func TestRelaydHTTPIsOptional(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	for name, tt := range map[string]struct {
		addr string
		want bool
	}{"free": {"127.0.0.1:0", true}, "busy": {busy.Addr().String(), false}, "none": {"", false}} {
		h := &fakeHub{}
		p, _ := newProcess(t, h)
		p.opts.HTTP = tt.addr
		if tt.addr != "" {
			p.cfg.HTTP.Listen = tt.addr
		}
		err := runProcess(t, p, h, func() {
			l, ok := h.listeners["http"]
			if !ok || (l != nil) != tt.want {
				t.Errorf("%s: HTTP listener %v, want one: %v", name, l, tt.want)
			}
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRelaydFailedStarts(t *testing.T) {
	broken := errors.New("bind: address already in use")
	tests := map[string]struct {
		change func(p *relaydProcess, h *fakeHub, dir string)
		want   string
	}{
		"hub":          {func(_ *relaydProcess, h *fakeHub, _ string) { h.fail = broken }, "address already in use"},
		"pid file":     {func(p *relaydProcess, _ *fakeHub, dir string) { p.opts.PIDFile = dir + "/none/pid" }, "pid file: "},
		"output":       {func(p *relaydProcess, _ *fakeHub, _ string) { p.cfg.Hub.OutputDir = "/proc/none" }, "output directory: "},
		"work dir":     {func(p *relaydProcess, _ *fakeHub, dir string) { p.opts.WorkingDir = dir + "/none" }, "working directory: "},
		"run dir":      {func(p *relaydProcess, _ *fakeHub, _ string) { p.opts.RunDir = "/dev/null" }, "make run directory: "},
		"health":       {func(p *relaydProcess, _ *fakeHub, dir string) { p.opts.HealthSocket = dir + "/none/health" }, "health socket: "},
		"port strange": {func(_ *relaydProcess, h *fakeHub, _ string) { h.at.Live = []string{"nowhere"} }, "port of live listener: "},
	}
	for name, tt := range tests {
		h := &fakeHub{}
		p, dir := newProcess(t, h)
		tt.change(p, h, dir)
		err := runProcess(t, p, h, func() {})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want an error with %q", name, err, tt.want)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "run/relayd/*")); len(left) != 0 {
			t.Errorf("%s: %q left, want nothing", name, left)
		}
	}
}

// TestRelaydSettingsCoverOptions: an option that reaches neither the
// configuration nor the process would be a promise of the help text only.
func TestRelaydSettingsCoverOptions(t *testing.T) {
	elsewhere := map[string]bool{
		"dynamic-port-allocation": true, "working-directory": true, "group": true, "daemonize": true, "background": true, "pid-file": true,
		"sig-parent": true, "config": true, "version": true, "help": true, "weir-config": true, "group-output-by-session": true,
	}
	opts := relaydopt.Options{GroupBy: relaydopt.GroupByHost, FDPoolSize: 100, HTTP: ":1", DataUDP: true, HopListen: ":2", HopAllow: "a:3"}
	opts.Control.Addr = netip.MustParseAddrPort("127.0.0.1:1")
	opts.Data, opts.Live = opts.Control, opts.Control
	for _, s := range relaydSettings(opts) {
		elsewhere[s.option] = true
	}
	for _, f := range relaydopt.Flags() {
		if !elsewhere[f.Long] {
			t.Errorf("--%s has no effect", f.Long)
		}
	}
}
