// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"container/heap"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/peer"
)

// site is another host: a network namespace beside the machine's. Its files and
// processes are the machine's.
type site struct {
	m    *machine
	name string
}

// site makes a host, which nothing reaches before there is a wire to it.
func (m *machine) site(name string) *site {
	m.Helper()
	m.run("ip", "netns", "add", name)
	s := &site{m, name}
	s.run("ip", "link", "set", "lo", "up")
	return s
}

// enter is what a command begins with that runs there. The machine is the nil site.
func (s *site) enter(command ...string) []string {
	if s == nil {
		return command
	}
	return append([]string{"nsenter", "--net=" + s.path()}, command...)
}

func (s *site) path() string { return filepath.Join("/run/netns", s.name) }

// run runs a program there to its end.
func (s *site) run(command ...string) string {
	s.m.Helper()
	return s.m.run(s.enter(command...)...)
}

// startWeir starts weir in the relay's place there, on all addresses.
func (s *site) startWeir(args ...string) *process {
	s.m.Helper()
	command := s.enter(s.m.weir(), "relayd", "-o", s.m.out, "-C", "tcp://0.0.0.0:5342", "-D", "tcp://0.0.0.0:5343")
	return s.m.startNotifying(append(command, args...)...)
}

// startOriginal starts lttng-relayd there.
func (s *site) startOriginal() *original {
	s.m.Helper()
	return s.m.startOriginalAs(s.enter("lttng-relayd", "-C", "tcp://0.0.0.0:5342", "-D", "tcp://0.0.0.0:5343"))
}

// startHop starts a relay there that passes connections on to anywhere.
func (s *site) startHop() *process {
	s.m.Helper()
	return s.m.startNotifying(s.enter(s.m.weir(), "relayd", "-o", s.m.mkdir("hop-"+s.name), "--http=none",
		"--hop-listen=0.0.0.0:7000", "--hop-allow=10.0.0.0/8:*")...)
}

// active lists the sessions that the relay there has open.
func (s *site) active() string {
	s.m.Helper()
	return s.run(s.m.weir(), "sessions", "--state", "active", "--json")
}

// refuse has the kernel there turn away what comes to a TCP port, in the words of nft,
// until the function that it returns is called.
func (s *site) refuse(port int, verdict string) (allow func()) {
	s.m.Helper()
	s.run("nft", fmt.Sprintf("add table inet weir; add chain inet weir in { type filter hook input priority 0; }; add rule inet weir in tcp dport %d %s", port, verdict))
	return func() {
		s.m.Helper()
		s.run("nft", "delete table inet weir")
	}
}

// trouble is what a wire does to packets. It stands for the kernel's netem, which
// not every kernel has.
type trouble struct {
	lost, twice   float64 // shares of the packets
	lostUDP       float64 // instead of lost, of those with datagrams; 0: as the others
	delay, jitter time.Duration
	cut           bool // nothing comes through, and nobody is told
}

// wire joins two sites. Each of them has a network device, from which the test
// takes packets and gives them to the other.
type wire struct {
	m          *machine
	near, far  string // addresses of the ends
	ends       [2]*os.File
	state      atomic.Pointer[trouble]
	lost, sent atomic.Int64
}

// wireSeed makes losses and delays the same in each run, as far as packets are.
const wireSeed = 1

// wire joins two sites, of which nil is the machine.
func (m *machine) wire(near, far *site) *wire {
	m.Helper()
	m.wires++
	w := &wire{m: m, near: fmt.Sprintf("10.77.%d.1", m.wires), far: fmt.Sprintf("10.77.%d.2", m.wires)}
	w.state.Store(new(trouble))
	device := fmt.Sprintf("wire%d", m.wires)
	for i, s := range []*site{near, far} {
		f, err := openTUN(s, device)
		if errors.Is(err, fs.ErrNotExist) {
			peer.Lack(m.T, "a kernel with TUN devices: %v", err)
		}
		if err != nil {
			m.Fatal(err)
		}
		w.ends[i] = f
		address := []string{w.near, w.far}[i]
		m.run(s.enter("ip", "address", "add", address+"/24", "dev", device)...)
		m.run(s.enter("ip", "link", "set", device, "up")...)
	}
	var running sync.WaitGroup
	for i := range w.ends {
		d := &direction{w: w, from: w.ends[i], to: w.ends[1-i], arrived: make(chan []byte, wireQueue), rng: rand.New(rand.NewPCG(wireSeed, uint64(i)))}
		running.Go(d.read)
		running.Go(d.write)
	}
	m.Cleanup(func() {
		w.ends[0].Close()
		w.ends[1].Close()
		running.Wait()
		m.Logf("wire to %s, seed %d: %d packets came through, %d were lost", w.far, wireSeed, w.sent.Load(), w.lost.Load())
	})
	return w
}

