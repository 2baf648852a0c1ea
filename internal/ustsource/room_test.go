// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ustsource

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/weir-io/weir/client/agent"
)

// What the daemon itself cannot do is no reason to drop a program: it is recorded when
// there is room again, by the stream class that was there for it.
func TestNoRoom(t *testing.T) {
	s := serve(t)
	tr := watch(t, s)
	f := join(t, s, nil)
	<-f.registered
	c, err := tr.Channel(0, "c", agent.ChannelSettings{SubbufBytes: 4096, SubbufCount: 2})
	if err != nil {
		t.Fatal(err)
	}
	made := c.(*channel)
	made.geometry.SubbufBytes = 3 // of which no ring can be made
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if made.rings[owner{uid: uint32(os.Getuid())}] != nil {
		t.Fatal("there are rings")
	}
	made.geometry.SubbufBytes = 4096
	if err := errors.Join(c.Stop(), c.Start()); err != nil {
		t.Fatal(err)
	}
	if b := made.rings[owner{uid: uint32(os.Getuid())}]; b == nil || b.class.stream.ID != 0 {
		t.Errorf("rings %+v, want some of class 0", b)
	}
	if err := tr.Close(); err != nil {
		t.Error(err)
	}
	if w := tr.Warnings(); len(w) > 0 || len(s.all()) != 1 {
		t.Errorf("%d programs, warnings %q", len(s.all()), w)
	}
	s.all()[0].leave(nil)
	<-f.done
	if f.object == nil {
		t.Error("the program has got no channel")
	}
}

// Somebody who is many users gets no more rings than are for all.
func TestTooManyUsers(t *testing.T) {
	tr := watch(t, New(Options{}))
	c := &channel{t: tr, name: "c", rings: make(map[owner]*buffers)}
	for uid := range uint32(mostUsers) {
		c.rings[owner{uid: uid}] = nil
	}
	const another = mostUsers + 7
	if b, err := c.of(&program{uid: another}); b != nil || err == nil || !strings.Contains(err.Error(), "user 135") {
		t.Errorf("got %v, %v; want an error that names the user", b, err)
	}
	if _, ok := c.rings[owner{uid: another}]; ok || len(tr.parts) > 1 {
		t.Errorf("%d traces, want the owner's", len(tr.parts))
	}
}

// Rings that cannot be handed on are not forgotten.
func TestStreamsFail(t *testing.T) {
	tr := watch(t, New(Options{}))
	c := &channel{t: tr, rings: make(map[owner]*buffers)}
	for uid := range uint32(2) {
		f, err := os.Create(t.TempDir() + "/ring")
		if err != nil {
			t.Fatal(err)
		}
		p := tr.part(owner{uid: uid})
		class, err := p.newClass()
		if err != nil {
			t.Fatal(err)
		}
		c.rings[owner{uid: uid}] = &buffers{c: c, part: p, class: class, memory: []*os.File{f}, woken: []*os.File{f}}
	}
	whole, closed := c.rings[owner{uid: 1}].woken, []*os.File{os.NewFile(1<<30, "none")}
	c.rings[owner{uid: 1}].woken = closed
	if got, err := c.MoreStreams(); err == nil || len(got) > 0 {
		t.Errorf("%d rings, %v, of a file that is not open", len(got), err)
	}
	c.rings[owner{uid: 1}].woken = whole
	got, err := c.MoreStreams()
	if err != nil || len(got) != 2 {
		t.Errorf("%d rings, %v; want those of 2 users", len(got), err)
	}
	for _, s := range got {
		err = errors.Join(err, closeAll(s.Files))
	}
	if more, merr := c.MoreStreams(); len(more) > 0 || errors.Join(err, merr) != nil {
		t.Errorf("%d rings more, %v", len(more), errors.Join(err, merr))
	}
	if err := errors.Join(closeAll(c.rings[owner{}].memory), closeAll(c.rings[owner{uid: 1}].memory)); err != nil {
		t.Error(err)
	}
}
