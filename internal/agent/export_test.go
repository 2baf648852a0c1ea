// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import "time"

// Routes are the patterns of all routes.
func Routes() []string {
	all := []string{"GET /api/v1/watch"}
	for pattern := range routes() {
		all = append(all, pattern)
	}
	return all
}

// SetTimes changes what a test cannot wait for.
func (s *Server) SetTimes(request, heartbeat time.Duration) {
	s.requestTimeout, s.heartbeat = request, heartbeat
}

// SetNoticeTimeout changes what a test cannot wait for.
func (s *Server) SetNoticeTimeout(d time.Duration) { s.noticeTimeout = d }

// MaxConnectionsOfCaller is how many one user may have.
const MaxConnectionsOfCaller = maxConnectionsOfCaller

// ReadCaller is readCaller.
var ReadCaller = readCaller
