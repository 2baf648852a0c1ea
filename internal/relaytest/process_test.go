// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaytest_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/peer"
	"github.com/weir-io/weir/internal/relaytest"
	"github.com/weir-io/weir/internal/wait"
	"github.com/weir-io/weir/lttng"
)

// process is a relay in a process of its own.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	relay *relaytest.Relay
}

// startProcess runs a relay with its files in dir and waits until it listens.
func startProcess(t *testing.T, dir string) *process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	// The race detector would hold up each end of a process for a second.
	cmd.Env = append(os.Environ(), serveIn+"="+dir, "TZ=UTC", "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = t.Output()
	// It must not outlive a test that panics.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // ended already, as a rule
	line, err := bufio.NewReader(out).ReadString('\n')
	ports := strings.Fields(line)
	if err != nil || len(ports) != 2 {
		t.Fatalf("relay said %q (error %v), want two ports", line, err)
	}
	return &process{t: t, cmd: cmd, relay: relaytest.Remote(t, ports[0], ports[1])}
}

// kill ends the process at once.
func (p *process) kill() {
	p.t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		p.t.Fatal(err)
	}
	_ = p.cmd.Wait() // says that it was killed
}

// stop ends the process in order and returns how long that took.
func (p *process) stop() time.Duration {
	p.t.Helper()
	begin := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("relay after SIGTERM: %v", err)
	}
	return time.Since(begin)
}

// pump is a producer that sends without pause: a window of packets, their
// indexes, and then the question whether all of it has arrived.
type pump struct {
	rec       *relaytest.Recording
	size      int
	window    uint64
	confirmed atomic.Uint64 // packets of each stream that have arrived for certain
	done      chan struct{} // closed when the connections are gone
}

// start lets the pump run until its connections end; wait joins it.
func (u *pump) start() {
	u.done = make(chan struct{})
	control, data := u.rec.Connections()
	go func() {
		defer close(u.done)
		for u.extend(control, data) == nil && u.round(control, data) == nil {
			u.confirmed.Add(u.window)
		}
	}()
}

// extend gives connections time for a round: all of them together may take longer
// than a test gives one that hangs.
func (u *pump) extend(conns ...net.Conn) error {
	var errs []error
	for _, c := range conns {
		errs = append(errs, c.SetDeadline(time.Now().Add(roundTime)))
	}
	return errors.Join(errs...)
}

// roundTime is far more than a round takes.
const roundTime = 30 * time.Second

