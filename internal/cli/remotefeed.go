// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/internal/api"
	"github.com/weir-io/weir/internal/feed/capture"
	"github.com/weir-io/weir/internal/hoststat/server"
	"github.com/weir-io/weir/internal/identity"
)

// remoteFeeds are the flags of "weir agent" for feeds, most of them for serving other
// hosts, and what they come to.
type remoteFeeds struct {
	at, file, cert, key string
	settings            feedSettings
	job                 string

	tokens   *api.Tokens
	listener net.Listener // nil: feeds are not served to others
	secure   bool         // it is one by TLS
}

func (r *remoteFeeds) addFlags(c *cobra.Command) {
	r.settings.patience = lockPatience
	f := c.Flags()
	f.StringVar(&r.at, "feeds-listen", "", "serve feeds by HTTP at `HOST:PORT` to whoever shows a token, as a hub does for its clients")
	f.StringVar(&r.file, "feeds-tokens", "", "the tokens are in `FILE`, a line each: SECRET, then feed:admin or feed:read:FEED")
	f.StringVar(&r.cert, "feeds-cert", "", "certificate of that listener: `FILE`; other addresses than loopback need it")
	f.DurationVar(&r.settings.scrub, "feeds-scrub", 24*time.Hour, "compare each watched file system with what is known of it every `TIME`, as for what is written through memory maps; 0s: never")
	f.StringVar(&r.job, "feeds-job", string(capture.JobCommUID), "what records of feeds name as the `JOB` of a process: none, comm_uid, cgroup or env:NAME, a variable of its environment")
	f.DurationVar(&r.settings.mtimeInterval, "feeds-mtime-interval", 0, "leave out records of a file's contents that change again within `TIME`; 0s: none")
	f.StringVar(&r.key, "feeds-key", "", "its key: `FILE`")
}

// listen reads the tokens and listens, if that is asked for. Own is who this host is for
// the hub, which then may ask by TLS, and nobody else; nil: it has joined none.
func (r *remoteFeeds) listen(ctx context.Context, own *identity.Member) error {
	if r.settings.scrub < 0 {
		return usageErrorf("--feeds-scrub=%v: want 0s or more", r.settings.scrub)
	}
	if r.settings.mtimeInterval < 0 {
		return usageErrorf("--feeds-mtime-interval=%v: want 0s or more", r.settings.mtimeInterval)
	}
	var err error
	if r.settings.job, err = capture.ParseJobID(r.job); err != nil {
		return usageErrorf("--feeds-job: %w", err)
	}
	if r.at == "" {
		return nil
	}
	if r.file == "" {
		return usageErrorf("--feeds-listen: want --feeds-tokens, too: without a token nobody may ask")
	}
	if r.tokens, err = api.ReadTokens(r.file); err != nil {
		return fmt.Errorf("--feeds-tokens: %w", err)
	}
	secure, err := server.LoadTLS(r.cert, r.key, "")
	if err != nil {
		return fmt.Errorf("--feeds-cert: %w", err)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", r.at)
	if err != nil {
		return fmt.Errorf("--feeds-listen: %w", err)
	}
	at, ok := l.Addr().(*net.TCPAddr)
	switch {
	case secure != nil:
		secure.MinVersion = tls.VersionTLS13
		r.listener, r.secure = tls.NewListener(l, secure), true
	case ok && at.IP.IsLoopback():
		r.listener = l
	case own != nil:
		r.listener, r.secure = own.Listen(l, identity.Expect(identity.Hub, "")), true
	default:
		return errors.Join(usageErrorf("--feeds-listen %s: want --feeds-cert and --feeds-key, or a hub that was joined: whoever is on the way would see the tokens", r.at), l.Close())
	}
	return nil
}

// close ends a listener that was not served.
func (r *remoteFeeds) close() {
	if r.listener != nil {
		_ = r.listener.Close() // it may have been closed by who served it
	}
}
