// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"

	"github.com/weir-io/weir/internal/feed/capture"
	"github.com/weir-io/weir/internal/feed/holder"
)

// holding asks a holder, and starts one when there is something to hold for the first
// time.
type holding struct {
	socket  string
	command []string
	log     *slog.Logger

	mu     sync.Mutex
	client *holder.Client // guarded by mu; nil: not connected
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
	if h.client == nil {
		c, err := holder.Start(context.Background(), h.socket, h.command...)
		if err != nil {
			return err
		}
		h.client = c
	}
	return h.client.Hold(key, files...)
}

// Drop lets go of what is held under a key.
func (h *holding) Drop(key string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.client == nil {
		return nil
	}
	return h.client.Drop(key)
}

func (h *holding) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.client != nil {
		h.client.Close()
		h.client = nil
	}
}
