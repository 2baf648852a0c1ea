// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"github.com/weir-io/weir/internal/enrol"
	"github.com/weir-io/weir/internal/identity"
)

// joinFlags are the flags of those that join a hub.
type joinFlags struct{ token, dir string }

func (j *joinFlags) add(f *pflag.FlagSet) {
	f.StringVar(&j.token, "join", "", "join the hub by the `TOKEN` that \"weir hosts invite\" has printed there; once, later starts need it no more")
	f.StringVar(&j.dir, "hub-identity", "", "keep the certificate for the hub, and its key, in `DIR`; default: below the state directory")
}

// member is how one that has joined a hub, or is to, finds it.
type member struct {
	joinFlags
	fallback string // directory, unless one is named
	url      string // of the hub; "": the one that was joined
	name     string // that is wanted; "": any
	host     string // else
	role     identity.Role
	files    bool // certificates are named: what was kept is of no use
}

// at is the directory.
func (m *member) at() identity.Dir {
	if m.dir != "" {
		return identity.Dir(m.dir)
	}
	return identity.Dir(m.fallback)
}

// keeper joins, or takes up what was kept; nil: there is nothing of either.
func (m *member) keeper(ctx context.Context, log *slog.Logger) (*enrol.Keeper, error) {
	u, err := url.Parse(m.url)
	if err != nil {
		return nil, usageErrorf("--hub: %w", err)
	}
	var kept *identity.Kept
	switch {
	case m.token != "" && (u.Scheme != "https" || m.files):
		return nil, usageErrorf("--join: want --hub https://HOST:PORT, and no certificates of one's own")
	case m.token != "":
		kept, err = enrol.Join(ctx, enrol.Joining{Dir: m.at(), Hub: m.url, Token: m.token, Name: m.name, Host: m.host, Role: m.role, Log: log})
		if errors.Is(err, identity.ErrToken) {
			return nil, usageErrorf("--join: %w", err)
		}
	case m.files || m.url != "" && u.Scheme != "https":
		return nil, nil
	default:
		kept, err = m.load()
	}
	if err != nil || kept == nil {
		return nil, err
	}
	k, err := enrol.Keep(m.at(), kept, m.url, nil, log)
	if err != nil {
		return nil, err
	}
	if p := k.Member().Peer(); p.Role != m.role || m.name != "" && m.name != p.Name {
		return nil, usageErrorf("--hub-name: this machine has joined the hub as %s, in %s", p, m.at())
	}
	return k, nil
}

// load reads what was kept; nil: nothing.
func (m *member) load() (*identity.Kept, error) {
	kept, err := m.at().Load()
	if !errors.Is(err, identity.ErrNotJoined) {
		return kept, err
	}
	if _, err := m.at().Pending(); err == nil {
		return nil, errors.New("joining the hub was not finished: call it with --hub and --join again")
	}
	return nil, nil
}

// monitorName is what a monitor is called if nobody says: user and host.
func monitorName() string {
	host, _ := os.Hostname() // without one the user's name is one
	name := "monitor"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	return strings.Map(func(r rune) rune {
		if identity.ValidName("x" + string(r)) {
			return r
		}
		return '_'
	}, strings.Trim(name+"-"+host, "-"))
}

// identityDir is where an agent with a state directory keeps who it is.
func identityDir(stateDir string) string { return filepath.Join(stateDir, "identity") }
