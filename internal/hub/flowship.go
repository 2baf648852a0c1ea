// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/weir-io/weir/internal/api"
	"github.com/weir-io/weir/internal/config"
	"github.com/weir-io/weir/internal/flow/record"
	"github.com/weir-io/weir/internal/flow/ship"
)

// shipDrain is how long a stop may take to bring what waits to the log services.
const shipDrain = 3 * time.Second

// ships brings the records that the archive keeps to log services. A nil one does not.
type ships struct {
	// Immutable after newShips.
	names    []string
	shippers []*ship.Shipper // by names
	file     *ship.File      // owned by its shipper, then by start's end; nil: none
	client   *http.Client
}

// newShips makes what the configuration names; nil if it names nothing.
func newShips(c *config.Flow, log *slog.Logger) (*ships, error) {
	roots, err := shipRoots(c.ShipCA)
	if err != nil {
		return nil, fmt.Errorf("flow.ship_ca: %w", err)
	}
	s := &ships{client: shipClient(roots)}
	if c.ElasticsearchURL != "" {
		e := &elasticsearch{ship.Elasticsearch{URL: c.ElasticsearchURL, Index: c.ElasticsearchIndex, Client: s.client}, credential(c.ElasticsearchKeyFile)}
		if _, err := e.key.read(); err != nil {
			return nil, fmt.Errorf("flow.elasticsearch_key_file: %w", err)
		}
		s.to("elasticsearch", e, log)
	}
	if c.SplunkURL != "" {
		e := &splunk{ship.Splunk{URL: c.SplunkURL, Index: c.SplunkIndex, Client: s.client}, credential(c.SplunkTokenFile)}
		if _, err := e.token.read(); err != nil {
			return nil, fmt.Errorf("flow.splunk_token_file: %w", err)
		}
		s.to("splunk", e, log)
	}
	if c.LogFile != "" {
		s.file, err = ship.OpenFile(ship.FileOptions{Path: c.LogFile, JSON: c.LogFormat == "json", MaxSize: int64(c.LogSize), Keep: c.LogKeep})
		if err != nil {
			return nil, fmt.Errorf("flow.log_file: %w", err)
		}
		s.to("file", s.file, log)
	}
	if len(s.names) == 0 {
		return nil, nil
	}
	return s, nil
}

func (s *ships) to(name string, service ship.Service, log *slog.Logger) {
	s.names = append(s.names, name)
	s.shippers = append(s.shippers, ship.New(service, ship.Options{Drain: shipDrain, Log: log.With("service", name)}))
}

// add has records brought to all services. It never waits.
func (s *ships) add(records []record.Record) {
	for _, one := range s.shippers {
		for _, r := range records {
			one.Add(r)
		}
	}
}

// kept returns what the archive calls; nil if nobody wants records.
func (s *ships) kept() func([]record.Record) {
	if s == nil {
		return nil
	}
	return s.add
}

// start begins to bring records, whatever happens to ctx. The function that it returns
// brings what waits, for a short time, and ends it.
func (s *ships) start(ctx context.Context) (stop func() error) {
	if s == nil {
		return func() error { return nil }
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	for _, one := range s.shippers {
		running.Go(func() { _ = one.Run(ctx) }) // ends with ctx alone
	}
	return func() error {
		cancel()
		running.Wait()
		s.client.CloseIdleConnections()
		if s.file == nil {
			return nil
		}
		return s.file.Close()
	}
}

// stats returns what became of records. Those that are under way wait, too.
func (s *ships) stats() []api.ShipStats {
	all := make([]api.ShipStats, len(s.names))
	for i, name := range s.names {
		c := s.shippers[i].Counts()
		all[i] = api.ShipStats{
			Service: name, Taken: c.Taken, Sent: c.Sent, Refused: c.Refused, Lost: c.Lost,
			Waiting: int(c.Taken - c.Sent - c.Refused - c.Lost),
		}
	}
	return all
}

// shipRoots is whom the hub trusts as a log service; nil: the system's authorities alone.
func shipRoots(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s has no certificate", path)
	}
	return roots, nil
}

// shipClient returns a client that gives credentials to nobody that a service points to.
func shipClient(roots *x509.CertPool) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// elasticsearch reads its key anew for each batch.
type elasticsearch struct {
	ship.Elasticsearch
	key credential
}

// Send brings records.
func (e *elasticsearch) Send(ctx context.Context, batch []record.Record) (refused int, left []record.Record, err error) {
	to := e.Elasticsearch
	if to.APIKey, err = e.key.read(); err != nil {
		return 0, nil, err
	}
	return to.Send(ctx, batch)
}

// splunk reads its token anew for each batch.
type splunk struct {
	ship.Splunk
	token credential
}

// Send brings records.
func (s *splunk) Send(ctx context.Context, batch []record.Record) (refused int, left []record.Record, err error) {
	to := s.Splunk
	if to.Token, err = s.token.read(); err != nil {
		return 0, nil, err
	}
	return to.Send(ctx, batch)
}

// credential is the path of a file with one; "" for none.
type credential string

// maxCredential is how long a credential may be.
const maxCredential = 4096

func (c credential) read() (string, error) {
	if c == "" {
		return "", nil
	}
	f, err := os.Open(string(c))
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxCredential+1))
	if err != nil {
		return "", err
	}
	one := strings.TrimSpace(string(text))
	switch {
	case one == "":
		return "", errors.New(string(c) + " is empty")
	case len(text) > maxCredential, strings.ContainsFunc(one, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return "", errors.New(string(c) + " has more than one word, want a credential alone")
	}
	return one, nil
}
