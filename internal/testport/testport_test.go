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
	first, release, err := Reserve()
	if err != nil {
		t.Fatal(err)
	}
	release()
	again, release, err := Reserve()
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if again != first {
		t.Errorf("got %s, want %s, which was released", again, first)
	}
}
