// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"crypto/tls"
	"log/slog"
	"net"
	"time"

	"github.com/weir-io/weir/internal/hoststat"
	"github.com/weir-io/weir/xmlsysd"
)

// Options configure a server. Engine is required.
type Options struct {
	Engine *hoststat.Engine
	Expose hoststat.Expose // as of the engine
	Log    *slog.Logger    // nil: none

	Access Access
	TLS    *tls.Config // of TCP connections; nil: none
	// Door decides about each TCP connection instead of Access and TLS: it returns what to
	// serve, or false. It must not wait. nil: there is none.
	Door        func(net.Conn) (net.Conn, bool)
	MaxSessions int // further connections are closed at once; 0: 10

	MaxLine      int           // bytes of a line with its end, at most [xmlsysd.MaxLine]; 0: that
	MaxMessage   int           // bytes of the body of a message; 0: 16 MiB
	IdleTimeout  time.Duration // of a session without commands and periodic messages; 0: 10 min
	WriteTimeout time.Duration // of a client that takes nothing of a message; 0: 10 s
	Verbosity    int           // most that a session may ask for with "verbose"
}

// Limits that nobody needs to set.
const (
	handshakeTimeout = 5 * time.Second        // of TLS
	acceptPause      = 100 * time.Millisecond // after an error of accept, such as too many open files
	stopTimeout      = 3 * time.Second        // of messages under way when the server stops
	lingerTimeout    = time.Second            // for which a client is waited for that has been sent all
	lingerBytes      = 1 << 20                // of it that are read and dropped meanwhile
	silence          = time.Minute            // after which a session gives its buffers back
	writeBytes       = 64 << 10               // of a message that are one write
)

// Defaults of Options.
const (
	DefaultSessions     = 10
	DefaultIdleTimeout  = 10 * time.Minute
	DefaultWriteTimeout = 10 * time.Second
)

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.MaxSessions <= 0 {
		o.MaxSessions = DefaultSessions
	}
	if o.MaxLine <= 0 || o.MaxLine > xmlsysd.MaxLine {
		o.MaxLine = xmlsysd.MaxLine
	}
	if o.MaxMessage <= 0 {
		o.MaxMessage = xmlsysd.MaxMessage
	}
	if o.IdleTimeout <= 0 {
		o.IdleTimeout = DefaultIdleTimeout
	}
	if o.WriteTimeout <= 0 {
		o.WriteTimeout = DefaultWriteTimeout
	}
	return o
}