func (u *pump) round(control, data net.Conn) error {
	from := u.confirmed.Load()
	var packets, requests []byte
	for seq := from; seq < from+u.window; seq++ {
		for i, id := range u.rec.Streams {
			packets = lttng.DataHeader{Stream: id, NetSeqNum: seq, DataSize: uint32(u.size)}.Append(packets)
			packets = append(packets, relaytest.Packet(i, seq, u.size)...)
			x := relaytest.Index(id, i, seq, seq, u.size)
			requests = lttng.AppendRequest(requests, lttng.CmdSendIndex, func(b []byte) []byte { return x.Append(b, u.rec.Minor) })
		}
	}
	if _, err := data.Write(packets); err != nil {
		return err
	}
	if err := u.ask(control, requests, int(u.window)*len(u.rec.Streams)); err != nil {
		return err
	}
	for _, id := range u.rec.Streams {
		request := lttng.AppendRequest(nil, lttng.CmdDataPending, lttng.DataPending{Stream: id, LastNetSeqNum: from + u.window - 1}.Append)
		err := errPending
		for err == errPending {
			err = u.ask(control, request, 1)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// errPending is the answer that data is still to come.
var errPending = errors.New("data pending")

// ask sends requests that are answered by a code each.
func (u *pump) ask(control net.Conn, requests []byte, answers int) error {
	if _, err := control.Write(requests); err != nil {
		return err
	}
	codes := make([]byte, 4*answers)
	if _, err := io.ReadFull(control, codes); err != nil {
		return err
	}
	for ; len(codes) > 0; codes = codes[4:] {
		switch code := lttng.ReplyCode(binary.BigEndian.Uint32(codes)); code {
		case lttng.ReplyOK, lttng.ReplyNotPending:
		case lttng.ReplyPending:
			return errPending
		default:
			return fmt.Errorf("answer %v", code)
		}
	}
	return nil
}

func (u *pump) wait() { <-u.done }

// roundBytes bounds the packets of a round in each stream: how soon the killed
// relay confirms something does not depend on the size of packets.
const roundBytes = 1 << 20

// untilRounds waits until some rounds are confirmed, however long that takes as
// long as one after the other is.
func (u *pump) untilRounds(t *testing.T, rounds uint64) {
	t.Helper()
	for n := range rounds {
		wait.Until(t, "one more round is confirmed", func() bool { return u.confirmed.Load() > n*u.window })
	}
}

// TestKillLosesNothingConfirmed kills a relay under load at random moments. What
// it has said to have is in its files; the next start repairs the rest, and
// babeltrace2 reads it.
func TestKillLosesNothingConfirmed(t *testing.T) {
	for round := range 6 {
		t.Run(strconv.Itoa(round), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(uint64(round), 0))
			dir := t.TempDir()
			p := startProcess(t, dir)
			var pumps []*pump
			for i, size := range []int{200, 5000, 100_000} {
				plan := relaytest.Plan{Streams: 2, Session: lttng.CreateSession{Name: "s" + strconv.Itoa(i)}}
				plan.Session.SessiondUUID[0] = byte(i + 1)
				rec := p.relay.Record(t, plan)
				rec.SendDescription()
				rec.Sync()
				pumps = append(pumps, &pump{rec: rec, size: size, window: 1 + rng.Uint64N(min(64, roundBytes/uint64(size)))})
			}
			for _, u := range pumps {
				u.start()
			}
			pumps[rng.IntN(len(pumps))].untilRounds(t, 1+rng.Uint64N(20))
			p.kill()
			for _, u := range pumps {
				u.wait()
				u.rec.Close()
			}
			startProcess(t, dir).stop()
			for _, u := range pumps {
				checkConfirmed(t, filepath.Join(dir, "out", u.rec.Session.Path, relaytest.StreamPath), u)
			}
		})
	}
}

// checkConfirmed checks that the files have at least what was confirmed, and whole
// packets only.
func checkConfirmed(t *testing.T, dir string, u *pump) {
	t.Helper()
	stored := make(map[string]int)
	for i := range u.rec.Streams {
		file := filepath.Join(dir, "ch_"+strconv.Itoa(i))
		numbers, rest := relaytest.Indexed(t, file)
		for n, number := range numbers {
			if number != uint64(n) {
				t.Fatalf("%s: packet %d in place of %d", file, number, n)
			}
		}
		if confirmed := u.confirmed.Load(); uint64(len(numbers)) < confirmed {
			t.Errorf("%s: %d packets in the index, want the %d confirmed", file, len(numbers), confirmed)
		}
		if rest%u.size != 0 {
			t.Errorf("%s: %d bytes behind the index, want whole packets of %d", file, rest, u.size)
		}
		stored[strconv.Itoa(i)] = len(numbers)
	}
	for cpu, n := range readEvents(t, dir) {
		if n < stored[cpu] {
			t.Errorf("%s: babeltrace2 reads %d packets of stream %s, want at least %d", dir, n, cpu, stored[cpu])
		}
	}
}

// readEvents lets babeltrace2 read a trace and returns the number of events by
// CPU, nothing when it is not installed.
func readEvents(t *testing.T, dir string) map[string]int {
	t.Helper()
	exe, ok := peer.Find(t, "babeltrace2")
	if !ok {
		return nil
	}
	cmd := exec.Command(exe, "--fields=all", dir)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("babeltrace2 %s: %v\n%s", dir, err, errs.String())
	}
	events := make(map[string]int)
	for line := range strings.Lines(string(out)) {
		_, rest, ok := strings.Cut(line, "cpu_id = ")
		if !ok {
			t.Fatalf("babeltrace2: no CPU in %q", line)
		}
		cpu, _, _ := strings.Cut(rest, " ")
		events[strings.TrimRight(cpu, ",")]++
	}
	return events
}

// A stop stores what was received before it, and does not wait for more.
func TestStopDrains(t *testing.T) {
	dir := t.TempDir()
	p := startProcess(t, dir)
	plan := relaytest.Plan{Streams: 2}
	rec := p.relay.Record(t, plan)
	rec.SendDescription()
	const packets, size = 300, 4096
	var data, indexes []byte
	for seq := range uint64(packets) {
		for i, id := range rec.Streams {
			data = lttng.DataHeader{Stream: id, NetSeqNum: seq, DataSize: size}.Append(data)
			data = append(data, relaytest.Packet(i, seq, size)...)
			indexes = lttng.AppendRequest(indexes, lttng.CmdSendIndex, func(b []byte) []byte {
				return relaytest.Index(id, i, seq, seq, size).Append(b, rec.Minor)
			})
		}
	}
	rec.SendData(data)
	rec.Send(indexes)
	// The connections stay open, as those of an idle producer do.
	if took := p.stop(); took > 5*time.Second {
		t.Errorf("stopped after %v, want at most 5 s", took)
	}
	for i := range rec.Streams {
		file := filepath.Join(dir, "out", rec.Session.Path, relaytest.StreamPath, "ch_"+strconv.Itoa(i))
		if got := relaytest.Stored(t, file); len(got) != packets {
			t.Errorf("%s: %d packets, want %d", file, len(got), packets)
		}
	}
}

