// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/feed/capture"
	"github.com/weir-io/weir/internal/feed/holder"
)

// holding asks a holder, and starts one when there is something to hold for the first
// time, or when the one that there was has ended: what was held is then held again.
type holding struct {
	socket  string
	command []string
	log     *slog.Logger

	mu     sync.Mutex
	client *holder.Client   // guarded by mu; nil: not connected
	held   map[string][]int // descriptors of our own of what is held; guarded by mu
}

// asHolder is the holding as the manager takes it.
func (h *holding) asHolder() capture.Holder {
	if h.command == nil {
		return nil
	}
	return h
}

// Take returns what a holder that runs has under a key.
func (h *holding) Take(key string) ([]*os.File, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	files, err := h.take(key)
	if errors.Is(err, holder.ErrGone) { // since the last look: what it had is gone
		h.disconnect()
		files, err = h.take(key)
	}
	if err != nil || len(files) == 0 {
		return files, err
	}
	return files, h.remember(key, files)
}

func (h *holding) take(key string) ([]*os.File, error) {
	if h.client == nil {
		c, err := holder.Dial(h.socket)
		if errors.Is(err, holder.ErrNone) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		h.client = c
	}
	return h.client.Take(key)
}

// Hold has files held under a key.
func (h *holding) Hold(key string, files ...*os.File) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.remember(key, files); err != nil {
		return err
	}
	var err error
	if h.client == nil {
		err = h.connect()
	} else if err = h.client.Hold(key, files...); errors.Is(err, holder.ErrGone) {
		err = h.again(err)
	}
	if err != nil {
		h.forget(key)
	}
	return err
}

// Drop lets go of what is held under a key.
func (h *holding) Drop(key string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.forget(key)
	if h.client == nil {
		return nil
	}
	err := h.client.Drop(key)
	if errors.Is(err, holder.ErrGone) {
		err = h.again(err) // without the key
	}
	return err
}

// connect has a holder run, and hold all that we know of: the one before may have ended, and
// another could not be started then.
func (h *holding) connect() error {
	c, err := holder.Start(context.Background(), h.socket, h.command...)
	if err != nil {
		return err
	}
	h.client = c
	for key, fds := range h.held {
		if err := h.holdCopies(key, fds); err != nil {
			h.disconnect() // or the next look would find all in order
			return err
		}
	}
	return nil
}

func (h *holding) disconnect() {
	if h.client != nil {
		h.client.Close()
		h.client = nil
	}
}

// again starts another holder where the one that there was has ended. Nothing is lost while
// this process lives.
func (h *holding) again(why error) error {
	h.log.Warn("holder of events has ended; another one is started", "reason", why)
	h.disconnect()
	if len(h.held) == 0 {
		return nil
	}
	return h.connect()
}

// holdCopies has copies of descriptors held: files that Go watches are made of them only
// for as long as it takes to send them.
func (h *holding) holdCopies(key string, fds []int) error {
	var files []*os.File
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	for _, fd := range fds {
		n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("holder: hold %s: fcntl F_DUPFD_CLOEXEC: %w", key, err)
		}
		files = append(files, os.NewFile(uintptr(n), "held"))
	}
	return h.client.Hold(key, files...)
}

// remember keeps descriptors of what is held.
func (h *holding) remember(key string, files []*os.File) error {
	h.forget(key)
	var fds []int
	for _, f := range files {
		raw, err := f.SyscallConn() // Fd would make the description blocking
		if err != nil {
			return err
		}
		var dupErr error
		err = raw.Control(func(fd uintptr) {
			var n int
			if n, dupErr = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0); dupErr == nil {
				fds = append(fds, n)
			}
		})
		if err := errors.Join(err, dupErr); err != nil {
			closeFDs(fds)
			return fmt.Errorf("holder: remember %s: fcntl F_DUPFD_CLOEXEC: %w", key, err)
		}
	}
	if h.held == nil {
		h.held = map[string][]int{}
	}
	h.held[key] = fds
	return nil
}

// forget closes our own descriptors of what was held.
func (h *holding) forget(key string) {
	closeFDs(h.held[key])
	delete(h.held, key)
}

func closeFDs(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}

// checkEvery is how often the holder is asked whether it is there.
const checkEvery = 5 * time.Second

// watch starts another holder where one ends, until the end of ctx.
func (h *holding) watch(ctx context.Context) {
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			h.check()
		}
	}
}

// check starts another holder if the one that there was has ended.
func (h *holding) check() {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case len(h.held) == 0:
		return
	case h.client == nil: // the last attempt failed
		if err := h.again(holder.ErrNone); err != nil {
			h.log.Error("no holder of events: what is not read when this process is killed will be a gap", "error", err)
		}
		return
	}
	files, err := h.client.Take(checkKey)
	for _, f := range files {
		f.Close()
	}
	if !errors.Is(err, holder.ErrGone) {
		return
	}
	if err := h.again(err); err != nil {
		h.log.Error("no holder of events: what is not read when this process is killed will be a gap", "error", err)
	}
}

// checkKey is one under which nothing is held.
const checkKey = "-"

// close leaves what is held to the holder, which bounds it while nobody is there.
func (h *holding) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for key := range h.held {
		h.forget(key)
	}
	h.disconnect()
}
