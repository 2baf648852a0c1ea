// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/weir-io/weir/tracepoint"
)

// newLogger returns a logger of the configured level ("info") and format
// ("text" or "json").
func newLogger(w io.Writer, level, format string) (*slog.Logger, error) {
	var least slog.Level
	if err := least.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("log level %q: %w", level, err)
	}
	options := &slog.HandlerOptions{Level: least}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return slog.New(slog.NewTextHandler(w, options)), nil
}

// withEvents makes log lines events too, of the provider weir. It is called once in a
// process: events are declared once.
func withEvents(log *slog.Logger) *slog.Logger {
	return slog.New(tracepoint.NewHandler(tracepoint.NewProvider("weir"), log.Handler()))
}