// A stop under a load that does not end takes its time and no more, and leaves
// whole packets only.
func TestStopUnderLoad(t *testing.T) {
	dir := t.TempDir()
	p := startProcess(t, dir)
	rec := p.relay.Record(t, relaytest.Plan{Streams: 2})
	rec.SendDescription()
	rec.Sync()
	u := &pump{rec: rec, size: 5000, window: 32}
	u.start()
	wait.Until(t, "some packets are confirmed", func() bool { return u.confirmed.Load() > 100 })
	if took := p.stop(); took > 6*time.Second {
		t.Errorf("stopped after %v, want little more than 5 s", took)
	}
	u.wait()
	checkConfirmed(t, filepath.Join(dir, "out", rec.Session.Path, relaytest.StreamPath), u)
}

// A relay that is killed after a stream has gone to the next chunk, and before its
// metadata went there, leaves a chunk that can be read. Its metadata is a file of
// its own.
func TestKillBeforeMetadataTurns(t *testing.T) {
	dir := t.TempDir()
	p := startProcess(t, dir)
	rec := p.relay.Record(t, relaytest.Plan{})
	rec.SendDescription()
	nextChunk(t, rec)
	turn := turnTo(rec, 1, 0)
	turn.Streams = turn.Streams[:1]
	relaytest.MustOK(t, "ROTATE_STREAMS", rec.Rotate(turn))
	rec.SendWhole(0, 0, 200)
	wait.Until(t, "the packet is stored", func() bool {
		return rec.DataPending(rec.Streams[0], 0) == lttng.ReplyNotPending
	})
	p.kill()
	rec.Close()
	session := filepath.Join(dir, "out", rec.Session.Path)
	var files []os.FileInfo
	err := filepath.WalkDir(session, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "metadata" {
			return err
		}
		info, err := d.Info()
		files = append(files, info)
		return err
	})
	if err != nil || len(files) != 2 || files[0].Size() == 0 || files[0].Size() != files[1].Size() || os.SameFile(files[0], files[1]) {
		t.Errorf("metadata %v, %v; want two files of the same size, not one", files, err)
	}
}

// A relay that is killed after one domain has made the next chunk, and before
// the other joined it, leaves places for the time of a rotation: the next start
// puts what lies there where it can stay.
func TestKillInRotation(t *testing.T) {
	dir := t.TempDir()
	p := startProcess(t, dir)
	kernel := p.relay.Record(t, relaytest.Plan{Path: "kernel"})
	ust := p.relay.Record(t, relaytest.Plan{})
	for _, rec := range []*relaytest.Recording{kernel, ust} {
		rec.SendDescription()
		rec.SendWhole(0, 0, 200)
		wait.Until(t, "the packet is stored", func() bool {
			return rec.DataPending(rec.Streams[0], 0) == lttng.ReplyNotPending
		})
	}
	nextChunk(t, kernel)
	relaytest.MustOK(t, "ROTATE_STREAMS", kernel.Rotate(turnTo(kernel, 1, 1)))
	p.kill()
	kernel.Close()
	ust.Close()
	session := filepath.Join(dir, "out", kernel.Session.Path)
	next := startProcess(t, dir)
	wait.Until(t, "nothing is in a temporary place", func() bool {
		hidden, err := filepath.Glob(filepath.Join(session, ".*"))
		return err == nil && len(hidden) == 0
	})
	next.stop()
	// What babeltrace2 calls by one name are the streams of both domains.
	if events := readEvents(t, session); events != nil && events["0"] != 2 {
		t.Errorf("babeltrace2 reads %v packets, want one of each domain", events)
	}
	want := []string{"ch_0", "kernel/ch_0"}
	for _, file := range want {
		if got := placed(t, session)[file]; len(got) != 1 || got[0] != 0 {
			t.Errorf("packets %v in %s, want 0 alone", got, file)
		}
	}
}
