// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package dryrun

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/flow/packet"
	"github.com/weir-io/weir/internal/peer"
)

// kernelDocument is a network that the kernel can make, too: a bridge, a router with
// the bridge and two networks of its own, and rules that nftables has.
const kernelDocument = `{"bridges":[{"name":"lan"}],
	"routers":[{"name":"r","inboundFilter":"policy","routes":[
		{"dst":"10.0.0.0/24","port":"r1"},{"dst":"10.0.1.0/24","port":"w3"},{"dst":"10.0.2.0/24","port":"w4"},{"dst":"10.0.3.0/24","port":"w4","gateway":"10.0.2.11"}]}],
	"ports":[
		{"name":"lanr","device":"lan","peer":"r1"},{"name":"r1","device":"r","mac":"02:00:00:00:01:01","address":"10.0.0.1/24"},
		{"name":"w1","device":"lan","workload":{"mac":"02:00:00:00:00:01","address":"10.0.0.11"}},
		{"name":"w2","device":"lan","outboundFilter":"quiet","workload":{"mac":"02:00:00:00:00:02","address":"10.0.0.12"}},
		{"name":"w3","device":"r","mac":"02:00:00:00:01:03","address":"10.0.1.1/24","workload":{"mac":"02:00:00:00:00:03","address":"10.0.1.11"}},
		{"name":"w4","device":"r","mac":"02:00:00:00:01:04","address":"10.0.2.1/24","workload":{"mac":"02:00:00:00:00:04","address":"10.0.2.11"}}],
	"chains":[
		{"name":"policy","rules":[{"type":"drop","condition":{"nwProto":6,"tpDst":{"start":22,"end":23}}},{"type":"drop","condition":{"nwSrcAddress":"10.0.1.0","nwSrcLength":24,"nwProto":17}}]},
		{"name":"quiet","rules":[{"type":"drop","condition":{"nwProto":17,"tpDst":{"start":99,"end":99}}}]}]}`

// kernelSetup makes the same network. The ends h… are those of the workloads.
const kernelSetup = `
sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 net.ipv4.ip_forward=1
sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 net.ipv4.icmp_ratelimit=0
sysctl -qw net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.default.send_redirects=0
sysctl -qw net.bridge.bridge-nf-call-iptables=0 2>/dev/null || true
ip link add name br0 address 02:00:00:00:01:01 type bridge mcast_snooping 0
for i in 1 2 3 4; do
	ip link add name p$i type veth peer name h$i
	ip link set dev h$i address 02:00:00:00:09:0$i arp off up
done
for i in 1 2; do ip link set dev p$i master br0 up; done
ip link set dev p3 address 02:00:00:00:01:03 up
ip link set dev p4 address 02:00:00:00:01:04 up
ip link set dev br0 up
ip addr add 10.0.0.1/24 dev br0
ip addr add 10.0.1.1/24 dev p3
ip addr add 10.0.2.1/24 dev p4
ip route add 10.0.3.0/24 via 10.0.2.11
ip neigh add 10.0.0.11 lladdr 02:00:00:00:00:01 dev br0
ip neigh add 10.0.0.12 lladdr 02:00:00:00:00:02 dev br0
ip neigh add 10.0.1.11 lladdr 02:00:00:00:00:03 dev p3
ip neigh add 10.0.2.11 lladdr 02:00:00:00:00:04 dev p4
nft add table ip t
nft add chain ip t pre '{ type filter hook prerouting priority 0; }'
nft add rule ip t pre tcp dport 22-23 drop
nft add rule ip t pre ip saddr 10.0.1.0/24 ip protocol udp drop
nft add table bridge t
nft add chain bridge t post '{ type filter hook postrouting priority 0; }'
nft add rule bridge t post oifname p2 udp dport 99 drop
`

// wire is the end of a workload.
type wire struct {
	fd    int
	index int
}

// newWires opens the ends in the present network namespace.
func newWires(t *testing.T) map[string]*wire {
	wires := map[string]*wire{}
	for i := 1; i <= 4; i++ {
		ifi, err := net.InterfaceByName(fmt.Sprintf("h%d", i))
		if err != nil {
			t.Fatal(err)
		}
		var order [2]byte
		binary.BigEndian.PutUint16(order[:], unix.ETH_P_ALL)
		proto := binary.NativeEndian.Uint16(order[:])
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(proto))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Close(fd) })
		if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: proto, Ifindex: ifi.Index}); err != nil {
			t.Fatal(err)
		}
		mreq := &unix.PacketMreq{Ifindex: int32(ifi.Index), Type: unix.PACKET_MR_PROMISC}
		if err := unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, mreq); err != nil {
			t.Fatal(err)
		}
		if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 10}); err != nil {
			t.Fatal(err)
		}
		wires[fmt.Sprintf("w%d", i)] = &wire{fd, ifi.Index}
	}
	return wires
}

