// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package enrol

import "errors"

// Refusals. What is wrapped around them says what to do.
var (
	ErrInvitation = errors.New("invitation is not known, or its secret is wrong")
	ErrExpired    = errors.New("invitation has ended")
	ErrUsed       = errors.New("invitation has been used")
	ErrTaken      = errors.New("name is enrolled")
	ErrExpelled   = errors.New("has been expelled")
	ErrUnknown    = errors.New("is not enrolled")
	ErrName       = errors.New("name is not the one expected")
	ErrRequest    = errors.New("request is not valid")
	ErrMany       = errors.New("too many attempts")
	ErrFull       = errors.New("as many are enrolled or invited as is allowed")
)
