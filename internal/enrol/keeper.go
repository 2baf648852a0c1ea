// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package enrol

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/weir-io/weir/client"
	"github.com/weir-io/weir/internal/identity"
)

// Times of a keeper.
const (
	longestSleep = time.Hour        // a clock may be set meanwhile
	firstRetry   = time.Minute      // after a renewal that failed; twice as long each time
	renewTime    = 20 * time.Second // of a renewal
)

// Keeper is a member that keeps itself one: it renews its certificate in time.
type Keeper struct {
	dir    identity.Dir
	member *identity.Member
	now    func() time.Time
	log    *slog.Logger
	api    *client.Client

	mu     sync.Mutex
	kept   identity.Kept // guarded by mu
	failed int           // guarded by mu: renewals since the last that went well
}

// ErrCertificateEnded reports a member that has been away for too long.
var ErrCertificateEnded = errors.New("the certificate for the hub has ended")

// Keep makes a member of what was kept. Hub is the URL of the hub; "": the one that was
// joined.
func Keep(dir identity.Dir, k *identity.Kept, hub string, now func() time.Time, log *slog.Logger) (*Keeper, error) {
	if now == nil {
		now = time.Now
	}
	if hub != "" {
		k.Hub = hub
	}
	m, err := identity.NewMember(k.Credentials, now)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	p := m.Peer()
	if at := now(); at.After(k.Certificate.NotAfter) {
		return nil, fmt.Errorf("%w at %s, and here it is %s: join again by what \"weir hosts invite %s\" prints on the hub",
			ErrCertificateEnded, k.Certificate.NotAfter.UTC().Format(time.RFC3339), at.UTC().Format(time.RFC3339), p.Name)
	}
	m.Refuse(k.Refused)
	api, err := client.NewTLS(k.Hub, m.Client(identity.Expect(identity.Hub, "")))
	if err != nil {
		return nil, err
	}
	return &Keeper{dir: dir, member: m, now: now, log: log, api: api, kept: *k}, nil
}

// Member is who it is.
func (k *Keeper) Member() *identity.Member { return k.member }

// Hub is the URL of the hub.
func (k *Keeper) Hub() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.kept.Hub
}

// Client is one of the hub, as this member.
func (k *Keeper) Client() *client.Client { return k.api }

// Run renews the certificate when that is due, until ctx ends.
func (k *Keeper) Run(ctx context.Context) {
	defer k.api.Close()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			timer.Reset(k.Look(ctx))
		}
	}
}

// Look renews the certificate if that is due, and returns when to look again.
func (k *Keeper) Look(ctx context.Context) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	if wait := k.kept.RenewAt().Sub(k.now()); wait > 0 {
		return min(wait, longestSleep)
	}
	c, err := k.renew(ctx)
	ends := k.kept.Certificate.NotAfter.UTC().Format(time.RFC3339)
	if err != nil {
		k.api.Close()
		if ctx.Err() == nil {
			k.log.Warn("certificate for the hub not renewed", "name", k.member.Peer().Name, "ends", ends, "err", err)
		}
		wait := min(longestSleep, firstRetry<<min(k.failed, 6))
		k.failed++
		return wait
	}
	k.failed = 0
	k.api.Close() // connections that were made with the old one
	k.kept.Certificate = c
	if err := k.dir.Save(&k.kept); err != nil {
		// It holds in this process; the next one would begin with the old one.
		k.log.Error("certificate for the hub not kept", "dir", string(k.dir), "err", err)
	}
	k.log.Info("certificate for the hub renewed", "name", k.member.Peer().Name, "ends", c.NotAfter.UTC().Format(time.RFC3339))
	return min(max(k.kept.RenewAt().Sub(k.now()), time.Second), longestSleep)
}

// renew gets another certificate, k.mu held.
func (k *Keeper) renew(ctx context.Context) (*x509.Certificate, error) {
	request, err := identity.NewRequest(k.kept.Key)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, renewTime)
	defer cancel()
	p := k.member.Peer()
	answer, err := k.api.RenewEnrolment(ctx, p.Name, client.RenewalRequest{Request: string(request)})
	if err != nil {
		return nil, err
	}
	c, err := granted(&answer, k.kept.Authority, &k.kept, k.now())
	if err != nil {
		return nil, fmt.Errorf("answer of the hub: %w", err)
	}
	next := k.kept.Credentials
	next.Certificate = c
	return c, k.member.Set(next)
}

// RegisterHost registers this host with the hub. After a failure the next attempt is made
// on another connection: the hub judges an old one by the certificate that it was made with.
func (k *Keeper) RegisterHost(ctx context.Context, name string, r client.HostRegistration) (client.Host, error) {
	h, err := k.api.RegisterHost(ctx, name, r)
	if err != nil {
		k.api.Close()
	}
	return h, err
}

// RemoveHost takes that back.
func (k *Keeper) RemoveHost(ctx context.Context, name string) error {
	err := k.api.RemoveHost(ctx, name)
	if err != nil {
		k.api.Close()
	}
	return err
}

// Refuse takes the hub's word of whom it has expelled.
func (k *Keeper) Refuse(keys []identity.Fingerprint) {
	if !k.member.Refuse(keys) {
		return
	}
	k.log.Info("the hub refuses others", "keys", len(keys))
	k.mu.Lock()
	defer k.mu.Unlock()
	k.kept.Refused = keys
	if err := k.dir.Save(&k.kept); err != nil {
		k.log.Error("whom the hub refuses is not kept", "dir", string(k.dir), "err", err)
	}
}
