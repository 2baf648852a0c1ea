// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package testport

import (
	"net"
	"testing"
)

func TestReserve(t *testing.T) {
	taken := make(map[string]bool)
	for range 20 {
		address, release, err := Reserve()
		if err != nil {
			t.Fatal(err)
		}
		defer release()
		if taken[address] {
			t.Fatalf("%s is given twice", address)
		}
		taken[address] = true
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
	}
}

// TestRelease gives a port back. Tests of other packages may get it before this one does.
func TestRelease(t *testing.T) {
	const tries = 10
	for range tries {
		first, release, err := Reserve()
		if err != nil {
			t.Fatal(err)
		}
		release()
		again, release, err := Reserve()
		if err != nil {
			t.Fatal(err)
		}
		release()
		if again == first {
			return
		}
	}
	t.Errorf("%d ports were not given again when they were released", tries)
}
