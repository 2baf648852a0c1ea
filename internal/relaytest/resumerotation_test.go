// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaytest_test

import (
	"context"
	"path/filepath"
	"strconv"
	"testing"

	client "github.com/weir-io/weir/client/relay"
	"github.com/weir-io/weir/internal/relaytest"
)

// Rotations go on with the numbers of the chunks before, and what they had
// archived stays.
func TestResumeAmongRotations(t *testing.T) {
	dir := t.TempDir()
	p := newReturning(t, 2)
	relay := startProcess(t, dir)
	p.begin(relay.relay)
	var total uint64
	rotate := func() {
		t.Helper()
		r, err := p.session.Rotate(t.Context(), client.Rotation{Metadata: func(*client.Stream) []byte { return relaytest.Metadata() }})
		if err == nil {
			err = p.session.AwaitChunk(t.Context(), r.Old)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	back := func() {
		t.Helper()
		relay.kill()
		p.lose()
		relay = startProcess(t, dir)
		p.resume(relay.relay)
		for i, st := range p.data() {
			if st.Next() != total {
				t.Errorf("stream %d goes on at %d, want %d", i, st.Next(), total)
			}
		}
	}
	for range 3 {
		total += 4
		p.mustSend(total)
		if err := p.session.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		rotate()
		back() // nothing is in the new chunk
		total += 3
		p.mustSend(total)
		if err := p.session.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		back()
	}
	p.finish()
	relay.stop()
	p.checkOnce(filepath.Join(dir, "out"), total)
	archived, _ := filepath.Glob(filepath.Join(p.oneSession(filepath.Join(dir, "out")), "archives", "*-[0-3]"))
	if len(archived) != 4 {
		t.Errorf("archives %q, want those of chunks 0 to 3", archived)
	}
}

// Kernel and applications come back one after the other, and share chunk and
// directory as before.
func TestResumeTwoDomains(t *testing.T) {
	for _, first := range []int{0, 1} {
		t.Run(strconv.Itoa(first), func(t *testing.T) {
			dir := t.TempDir()
			kernel, ust := newReturning(t, 1), newReturning(t, 1)
			for i := range ust.streams {
				ust.streams[i].Path = "ust/uid/0/64-bit"
			}
			both := []*returning{kernel, ust}
			relay := startProcess(t, dir)
			for _, p := range both {
				p.begin(relay.relay)
				p.mustSend(5)
			}
			relay.kill()
			relay = startProcess(t, dir)
			both[first].lose()
			both[first].resume(relay.relay)
			both[first].mustSend(9)
			other := both[1-first]
			other.lose()
			other.resume(relay.relay)
			other.mustSend(9)
			// One of them loses its connection alone.
			other.lose()
			other.resume(relay.relay)
			other.mustSend(12)
			both[first].mustSend(12)
			for _, p := range both {
				p.finish()
			}
			relay.stop()
			session := kernel.oneSession(filepath.Join(dir, "out"))
			for _, file := range []string{"kernel/ch_0", "ust/uid/0/64-bit/ch_0"} {
				checkNumbers(t, file, relaytest.Stored(t, filepath.Join(session, file)), 12)
			}
			if left := marks(t, session); len(left) > 0 {
				t.Errorf("marks of a recording that ended in order: %q", left)
			}
		})
	}
}

// A relay is killed at each step of a rotation.
func TestResumeInRotation(t *testing.T) {
	for _, step := range []string{"created", "data turned", "metadata turned", "half sent"} {
		t.Run(step, func(t *testing.T) {
			dir := t.TempDir()
			p := newReturning(t, 2)
			relay := startProcess(t, dir)
			p.begin(relay.relay)
			p.mustSend(10)
			if err := p.session.Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := halfRotation(t.Context(), p, step); err != nil {
				t.Fatal(err)
			}
			relay.kill()
			p.lose()
			relay = startProcess(t, dir)
			p.resume(relay.relay)
			p.mustSend(20)
			if _, err := p.session.Rotate(t.Context(), client.Rotation{
				Metadata: func(*client.Stream) []byte { return relaytest.Metadata() },
			}); err != nil {
				t.Fatal(err)
			}
			p.mustSend(30)
			p.finish()
			relay.stop()
			p.checkOnce(filepath.Join(dir, "out"), 30)
		})
	}
}

func halfRotation(ctx context.Context, p *returning, step string) error {
	s := p.session
	if _, err := s.CreateChunk(ctx, client.Chunk{}); err != nil || step == "created" {
		return err
	}
	if err := s.RotateStreams(ctx, true, p.data()...); err != nil || step == "data turned" {
		return err
	}
	if err := s.RotateStreams(ctx, true, p.metadata()); err != nil || step == "metadata turned" {
		return err
	}
	p.describe()
	if err := p.send(13); err != nil {
		return err
	}
	return s.Drain(ctx)
}