// is changes what the wire does to packets from now on.
func (w *wire) is(t trouble) { w.state.Store(&t) }

// url is where the relay at the far end is.
func (w *wire) url() string { return "net://" + w.far }

// openTUN makes a network device of a site whose packets the test sees.
func openTUN(s *site, device string) (f *os.File, err error) {
	done := make(chan struct{})
	go func() { // ends with its thread, which has gone to another namespace
		defer close(done)
		runtime.LockOSThread()
		if s != nil {
			ns, e := os.Open(s.path())
			if err = e; err != nil {
				return
			}
			defer ns.Close()
			if err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
				return
			}
		}
		var fd int
		if fd, err = unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0); err != nil {
			return
		}
		request, e := unix.NewIfreq(device)
		if err = e; err == nil {
			request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
			err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
		}
		if err != nil {
			unix.Close(fd)
			return
		}
		f = os.NewFile(uintptr(fd), device)
	}()
	<-done
	if err != nil {
		return nil, fmt.Errorf("device %s: %w", device, err)
	}
	return f, nil
}

// wireQueue is how many packets are on their way at most; what comes then is lost.
const wireQueue = 4096

// direction is one of the two of a wire.
type direction struct {
	w        *wire
	from, to *os.File
	arrived  chan []byte // closed by read

	// Owned by write.
	rng *rand.Rand
	due flights
}

// read takes packets until the device is closed.
func (d *direction) read() {
	defer close(d.arrived)
	for b := make([]byte, 64<<10); ; {
		n, err := d.from.Read(b)
		if err != nil {
			return
		}
		select {
		case d.arrived <- append([]byte(nil), b[:n]...):
		default:
			d.w.lost.Add(1)
		}
	}
}

// write lets packets come out when their time has come.
func (d *direction) write() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case b, ok := <-d.arrived:
			if !ok {
				return
			}
			d.take(b)
		case <-timer.C:
		}
		for len(d.due) > 0 && time.Until(d.due[0].at) <= 0 {
			d.deliver(heap.Pop(&d.due).(flying).packet)
		}
		if len(d.due) > 0 {
			timer.Reset(time.Until(d.due[0].at))
		}
	}
}

// take decides what becomes of a packet.
func (d *direction) take(b []byte) {
	t := d.w.state.Load()
	share := t.lost
	if t.lostUDP > 0 && isDatagram(b) {
		share = t.lostUDP
	}
	lost, twice := d.rng.Float64() < share, d.rng.Float64() < t.twice
	if lost || len(d.due) >= wireQueue {
		d.w.lost.Add(1)
		return
	}
	for range 1 + btoi(twice) {
		late := t.delay + time.Duration((2*d.rng.Float64()-1)*float64(t.jitter))
		if late <= 0 {
			d.deliver(b)
			continue
		}
		heap.Push(&d.due, flying{time.Now().Add(late), b})
	}
}

// isDatagram tells packets of IPv4 that are of UDP.
func isDatagram(b []byte) bool { return len(b) >= 20 && b[0]>>4 == 4 && b[9] == unix.IPPROTO_UDP }

// deliver lets a packet out. A device that is down, or full, takes none.
func (d *direction) deliver(b []byte) {
	if !d.w.state.Load().cut {
		if _, err := d.to.Write(b); err == nil {
			d.w.sent.Add(1)
			return
		}
	}
	d.w.lost.Add(1)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// flying is a packet on its way.
type flying struct {
	at     time.Time // it comes out
	packet []byte
}

// flights is a heap of packets, the first one due in front.
type flights []flying

func (f flights) Len() int           { return len(f) }
func (f flights) Less(i, j int) bool { return f[i].at.Before(f[j].at) }
func (f flights) Swap(i, j int)      { f[i], f[j] = f[j], f[i] }
func (f *flights) Push(x any)        { *f = append(*f, x.(flying)) }
func (f *flights) Pop() any {
	last := len(*f) - 1
	x := (*f)[last]
	(*f)[last] = flying{}
	*f = (*f)[:last]
	return x
}
