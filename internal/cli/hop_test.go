// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-io/weir/client/relay"
	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/lttng"
)

// hopRelay starts a relay in the background that is a hop as well, and returns
// the addresses of its ports by name.
func hopRelay(t *testing.T, allow string) (ports map[string]string, home string) {
	t.Helper()
	cmd, home := relaydCommand(t, "weir", "-d", "-P", "relayd.pid", "--hop-listen", "127.0.0.1:0")
	if allow != "" {
		cmd.Args = append(cmd.Args, "--hop-allow", allow)
	}
	cmd.Dir = home
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v, output %q", err, out)
	}
	t.Cleanup(func() { endDaemon(t, filepath.Join(home, "relayd.pid")) })
	ports = make(map[string]string)
	for _, name := range []string{"control", "data", "hop"} {
		port, err := os.ReadFile(filepath.Join(home, "run/relayd", name+".port"))
		if err != nil {
			t.Fatal(err)
		}
		ports[name] = net.JoinHostPort("127.0.0.1", strings.TrimSpace(string(port)))
	}
	return ports, home
}

func hopURL(t *testing.T, places ...string) lttng.URL {
	t.Helper()
	u, err := lttng.ParseURL("tcp://" + strings.Join(places, ",tcp://"))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// A producer reaches a relay through three others, by another way for its data,
// and not where the hops do not go.
func TestThroughThreeHops(t *testing.T) {
	end, home := hopRelay(t, "")
	var hops []string
	for range 3 {
		ports, _ := hopRelay(t, "127.0.0.0/8:*")
		hops = append(hops, ports["hop"])
	}
	o := relay.Options{Session: "s", Hostname: "h"}
	control := hopURL(t, append(hops, end["control"])...)
	s, err := relay.Dial(t.Context(), control, hopURL(t, hops[2], end["data"]), o)
	if err != nil {
		t.Fatal(err)
	}
	streams, err := s.AddStreams(t.Context(), relay.StreamOptions{Channel: "ch_0", Path: "kernel"}, relay.StreamOptions{Channel: "metadata", Path: "kernel"})
	if err != nil {
		t.Fatal(err)
	}
	packet := make([]byte, 100_000)
	for n := range uint64(50) {
		if err := streams[0].SendPacket(t.Context(), packet, ctf.PacketInfo{Has: ctf.HasSequence, Sequence: n}); err != nil {
			t.Fatal(err)
		}
	}
	path := s.Path()
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(home, "lttng-traces", path, "kernel/ch_0"))
	if err != nil || info.Size() != int64(50*len(packet)) {
		t.Errorf("stored: %v, %v", info, err)
	}

	for name, tt := range map[string]struct {
		chain []string
		code  lttng.HopCode
	}{
		"denied":        {[]string{end["hop"], end["control"]}, lttng.HopDenied},
		"denied behind": {[]string{hops[0], end["hop"], end["control"]}, lttng.HopDenied},
		"a ring":        {[]string{hops[0], hops[1], hops[0], end["control"]}, lttng.HopLoop},
		"nobody":        {[]string{hops[0], "127.0.0.1:1"}, lttng.HopFailed},
	} {
		_, err := relay.Dial(t.Context(), hopURL(t, tt.chain...), hopURL(t, end["data"]), o)
		if e, ok := errors.AsType[*relay.HopError](err); !ok || e.Code != tt.code {
			t.Errorf("%s: %v, want code %d", name, err, tt.code)
		}
	}
	// Control and data through hops to two relays: that shows, too.
	other, _ := hopRelay(t, "")
	if _, err := relay.Dial(t.Context(), control, hopURL(t, hops[0], other["data"]), o); !errors.Is(err, relay.ErrSplit) {
		t.Errorf("two relays behind hops: %v, want %v", err, relay.ErrSplit)
	}
}

func TestHopConfiguration(t *testing.T) {
	for allow, want := range map[string]string{
		"10.0.0.0/99:1": "hop.allow: ", "nowhere": "--hop-allow: hop.allow: ",
	} {
		cmd, _ := relaydCommand(t, "weir", "--hop-listen", "127.0.0.1:0", "--hop-allow", allow)
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("--hop-allow %s: %v, output %q, want %q", allow, err, out, want)
		}
	}
}