// read returns the next frame that came in, nil if there is none and wait is false.
func (w *wire) read(t *testing.T, wait bool) []byte {
	t.Helper()
	flags := unix.MSG_DONTWAIT
	if wait {
		flags = 0
	}
	for {
		b := make([]byte, 2048)
		n, from, err := unix.Recvfrom(w.fd, b, flags)
		if errors.Is(err, unix.EAGAIN) && !wait {
			return nil
		}
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			t.Fatalf("waiting for a frame: %v", err)
		}
		if ll, ok := from.(*unix.SockaddrLinklayer); ok && ll.Pkttype != unix.PACKET_OUTGOING {
			return b[:n]
		}
	}
}

// markerType is that of a frame that is sent behind each other one: when it has
// arrived, so has all that the other brought about.
const markerType = 0x88b5

func (w *wire) write(t *testing.T, frame []byte) {
	t.Helper()
	if err := unix.Sendto(w.fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: w.index, Halen: 6}); err != nil {
		t.Fatal(err)
	}
}

// play sends a frame into the kernel's network and returns what it delivers, in text
// that is the same where only what kernels are free to choose differs.
func play(t *testing.T, wires map[string]*wire, port string, frame []byte) []string {
	t.Helper()
	wires[port].write(t, frame)
	marker := append(bytes.Repeat([]byte{0xff}, 6), 2, 0, 0, 0, 0, 1, markerType>>8, markerType&0xff, 0)
	wires["w1"].write(t, marker)
	var got []string
	for {
		b := wires["w2"].read(t, true)
		if binary.BigEndian.Uint16(b[12:]) == markerType {
			break
		}
		got = append(got, essence("w2", b))
	}
	for _, name := range []string{"w1", "w3", "w4"} {
		for b := wires[name].read(t, false); b != nil; b = wires[name].read(t, false) {
			got = append(got, essence(name, b))
		}
	}
	return got
}

// essence is a frame in text. Of ICMP errors and echo replies, which kernels and weir
// make, it is what the standards demand.
func essence(port string, b []byte) string {
	var m packet.Match
	if m.Parse(b) != nil || m.Proto != packet.ProtoICMP || m.Net != packet.NetIPv4 {
		return fmt.Sprintf("%s %x", port, b)
	}
	icmp := b[34:]
	end := 8
	if m.Transport == packet.ICMPError {
		end = 8 + 28
	}
	return fmt.Sprintf("%s %s>%s %s>%s icmp %d/%d %x", port, m.EthSrc, m.EthDst, m.Src, m.Dst, icmp[0], icmp[1], icmp[4:min(len(icmp), end)])
}

// withoutUnreachable sorts deliveries and leaves out ICMP errors because of missing
// routes: the kernel sends some of them a second.
func withoutUnreachable(frames []string) []string {
	slices.Sort(frames)
	return slices.DeleteFunc(frames, func(s string) bool { return strings.Contains(s, "icmp 3/0 ") })
}

// kernelFrame is a random frame that both networks understand in the same way.
func kernelFrame(r *rand.Rand) (port string, frame []byte) {
	n := 1 + r.IntN(4)
	port = fmt.Sprintf("w%d", n)
	addrs := []packet.IPv4{0x0a00000b, 0x0a00000c, 0x0a00010b, 0x0a00020b, 0x0a000305, 0x0a000909}
	gateways := map[int]byte{1: 1, 2: 1, 3: 3, 4: 4}
	to := packet.Route{
		EthSrc: packet.MAC{2, 0, 0, 0, 0, byte(n)}, EthDst: packet.MAC{2, 0, 0, 0, 1, gateways[n]},
		Src: addrs[n-1], Dst: addrs[r.IntN(len(addrs))],
	}
	if n <= 2 && r.IntN(2) == 0 { // past the router
		to.EthDst = []packet.MAC{{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}, {2, 0, 0, 0, 0, 0x77}, packet.Broadcast}[r.IntN(4)]
		if to.EthDst == to.EthSrc {
			to.EthDst = packet.MAC{2, 0, 0, 0, 0, 0x77}
		}
		if to.EthDst == packet.Broadcast {
			to.Dst = 0x0a0000ff
		}
	}
	ports := []uint16{22, 23, 24, 80, 99}
	switch r.IntN(5) {
	case 0:
		frame = packet.AppendTCP(nil, to, 1000, ports[r.IntN(len(ports))], 2)
	case 1:
		frame = packet.AppendIPv4(nil, to, 47, []byte("data"))
	case 2:
		if r.IntN(3) == 0 && to.EthDst[4] == 1 {
			to.Dst = []packet.IPv4{0x0a000001, 0x0a000101, 0x0a000201}[r.IntN(3)]
		}
		if to.EthDst == packet.Broadcast { // the kernel would answer to all
			to.EthDst = packet.MAC{2, 0, 0, 0, 0, 0x77}
		}
		frame = packet.AppendEchoRequest(nil, to, uint16(r.Uint32()), 1)
	default:
		frame = packet.AppendUDP(nil, to, 1000, ports[r.IntN(len(ports))], []byte("data"))
	}
	if r.IntN(4) == 0 && to.Dst != 0x0a000001 && to.Dst != 0x0a000101 && to.Dst != 0x0a000201 {
		ttl := uint8(1 + r.IntN(3))
		frame = edit(frame, func(m *packet.Match) { m.TTL = ttl })
	}
	return port, frame
}

