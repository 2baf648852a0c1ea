// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"errors"
	"fmt"
	"os"

	sd "github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// Readiness tells everyone concerned that the daemon serves, and later that it
// stops: the service manager (NOTIFY_SOCKET), the process that waits for a
// background start, and the parent that asked for a signal.
type Readiness struct {
	// Waiter is the waiting parent of a background start, or nil.
	Waiter *Waiter
	// SignalPID is the process to get SIGUSR1, 0 for none: the parent at the
	// time of the start. It is left alone when it has died since, for its
	// number may belong to another.
	SignalPID int
}

// Ready reports that every port listens. All parties are told even when one of
// them cannot be.
func (r Readiness) Ready() error {
	_, err := sd.SdNotify(false, sd.SdNotifyReady)
	errs := []error{wrap("notify service manager", err)}
	errs = append(errs, SignalParent(r.SignalPID))
	if r.Waiter != nil {
		errs = append(errs, r.Waiter.Ready())
	}
	return errors.Join(errs...)
}

// Stopping reports that an orderly stop has begun.
func (r Readiness) Stopping() error {
	_, err := sd.SdNotify(false, sd.SdNotifyStopping)
	return wrap("notify service manager", err)
}

// SignalParent sends SIGUSR1 to the process pid, which has to be the parent of
// this one still. With 0 it does nothing.
func SignalParent(pid int) error {
	if pid == 0 || pid != os.Getppid() {
		return nil
	}
	return wrap("signal parent", unix.Kill(pid, unix.SIGUSR1))
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
