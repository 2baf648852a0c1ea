// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

// RawPattern is a pattern of files.
type RawPattern struct{}