// kernelNetwork makes the network of kernelSetup, and what more a script says, in a
// namespace of its own.
func kernelNetwork(t *testing.T, more string) map[string]*wire {
	t.Helper()
	peer.Root(t, "to make a network of the kernel's own")
	peer.Need(t, "nft")
	peer.Need(t, "ip")
	peer.Need(t, "sysctl")
	runtime.LockOSThread() // for good: the thread ends with the test, and its network with it
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		peer.Lack(t, "a network namespace: %v", err)
	}
	var cpus unix.CPUSet // on one processor frames do not overtake each other
	if err := unix.SchedGetaffinity(0, &cpus); err != nil {
		t.Fatal(err)
	}
	for i := range 1024 {
		if cpus.IsSet(i) {
			cpus.Zero()
			cpus.Set(i)
			break
		}
	}
	if err := unix.SchedSetaffinity(0, &cpus); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("sh", "-ec", kernelSetup+more).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return newWires(t)
}

// bothNetworks is the kernel's network and the simulator's.
type bothNetworks struct {
	wires map[string]*wire
	lab   *Lab
}

// newBothNetworks has the stations behind the bridge tell where they are: the kernel's
// bridge sees no ARP that would.
func newBothNetworks(t *testing.T, wires map[string]*wire, doc string) *bothNetworks {
	t.Helper()
	lab, err := New(document(t, doc))
	if err != nil {
		t.Fatal(err)
	}
	for i := byte(1); i <= 2; i++ {
		hello := append(bytes.Repeat([]byte{0xff}, 6), 2, 0, 0, 0, 0, i, 0x12, 0x34)
		name := fmt.Sprintf("w%d", i)
		play(t, wires, name, hello)
		if _, err := lab.Play(name, hello); err != nil {
			t.Fatal(err)
		}
	}
	return &bothNetworks{wires, lab}
}

// play has a frame enter both networks, which must deliver the same. It returns what
// they deliver, without ARP: the kernel knows its neighbours.
func (n *bothNetworks) play(t *testing.T, what, port string, frame []byte) []Delivery {
	t.Helper()
	got := play(t, n.wires, port, frame)
	s, err := n.lab.Play(port, frame)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	var delivered []Delivery
	for _, d := range s.Delivered {
		var m packet.Match
		if err := m.Parse(d.Frame); err != nil || m.Net != packet.NetARP {
			want = append(want, essence(d.Port, d.Frame))
			delivered = append(delivered, d)
		}
	}
	got, want = withoutUnreachable(got), withoutUnreachable(want)
	if !slices.Equal(got, want) {
		var tree strings.Builder
		_ = s.WriteTree(&tree)
		t.Fatalf("%s, %s %x:\nkernel    %q\nsimulator %q\n%s", what, port, frame, got, want, tree.String())
	}
	return delivered
}

// The kernel's bridge, routing and filters do with plain packets what the simulator
// says.
func TestAgainstKernel(t *testing.T) {
	n := newBothNetworks(t, kernelNetwork(t, ""), kernelDocument)
	r := rand.New(rand.NewPCG(1, 1))
	delivered := 0
	for i := range 3000 {
		port, frame := kernelFrame(r)
		delivered += len(n.play(t, fmt.Sprintf("frame %d", i), port, frame))
	}
	if delivered < 1000 {
		t.Errorf("%d frames were delivered: too few to say something", delivered)
	}
}
