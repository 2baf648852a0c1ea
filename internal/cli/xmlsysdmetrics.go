// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weir-io/weir/internal/api"
	"github.com/weir-io/weir/internal/hoststat"
	"github.com/weir-io/weir/internal/hoststat/metrics"
)

// defaultMetricsPort is that of node_exporter, so that what scrapes it finds this
// in its place.
const defaultMetricsPort = "9100"

// metricsService listens at an address, by default of loopback, and returns what
// serves the metrics of an engine there until its context ends. The engine must be
// closed after that.
func metricsService(ctx context.Context, address string, e *hoststat.Engine, root string, log *slog.Logger) (net.Listener, func(context.Context) error, error) {
	address, err := metricsAddress(address)
	if err != nil {
		return nil, nil, usageErrorf("--metrics: %w", err)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, nil, fmt.Errorf("metrics: %w", err)
	}
	s := metrics.New(metrics.Options{Engine: e, Root: root})
	return l, func(ctx context.Context) error {
		defer s.Close()
		return serveMetrics(ctx, l, s, log)
	}, nil
}

// metricsAddress completes ":9100", "9100" and "127.0.0.1".
func metricsAddress(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		if ip, ipErr := netip.ParseAddr(address); ipErr == nil {
			host, port = ip.String(), defaultMetricsPort
		} else if host, port, err = net.SplitHostPort(":" + address); err != nil {
			return "", err
		}
	}
	if port == "" {
		return "", errors.New("no port")
	}
	if host == "" {
		host = "127.0.0.1"
	}
	if _, err := net.LookupPort("tcp", port); err != nil {
		return "", err
	}
	return net.JoinHostPort(host, port), nil
}

// Time limits of scrapes.
const (
	metricsHeaderTimeout = 5 * time.Second
	metricsWriteTimeout  = 30 * time.Second
	metricsIdleTimeout   = 2 * time.Minute
	metricsStop          = time.Second // for scrapes that are being served at the end
	metricsHeader        = 16 << 10
)

// serveMetrics serves until ctx ends.
func serveMetrics(ctx context.Context, l net.Listener, s *metrics.Server, log *slog.Logger) error {
	mux := http.NewServeMux()
	mux.Handle("/metrics", s.Native)
	mux.Handle("/metrics/node", s.Node)
	server := &http.Server{
		Handler: mux, ReadHeaderTimeout: metricsHeaderTimeout, WriteTimeout: metricsWriteTimeout, IdleTimeout: metricsIdleTimeout,
		MaxHeaderBytes: metricsHeader, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve metrics: %w", err)
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), metricsStop)
		defer cancel()
		if server.Shutdown(stop) != nil {
			return server.Close()
		}
		return nil
	})
	return group.Wait()
}

// hubMetrics returns what shows a host at the hub's HTTP listener, with those of a
// fleet if that is not nil, and what is to be
// called when the hub has ended and before the engine is closed.
func hubMetrics(e *hoststat.Engine, root string, fleet func(func(string, []byte) bool)) (show api.HostMetrics, end func()) {
	var servers []*metrics.Server
	show = func(
		more func([]byte, bool) ([]byte, error), refuse func(http.ResponseWriter, *http.Request, int, string),
	) (native, node http.Handler) {
		s := metrics.New(metrics.Options{Engine: e, Root: root, More: more, Refuse: refuse, Fleet: fleet})
		servers = append(servers, s)
		return s.Native, s.Node
	}
	return show, func() {
		for _, s := range servers {
			s.Close()
		}
	}
}
