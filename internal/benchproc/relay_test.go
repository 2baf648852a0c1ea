// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package benchproc

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
)

func TestRelayStartsAgain(t *testing.T) {
	r, err := NewRelay("listener", []string{os.Args[0], asRelay}, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if r.Control == r.Data || r.Data == r.Live || r.Live == r.Control {
		t.Errorf("ports %v: want three", r.Ports)
	}
	if info, err := os.Stat(r.Output); err != nil || !info.IsDir() {
		t.Errorf("output: %v", err)
	}
	for range 2 {
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, port := range []string{r.Control.String(), r.Data.String(), r.Live.String()} {
			c, err := net.Dial("tcp4", port)
			if err != nil {
				t.Error(err)
				continue
			}
			c.Close()
		}
		if err := r.Stop(); err != nil {
			t.Error(err)
		}
	}
}

func TestRelayThatDoesNotListen(t *testing.T) {
	for _, tt := range []struct {
		name    string
		command []string
		want    string
	}{
		{"ends", []string{"sh", "-c", "echo out of luck; exit 3"}, "deaf ended: exit status 3 (out of luck): waited until 127.0.0.1:"},
		{"is not there", []string{"./no-such-relay"}, "start deaf: "},
	} {
		r, err := NewRelay("deaf", tt.command, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Start(t.Context()); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
	r, err := NewRelay("deaf", []string{"sh", "-c", "sleep 60", "sh"}, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	cancel(enough)
	err = r.Start(ctx)
	if alive := r.Alive(); !errors.Is(err, enough) || alive {
		r.Kill()
		t.Errorf("the context ended: got %v, alive: %v", err, alive)
	}
}
