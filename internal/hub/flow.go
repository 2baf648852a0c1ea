// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/weir-io/weir/internal/config"
	"github.com/weir-io/weir/internal/flow/archive"
	"github.com/weir-io/weir/internal/flow/inventory"
	"github.com/weir-io/weir/internal/flow/rest"
	"github.com/weir-io/weir/internal/store"
	"github.com/weir-io/weir/internal/store/bolt"
	"github.com/weir-io/weir/internal/store/zookeeper"
)

const (
	openTimeout = 3 * time.Second // of the store, before the hub is ready without it
	openPeriod  = 2 * time.Second // between tries to open it
)

// Networks says how virtual networks are reached.
type Networks struct {
	Enabled   bool
	TokenFile string // of the administrator that the first start has made; "" for none
	Token     string // his, when this is the first start
}

// flows serves virtual networks. While their store cannot be opened, answers say so.
type flows struct {
	// Immutable after newFlows.
	cfg      *config.Config
	log      *slog.Logger
	accounts *rest.Accounts
	access   Networks
	ships    *ships
	server   atomic.Pointer[rest.Server]

	// Owned by open and run, one after the other.
	archive   *archive.Archive
	store     store.Store
	inventory *inventory.Inventory
	simulator *simulator
}

// newFlows prepares the accounts. The store is opened by open.
func newFlows(cfg *config.Config, log *slog.Logger) (*flows, error) {
	f := &flows{cfg: cfg, log: log, access: Networks{Enabled: true}}
	if err := os.MkdirAll(f.file(""), 0o700); err != nil {
		return nil, err
	}
	accounts := cfg.Flow.Accounts
	if accounts == "" {
		accounts = f.file("accounts.json")
		if err := f.firstAccount(accounts); err != nil {
			return nil, err
		}
	}
	var err error
	if f.accounts, err = rest.NewAccounts(accounts, cfg.Flow.TokenLife, time.Now, log); err != nil {
		return nil, err
	}
	f.ships, err = newShips(&cfg.Flow, log)
	return f, err
}

// file returns the path of a file of the networks.
func (f *flows) file(name string) string { return filepath.Join(f.cfg.Hub.StateDir, "flow", name) }

// firstAccount makes the accounts at the first start.
func (f *flows) firstAccount(accounts string) error {
	_, err := os.Stat(accounts)
	first := errors.Is(err, os.ErrNotExist)
	token, err := rest.FirstAccount(accounts, f.file("token"))
	if err != nil {
		return err
	}
	if token != "" {
		f.access.TokenFile = f.file("token")
	}
	if first {
		f.access.Token = token
	}
	return nil
}

// ServeHTTP answers a request, once the store is open.
func (f *flows) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s := f.server.Load(); s != nil {
		s.ServeHTTP(w, r)
		return
	}
	rest.WriteFault(w, &rest.Fault{Status: http.StatusServiceUnavailable, Message: "the store cannot be reached"})
}

// open tries to open the store, for a short time.
func (f *flows) open(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	if err := f.try(ctx); err != nil {
		f.log.Error("virtual networks are not served yet", "err", err)
	}
}

// run opens the store if it is not open, and closes it when ctx ends.
func (f *flows) run(ctx context.Context) (err error) {
	stop := f.ships.start(ctx)
	defer func() { err = errors.Join(err, stop()) }()
	tick := time.NewTicker(openPeriod)
	defer tick.Stop()
	for f.server.Load() == nil {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if f.try(ctx) == nil {
				f.log.Info("virtual networks are served")
			}
		}
	}
	_ = f.archive.Run(ctx) // ends with ctx alone
	return errors.Join(f.simulator.Close(), f.inventory.Close(), f.store.Close(), f.archive.Close())
}

// try opens the store and what is in it.
func (f *flows) try(ctx context.Context) error {
	st, err := f.openStore()
	if err != nil {
		return err
	}
	v, err := inventory.Open(ctx, st, inventory.Config{Log: f.log})
	if err != nil {
		return errors.Join(err, st.Close())
	}
	a, err := archive.Open(f.file("traces.db"), archive.Options{
		MaxAge: f.cfg.Flow.TraceAge, MaxFlows: f.cfg.Flow.TraceFlows, MaxEvents: f.cfg.Flow.TraceEvents, MaxBytes: int64(f.cfg.Flow.TraceBytes), Log: f.log, Kept: f.ships.kept(),
	})
	if err != nil {
		return errors.Join(err, v.Close(), st.Close())
	}
	f.store, f.inventory, f.archive, f.simulator = st, v, a, newSimulator(v)
	f.server.Store(rest.New(rest.Options{
		Inventory: v, Access: f.accounts, Simulator: f.simulator, Traces: flowTraces{a}, Classify: classify, Log: f.log,
	}))
	return nil
}

// classify tells what errors of the archive mean.
func classify(err error) *rest.Fault {
	if errors.Is(err, archive.ErrNotFound) {
		return &rest.Fault{Status: http.StatusNotFound, Message: err.Error()}
	}
	return nil
}

func (f *flows) openStore() (store.Store, error) {
	if servers := f.cfg.Flow.ZooKeeperServers(); len(servers) > 0 {
		return zookeeper.New(zookeeper.Config{Servers: servers, Log: f.log})
	}
	return bolt.Open(f.file("store.db"), bolt.Options{Log: f.log})
}
