// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"os"
	"path/filepath"
	"syscall"
)

// SystemSocket is where the daemon of a host listens, which root starts.
const SystemSocket = "/run/weir/agent.sock"

// SocketVariable is the environment variable that overrides where the daemon is
// looked for.
const SocketVariable = "WEIR_AGENT_SOCKET"

// DefaultSocket returns the socket of the daemon to talk to: what
// $WEIR_AGENT_SOCKET says, else the host's where the caller may use it, else the
// user's own.
func DefaultSocket() string {
	if path := os.Getenv(SocketVariable); path != "" {
		return path
	}
	own := UserSocket()
	return chooseSocket(SystemSocket, own, os.Geteuid() == 0, usable(SystemSocket), exists(own))
}

// UserSocket returns where a daemon that is not root's listens, or "" where the
// user has no directory for such files ($XDG_RUNTIME_DIR).
func UserSocket() string {
	dir := os.Getenv("XDG_RUNTIME_DIR")
	if !filepath.IsAbs(dir) {
		return ""
	}
	return filepath.Join(dir, "weir", "agent.sock")
}

func chooseSocket(system, own string, root, systemUsable, ownExists bool) string {
	if systemUsable || own == "" || root && !ownExists {
		return system
	}
	return own
}

// usable reports whether the caller may connect to a socket that is there.
func usable(path string) bool {
	const write = 2 // W_OK
	return syscall.Access(path, write) == nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return path != "" && err == nil
}

// OwnSocket returns where a daemon that the caller starts listens: what
// $WEIR_AGENT_SOCKET says, else the host's for root, else the user's own.
func OwnSocket() string {
	if path := os.Getenv(SocketVariable); path != "" {
		return path
	}
	if own := UserSocket(); own != "" && os.Geteuid() != 0 {
		return own
	}
	return SystemSocket
}
