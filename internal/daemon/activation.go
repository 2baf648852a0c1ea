// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"

	"github.com/coreos/go-systemd/v22/activation"
)

// firstActivation is the first descriptor of the service manager's sockets
// (SD_LISTEN_FDS_START).
const firstActivation = 3

// ActivatedListeners takes over the sockets a service manager opened for this
// process (LISTEN_FDS), by their names (FileDescriptorName= of a socket unit).
// Without any, the map is empty. A name outside want, a name twice, or a socket
// that does not listen is an error: a mistyped unit must not leave the daemon on
// its default ports. The environment variables are removed.
func ActivatedListeners(want ...string) (map[string]net.Listener, error) {
	named := make(map[string]net.Listener)
	fail := func(format string, args ...any) (map[string]net.Listener, error) {
		for _, l := range named {
			l.Close()
		}
		return nil, fmt.Errorf("socket activation: "+format, args...)
	}
	for _, f := range activation.Files(true) {
		name := f.Name()
		l, err := net.FileListener(f)
		f.Close()
		if err != nil {
			return fail("descriptor %q does not listen: %w", name, err)
		}
		if !slices.Contains(want, name) || named[name] != nil {
			l.Close()
			return fail("unexpected socket named %q, want one each of %q", name, want)
		}
		named[name] = l
	}
	return named, nil
}

// activationFiles returns the sockets meant for this process without taking
// them over, so that a child can have them at the same numbers.
func activationFiles() []*os.File {
	pid, err := strconv.Atoi(os.Getenv("LISTEN_PID"))
	if err != nil || pid != os.Getpid() {
		return nil
	}
	n, err := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	if err != nil || n < 1 {
		return nil
	}
	const most = 64 // far more than a daemon has names for
	var files []*os.File
	for fd := firstActivation; fd < firstActivation+min(n, most); fd++ {
		files = append(files, os.NewFile(uintptr(fd), "activation"))
	}
	return files
}
