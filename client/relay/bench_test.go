// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/lttng"
)

// discardEnv makes this executable a peer for benchmarks instead of tests: in a
// process of its own, so that the figures are those of the client.
const discardEnv = "WEIR_RELAY_DISCARD"

// Nothing that a session starts may outlive it.
func TestMain(m *testing.M) {
	if os.Getenv(discardEnv) != "" {
		discard()
		return
	}
	goleak.VerifyTestMain(m)
}

// discard serves one session, whose packets it drops, and says where.
func discard() {
	control, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	data, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Printf("net://127.0.0.1:%d:%d\n", control.Addr().(*net.TCPAddr).Port, data.Addr().(*net.TCPAddr).Port)
	go func() { // ends with the process
		c, err := data.Accept()
		if err != nil {
			panic(err)
		}
		_, _ = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{c}, make([]byte, 1<<20))
	}()
	c, err := control.Accept()
	if err != nil {
		panic(err)
	}
	p := newPeer()
	p.raw[lttng.CmdSendIndex] = lttng.AppendCode(nil, lttng.ReplyOK)
	p.serve(c)
}

// startDiscard starts such a process, which ends with the session.
func startDiscard(b *testing.B) lttng.URL {
	b.Helper()
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.CommandContext(b.Context(), exe)
	cmd.Env = append(os.Environ(), discardEnv+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = cmd.Wait() }) // killed, or ended by itself
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	u, err := lttng.ParseURL(line[:len(line)-1])
	if err != nil {
		b.Fatal(err)
	}
	return u
}

// cpuTime returns what this process has used, in ns.
func cpuTime(b *testing.B) int64 {
	b.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

func BenchmarkSendPacket(b *testing.B) {
	for _, size := range []int{4 << 10, 64 << 10, 512 << 10} {
		for _, withContext := range []bool{false, true} {
			b.Run(fmt.Sprintf("%dKiB/context=%v", size>>10, withContext), func(b *testing.B) {
				ctx := context.Background()
				if withContext {
					ctx = b.Context()
				}
				benchmarkSendPacket(ctx, b, size)
			})
		}
	}
}

func benchmarkSendPacket(ctx context.Context, b *testing.B, size int) {
	s, err := Dial(b.Context(), startDiscard(b), lttng.URL{}, Options{Session: "s", Hostname: "h"})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Abort()
	data, _ := streams(b, s)
	packet := make([]byte, size)
	in := ctf.PacketInfo{Has: ctf.HasBegin | ctf.HasEnd}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	begin := cpuTime(b)
	for b.Loop() {
		if err := data[0].SendPacket(ctx, packet, in); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Sync(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(cpuTime(b)-begin)/float64(b.N), "cpu-ns/op")
}
