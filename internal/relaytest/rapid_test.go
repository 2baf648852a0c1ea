// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaytest_test

import (
	"os"
	"testing"

	"pgregory.net/rapid"
)

// rapidTB is one round of a property as a test: what it registers is cleaned up
// at the end of the round, and a failure is the round's, so that rapid can look
// for a smaller one.
type rapidTB struct {
	testing.TB
	rt *rapid.T
}

func (r rapidTB) Helper()                   { r.rt.Helper() }
func (r rapidTB) Cleanup(f func())          { r.rt.Cleanup(f) }
func (r rapidTB) Log(args ...any)           { r.rt.Log(args...) }
func (r rapidTB) Logf(f string, a ...any)   { r.rt.Logf(f, a...) }
func (r rapidTB) Error(args ...any)         { r.rt.Error(args...) }
func (r rapidTB) Errorf(f string, a ...any) { r.rt.Errorf(f, a...) }
func (r rapidTB) Fatal(args ...any)         { r.rt.Fatal(args...) }
func (r rapidTB) Fatalf(f string, a ...any) { r.rt.Fatalf(f, a...) }

// TempDir returns a directory that the whole test removes.
func (r rapidTB) TempDir() string {
	dir, err := os.MkdirTemp(r.TB.TempDir(), "round")
	if err != nil {
		r.rt.Fatal(err)
	}
	return dir
}
