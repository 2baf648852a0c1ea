// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// This file lets clock.go declare functions without bodies.
