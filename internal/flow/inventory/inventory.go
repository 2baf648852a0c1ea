// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/weir-io/weir/internal/store"
)

// Config is how an Inventory works. The zero value has the defaults.
type Config struct {
	Root     string           // of the tree: /midonet/v1
	Log      *slog.Logger     // nothing is logged
	Now      func() time.Time // time.Now
	Coalesce time.Duration    // how long Follow waits for more changes after one: 20 ms
}

// Inventory is the virtual networks of a store. It is safe for concurrent use, also of
// other inventories of the same store.
type Inventory struct {
	// Immutable after Open.
	store store.Store
	cfg   Config
	paths paths
	keys  *tunnelKeys
	turns turns

	mu sync.Mutex
	// Guarded by mu.
	session store.Session // the present one
	opening *opening      // nil when none is being opened
	closed  bool
}

// schema is the version of the tree.
const schema = 1

// Open returns the inventory of a store, in which it makes the tree if there is none.
func Open(ctx context.Context, st store.Store, cfg Config) (*Inventory, error) {
	if cfg.Root == "" {
		cfg.Root = "/midonet/v1"
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Coalesce == 0 {
		cfg.Coalesce = 20 * time.Millisecond
	}
	if err := store.CheckPath(cfg.Root); err != nil {
		return nil, fmt.Errorf("root of the inventory: %w", err)
	}
	v := &Inventory{store: st, cfg: cfg, paths: paths{cfg.Root}, keys: new(tunnelKeys), turns: turns{held: make(map[any]*turn)}}
	if err := v.plant(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("inventory %s: %w", cfg.Root, err), v.Close())
	}
	return v, nil
}

// Close ends the inventory's session. The store is the caller's.
func (v *Inventory) Close() error {
	v.mu.Lock()
	s := v.session
	v.session, v.closed = nil, true
	v.mu.Unlock()
	if s == nil {
		return nil
	}
	return s.Close()
}

// opening is a session that is being opened.
type opening struct {
	done chan struct{} // closed when it is, or is not
	err  error         // set before
}

// tie returns a session that has not ended, as far as that is known. While one is being
// opened others wait for that, and share its fate: a store that does not answer is not
// waited for by one after the other.
func (v *Inventory) tie(ctx context.Context) (store.Session, error) {
	for {
		s, o, mine, err := v.present()
		switch {
		case err != nil || s != nil:
			return s, err
		case mine:
			return v.open(ctx, o)
		}
		select {
		case <-o.done:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		if o.err != nil && !errors.Is(o.err, context.Canceled) && !errors.Is(o.err, context.DeadlineExceeded) {
			return nil, o.err
		}
	}
}

// present returns the session, or that which is being opened, which may be for the
// caller to do.
func (v *Inventory) present() (s store.Session, o *opening, mine bool, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return nil, nil, false, fmt.Errorf("%w: the inventory is closed", store.ErrUnavailable)
	}
	if v.session != nil {
		select {
		case <-v.session.Done():
		default:
			return v.session, nil, false, nil
		}
	}
	if mine = v.opening == nil; mine {
		v.opening = &opening{done: make(chan struct{})}
	}
	return nil, v.opening, mine, nil
}

// open opens a session.
func (v *Inventory) open(ctx context.Context, o *opening) (store.Session, error) {
	s, err := v.store.Session(ctx)
	v.mu.Lock()
	again := v.session != nil
	v.opening = nil
	switch {
	case err != nil:
		s = nil
		err = unanswered(err)
	case v.closed:
		err = fmt.Errorf("%w: the inventory is closed", store.ErrUnavailable)
	default:
		v.session = s
	}
	o.err = err
	v.mu.Unlock()
	close(o.done)
	switch {
	case err != nil && s != nil:
		return nil, errors.Join(err, s.Close())
	case err == nil && again:
		v.cfg.Log.Warn("the session with the control store had ended, there is another")
	}
	return s, err
}

// unanswered says of a session that ended during a call what it is to the caller: the
// store did not answer, and the next call may get an answer.
func unanswered(err error) error {
	if errors.Is(err, store.ErrSessionExpired) && !errors.Is(err, store.ErrUnavailable) {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return err
}

// plant makes the top of the tree, unless it is there, and checks whose it is.
func (v *Inventory) plant(ctx context.Context) error {
	return v.change(ctx, nil, func(t *tx) error {
		var have int
		ok, err := t.load(v.paths.top("write_version"), &have)
		switch {
		case err != nil:
			return err
		case ok && have != schema:
			return fmt.Errorf("the tree is of version %d, this program knows %d", have, schema)
		case ok:
			return nil
		}
		for i := 1; i < len(v.cfg.Root); i++ {
			if v.cfg.Root[i] == '/' {
				t.ensure(v.cfg.Root[:i])
			}
		}
		t.ensure(v.cfg.Root)
		for _, name := range tops {
			t.ensure(v.paths.top(name))
		}
		t.ensure(v.paths.top("versions"))
		if err := t.create(fmt.Sprintf("%s/%d", v.paths.top("versions"), schema), nil); err != nil {
			return err
		}
		return t.create(v.paths.top("write_version"), schema)
	})
}
