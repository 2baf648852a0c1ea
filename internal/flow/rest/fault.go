// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/weir-io/weir/internal/flow/inventory"
	"github.com/weir-io/weir/internal/flow/topology"
	"github.com/weir-io/weir/internal/store"
)

// Fault is an error as a client gets it.
type Fault struct {
	Status     int
	Message    string
	Violations []topology.Violation // of Status 400
}

func (f *Fault) Error() string { return f.Message }

func faultf(status int, format string, args ...any) *Fault {
	return &Fault{Status: status, Message: fmt.Sprintf(format, args...)}
}

// violation is the fault of one property of a body.
func violation(property, format string, args ...any) *Fault {
	return invalid(topology.Violation{Property: property, Message: fmt.Sprintf(format, args...)})
}

func invalid(bad ...topology.Violation) *Fault {
	return &Fault{Status: http.StatusBadRequest, Message: violationsFound, Violations: bad}
}

const violationsFound = "Validation error(s) found"

// errorType is the media type of every error.
const errorType = "application/vnd.org.midonet.Error-v1+json"

// ownFault tells what an error of this package or of package topology means.
func ownFault(err error) *Fault {
	if f, ok := errors.AsType[*Fault](err); ok {
		return f
	}
	if bad, ok := errors.AsType[*topology.Invalid](err); ok {
		return invalid(bad.Violations...)
	}
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return faultf(http.StatusRequestEntityTooLarge, "the body has more than %d bytes", tooLarge.Limit)
	}
	return inventoryFault(err)
}

// inventoryFault tells what an error of the inventory or its store means.
func inventoryFault(err error) *Fault {
	bad, ok := errors.AsType[*inventory.Error](err)
	switch {
	case ok && errors.Is(err, inventory.ErrInvalid):
		return violation(bad.Property, "%s", bad.Reason)
	case errors.Is(err, inventory.ErrNotFound):
		return faultf(http.StatusNotFound, "%v", err)
	case errors.Is(err, inventory.ErrExists), errors.Is(err, inventory.ErrConflict), errors.Is(err, inventory.ErrBusy):
		return faultf(http.StatusConflict, "%v", err)
	case errors.Is(err, inventory.ErrInUse):
		return faultf(http.StatusForbidden, "%v", err)
	case errors.Is(err, store.ErrUnavailable):
		return faultf(http.StatusServiceUnavailable, "the store cannot be reached")
	}
	return nil
}

// WriteFault answers with an error in the form of this interface.
func WriteFault(w http.ResponseWriter, f *Fault) {
	b, err := json.Marshal(struct {
		Message    string               `json:"message"`
		Code       int                  `json:"code"`
		Violations []topology.Violation `json:"violations,omitempty"`
	}{f.Message, f.Status, f.Violations})
	if err != nil {
		panic("rest: an error cannot be written: " + err.Error())
	}
	w.Header().Set("Content-Type", errorType)
	w.WriteHeader(f.Status)
	_, _ = w.Write(b) // the client has gone: nothing to do
}
