// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package topology

// Validate checks what the members of a port, taken together, must be. Its error is an
// *Invalid. A port that is read from JSON has passed it, but for a type that came later.
func (p *Port) Validate() error { return invalid(p.violations()) }
