// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"net/http"
	"time"
)

// writeTimeout is how long a client may leave a part of an answer unread.
const writeTimeout = 30 * time.Second

// patientWriter gives each write a deadline of its own. One for a whole answer
// would cut a large archive or a long run of the retention; without any, a
// client that reads nothing would hold its goroutine for ever.
type patientWriter struct {
	http.ResponseWriter
	control *http.ResponseController
}

func newPatientWriter(w http.ResponseWriter) *patientWriter {
	return &patientWriter{w, http.NewResponseController(w)}
}

// Write writes with a new deadline.
func (p *patientWriter) Write(b []byte) (int, error) {
	// A writer that knows no deadlines has no client to wait for.
	_ = p.control.SetWriteDeadline(time.Now().Add(writeTimeout))
	return p.ResponseWriter.Write(b)
}

// Unwrap lets a response controller through.
func (p *patientWriter) Unwrap() http.ResponseWriter { return p.ResponseWriter }
