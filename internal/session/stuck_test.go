// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/peer"
	"github.com/weir-io/weir/internal/selfsource"
	"github.com/weir-io/weir/internal/source"
)

// disk is a file system that can be frozen: whoever writes then waits in the kernel,
// where no signal ends him, as with a server that is gone.
type disk struct {
	h      *host
	dir    string
	frozen bool
}

// newDisk mounts one.
func (h *host) newDisk() *disk {
	h.Helper()
	peer.Root(h.T, "to mount a file system")
	mkfs, mount, umount := peer.Need(h.T, "mkfs.ext4"), peer.Need(h.T, "mount"), peer.Need(h.T, "umount")
	image, dir := filepath.Join(h.dir, "image"), filepath.Join(h.dir, "disk")
	h.must(os.WriteFile(image, nil, 0o600))
	h.must(os.Truncate(image, 64<<20))
	h.must(os.Mkdir(dir, 0o755))
	run := func(argv ...string) error {
		out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
		if err != nil {
			h.Logf("%s: %s", strings.Join(argv, " "), out)
		}
		return err
	}
	h.must(run(mkfs, "-q", "-F", image))
	if err := run(mount, "-o", "loop", image, dir); err != nil {
		peer.Lack(h.T, "loop devices: %v", err)
	}
	d := &disk{h: h, dir: dir}
	h.Cleanup(func() {
		d.thaw()
		for _, s := range h.daemon.Sessions(h.by) {
			if _, err := h.daemon.Destroy(context.Background(), h.by, s.Name, true); err != nil {
				h.Error(err)
			}
		}
		// Whoever waited there ends now.
		h.until("the file system is unmounted", func() bool { return exec.Command(umount, dir).Run() == nil })
	})
	return d
}

// Numbers of the calls that freeze a file system and thaw it.
const (
	fiFreeze = 0xc0045877
	fiThaw   = 0xc0045878
)

func (d *disk) call(number uint) {
	d.h.Helper()
	fd, err := unix.Open(d.dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	d.h.must(err)
	defer unix.Close(fd)
	d.h.must(unix.IoctlSetInt(fd, number, 0))
}

func (d *disk) freeze() {
	d.h.Helper()
	d.call(fiFreeze)
	d.frozen = true
}

func (d *disk) thaw() {
	d.h.Helper()
	if d.frozen {
		d.call(fiThaw)
		d.frozen = false
	}
}

// awaitStuck makes an event and waits until the session tells that its disk does not
// answer.
func (h *host) awaitStuck() {
	h.Helper()
	h.emit()
	h.until("it is told that the disk does not answer", func() bool {
		doc := h.session()
		return doc.State == agent.OutputError && strings.Contains(doc.Consumer.LastError, "packet of channel0_0: the file system does not answer") &&
			len(doc.Warnings) > 0 && strings.Contains(doc.Warnings[0], "does not answer")
	})
}

// quickHang has calls told that take a moment.
func quickHang(o *Options) { o.HangTimeout = 300 * time.Millisecond }

// TestDiskHangs has a file system not answer for a while: that is told while it lasts,
// nobody else notices, orders are not held up by it, and nothing is lost.
func TestDiskHangs(t *testing.T) {
	t.Parallel()
	h := newHost(t, quickHang)
	d := h.newDisk()
	h.begin(localURI(filepath.Join(d.dir, "trace")))
	notices := h.watch()
	d.freeze()
	h.awaitStuck()
	h.awaitNotice(notices, "error", "does not answer")
	// Others.
	other, _, err := h.daemon.Create(t.Context(), h.by, agent.CreateSession{Name: "other", URIs: []agent.URI{h.place("other")}})
	h.must(err)
	_, err = h.daemon.EnableEvents(t.Context(), h.by, other.Name, agent.EnableEvents{Domain: selfsource.Domain, Rules: []agent.EventRule{{Type: agent.Tracepoint, Pattern: "weir:trigger"}}})
	h.must(err)
	_, err = h.daemon.Start(t.Context(), h.by, other.Name)
	h.must(err)
	h.emit()
	_, err = h.daemon.Stop(t.Context(), h.by, other.Name, true)
	h.must(err)
	if doc, err := h.daemon.Session(h.by, other.Name); err != nil || doc.Consumer.Packets != 1 || len(doc.Warnings) > 0 {
		t.Errorf("another session has %d packets, warnings %q, %v; want 1", doc.Consumer.Packets, doc.Warnings, err)
	}
	// Orders.
	if _, err := h.daemon.Rotate(t.Context(), h.by, sessionName, true); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("rotated with %v", err)
	}
	if _, err := h.daemon.DisableConsumer(t.Context(), h.by, sessionName, false); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("disabled with %v", err)
	}
	begin := time.Now()
	if _, err := h.daemon.Stop(t.Context(), h.by, sessionName, true); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("stopped with %v", err)
	}
	h.start()
	if took := time.Since(begin); took > finishTimeout {
		t.Errorf("stopping and starting took %v: it was waited for", took)
	}
	h.emit()
	d.thaw()
	h.awaitNotice(notices, "state", "output works again")
	h.until("nothing is wrong any more", func() bool {
		doc := h.session()
		return doc.State == agent.Active && doc.Consumer.LastError == "" && len(doc.Warnings) == 0
	})
	h.stop()
	if doc := h.session(); h.recorded() != 3 || doc.Consumer.Lost != 0 {
		t.Errorf("%d events were taken, %d packets lost; want 3, none", h.recorded(), doc.Consumer.Lost)
	}
	_, err = h.daemon.Destroy(t.Context(), h.by, sessionName, true)
	h.must(err)
}

// TestDiskHangsStopped stops a session while its disk does not answer: what is left is
// read when that does.
func TestDiskHangsStopped(t *testing.T) {
	t.Parallel()
	h := newHost(t, quickHang)
	d := h.newDisk()
	place := localURI(filepath.Join(d.dir, "trace"))
	h.begin(place)
	d.freeze()
	h.awaitStuck()
	h.emit()
	if _, err := h.daemon.Stop(t.Context(), h.by, sessionName, true); err == nil {
		t.Error("stopped, as if all were at its place")
	}
	d.thaw()
	h.until("all is written", func() bool { return h.recorded() == 2 && len(h.packets(place)) == 2 })
}

// TestDiskHangsLeft moves a session away from a disk that does not answer, and ends
// one there.
func TestDiskHangsLeft(t *testing.T) {
	t.Parallel()
	h := newHost(t, quickHang)
	d := h.newDisk()
	h.begin(localURI(filepath.Join(d.dir, "first")))
	d.freeze()
	h.awaitStuck()
	h.within("enable-consumer", func() error {
		_, err := h.daemon.SetConsumerURI(t.Context(), h.by, sessionName, []agent.URI{h.place("rescue")})
		h.must(err)
		_, err = h.daemon.EnableConsumer(t.Context(), h.by, sessionName, agent.EnableConsumer{})
		return err
	})
	h.emit()
	h.until("it is recorded at the other place", func() bool { return len(h.packets(h.place("rescue"))) > 0 })
	doc := h.session()
	if doc.State != agent.Active || len(doc.Warnings) != 1 || !strings.Contains(doc.Warnings[0], "is left as it is") {
		t.Errorf("session is %s with warnings %q; want it active, and told of what is left", doc.State, doc.Warnings)
	}
	h.stop()
	d.thaw()
	h.enable(localURI(filepath.Join(d.dir, "second")))
	h.start()
	d.freeze()
	h.awaitStuck()
	h.within("destroy", func() error {
		if _, err := h.daemon.Destroy(t.Context(), h.by, sessionName, true); err == nil || !strings.Contains(err.Error(), "is lost") {
			t.Errorf("destroyed with %v, want what is lost told", err)
		}
		return nil
	})
	if all := h.daemon.Sessions(h.by); len(all) != 0 {
		t.Errorf("sessions are left: %+v", all)
	}
}

// TestTwoDomainsEndWhileDiskHangs ends a session of which one domain finds only then that the
// disk does not answer: that takes no longer than where both knew.
func TestTwoDomainsEndWhileDiskHangs(t *testing.T) {
	t.Parallel()
	late := &second{}
	h := newHost(t, quickHang, func(o *Options) {
		late.Source = selfsource.New(o.Log)
		o.Sources = append(o.Sources, source.Source(late))
	})
	d := h.newDisk()
	h.beginTwo(localURI(filepath.Join(d.dir, "trace")))
	d.freeze()
	h.awaitStuck()
	late.Emit(h.by.UID, agent.Notice{Time: time.Now(), Session: sessionName, Type: "trigger", Text: "test"})
	h.within("destroy", func() error {
		if _, err := h.daemon.Destroy(t.Context(), h.by, sessionName, true); err == nil || strings.Count(err.Error(), "is lost") != 2 {
			t.Errorf("destroyed with %v, want what is lost of both domains told", err)
		}
		return nil
	})
}

// TestShelveWhereDiskHangs puts nothing into its place where another domain has found that
// the disk does not answer: the daemon does not go there.
func TestShelveWhereDiskHangs(t *testing.T) {
	h := newTwoDomains(t, localURI(filepath.Join(t.TempDir(), "trace")))
	_, err := h.daemon.Rotate(t.Context(), h.by, sessionName, true)
	h.must(err)
	h.must(h.daemon.with(h.by, sessionName, func(s *Session) error {
		m, other := s.domains[0], s.domains[1]
		s.stuck.Store(m.src.Domain(), handover.Stuck{What: "test"})
		m.rescue()
		path := other.local.path()
		var done agent.Done
		h.must(s.shelve(&done))
		if _, err := os.Stat(path); err != nil || len(done.Names) != 0 {
			t.Errorf("at the place of the other domain: %v, chunks %q; want that it stays", err, done.Names)
		}
		if len(done.Warnings) != 1 || !strings.Contains(done.Warnings[0].Message, path) {
			t.Errorf("warnings %+v, want one that tells of %s", done.Warnings, path)
		}
		return nil
	}))
}

// TestDaemonEndsWhileDiskHangs ends the daemon in its time.
func TestDaemonEndsWhileDiskHangs(t *testing.T) {
	t.Parallel()
	h := newHost(t, quickHang)
	d := h.newDisk()
	h.begin(localURI(filepath.Join(d.dir, "trace")))
	d.freeze()
	h.awaitStuck()
	ctx, cancel := context.WithTimeout(t.Context(), endTimeout)
	defer cancel()
	if err := h.daemon.Close(ctx); err == nil || !strings.Contains(err.Error(), "is lost") || ctx.Err() != nil {
		t.Errorf("ended with %v, context %v; want what is lost told, in time", err, ctx.Err())
	}
}
