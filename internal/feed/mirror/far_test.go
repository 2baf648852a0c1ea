// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
	client "github.com/weir-io/weir/client/feed"
)

// beside answers as another host's agent does, and counts how often it is asked.
type beside struct{ questions, contents int }

func (b *beside) Tree(_ context.Context, r client.TreeRequest) ([]client.TreeAnswer, error) {
	b.questions++
	return Answer(r)
}

func (b *beside) TreeContent(_ context.Context, dir, fid string, offset, length int64) (io.ReadCloser, error) {
	b.contents++
	f, err := changelog.ParseFID(fid)
	if err != nil {
		return nil, err
	}
	c, err := OpenContent(dir, f)
	if err != nil {
		return nil, &client.Error{Code: client.CodeNotFound, Message: err.Error()}
	}
	defer c.Close()
	var all bytes.Buffer
	err = c.WriteTo(&all, offset, length)
	return io.NopCloser(&all), err
}

// far has the mirror ask an agent for its source.
func (m *mirrored) far() (*Mirror, *beside) {
	m.t.Helper()
	agent := &beside{}
	return m.farOf(agent), agent
}

func (m *mirrored) farOf(agent Agent) *Mirror {
	m.t.Helper()
	o := m.options()
	o.Agent = agent
	return m.startWith(o)
}

func TestFarMirrorIsEqualAfterStorm(t *testing.T) {
	m := newMirrored(t, "ext4")
	mi, _ := m.far()
	done := m.storm(11, 2, *tries)
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
			must(t, mi.Run(t.Context(), true))
		}
	}
	m.equal(mi)
}

// Questions go a long way: many go at once, whatever has happened to many names.
func TestFarMirrorAsksForManyAtOnce(t *testing.T) {
	const names = 200
	m := newMirrored(t, "tmpfs")
	// Some of each size that is read in another way.
	sizes := []int{0, 1, 4096, smallFile - 1, smallFile, smallFile + 1, 3 * smallFile}
	for i, size := range sizes {
		must(t, os.WriteFile(m.src.Path(fmt.Sprint("size", i)), bytes.Repeat([]byte("x"), size), 0o600))
	}
	m.sh("mkdir first; cd first; for i in $(seq 200); do echo $i > $i; done; truncate -s 50000 hole; echo end >> hole")
	mi, agent := m.far()
	m.equal(mi)
	for _, tt := range []struct{ what, script string }{
		{"first copy", ""},
		{"files made", "mkdir d; cd d; for i in $(seq 200); do echo $i > $i; done"},
		{"modes", "chmod 640 d/*"},
		{"renames", "mkdir e; mv d/* e"},
		{"directories", "cd e; mkdir $(seq -f y%g 200)"},
		{"removals", "rm -r d e"},
	} {
		if tt.script != "" {
			agent.questions, agent.contents = 0, 0
			m.sh(tt.script)
			m.equal(mi)
		}
		// It is asked again for what changed in the last moment, and by each batch.
		if asked := agent.questions + agent.contents; asked > names/5 {
			t.Errorf("%s: %d names took %d questions, want %d at most", tt.what, names, asked, names/5)
		} else {
			t.Logf("%s: %d questions, %d for contents alone", tt.what, agent.questions, agent.contents)
		}
	}
	var st unix.Stat_t
	must(t, unix.Stat(m.target+"/first/hole", &st))
	if st.Blocks*512 > 40_000 {
		t.Errorf("copy of a small file with a hole: got %d bytes on disk", st.Blocks*512)
	}
}

func TestContentsThatAreAskedFor(t *testing.T) {
	m := newMirrored(t, "tmpfs")
	m.sh("echo hello > f; mkfifo p; mkdir d; truncate -s 2M large")
	fid := func(path string) string {
		t.Helper()
		f, err := fidAt(unix.AT_FDCWD, m.src.Path(path))
		must(t, err)
		return f.String()
	}
	ask := func(q ...client.TreeQuestion) []client.TreeAnswer {
		t.Helper()
		all, err := Answer(client.TreeRequest{Dir: m.src.Dir, Ask: q})
		must(t, err)
		return all
	}
	q := func(fid string, length int64) client.TreeQuestion {
		return client.TreeQuestion{Op: client.AskContent, FID: fid, Length: length}
	}
	f, gone := fid("f"), fid("large")
	m.sh("rm large; truncate -s 2M large2")
	for _, tt := range []struct {
		what string
		ask  client.TreeQuestion
		want string // content
		err  string
		gone bool
	}{
		{"all", q(f, 100), "hello\n", "", false},
		{"the beginning", q(f, 2), "he", "", false},
		{"nothing", q(f, 0), "", "", false},
		{"less than nothing", q(f, -1), "", "bytes", false},
		{"too much", q(f, mostContent+1), "", "bytes", false},
		{"a pipe", q(fid("p"), 1), "", "no file", false},
		{"a directory", q(fid("d"), 1), "", "no file", false},
		{"garbage", q("[0x1:0x2]", 1), "", "FID", false},
		{"what is gone", q(gone, 1), "", "", true},
	} {
		a := ask(tt.ask)[0]
		if string(a.Content) != tt.want || !strings.Contains(a.Error, tt.err) || (a.Error == "") != (tt.err == "") || a.Gone != tt.gone {
			t.Errorf("%s: got %+v, want content %q, error %q, gone %v", tt.what, a, tt.want, tt.err, tt.gone)
		}
		if a.Error == "" && !a.Gone && (a.Stat == nil || a.Stat.Size != 6) {
			t.Errorf("%s: got %+v, want that the file has 6 bytes", tt.what, a.Stat)
		}
	}
	var many []client.TreeQuestion
	for range 9 {
		many = append(many, q(fid("large2"), 1<<20))
	}
	all := ask(many...)
	for i, a := range all {
		if (len(a.Content) == 1<<20) != (i < 8) || (a.Error == "") != (i < 8) {
			t.Errorf("file %d of 1 MiB: got %d bytes, error %q, want 8 MiB in all and an error then", i, len(a.Content), a.Error)
		}
	}
}

// An agent of another host is not believed.
func TestFarAgentThatAnswersBadly(t *testing.T) {
	m := newMirrored(t, "tmpfs")
	m.sh("echo 1 > f; echo 2 > g")
	mi, _ := m.far()
	r := mi.src.(*far)
	f, err := fidAt(unix.AT_FDCWD, m.src.Path("f"))
	must(t, err)
	r.forget()
	r.contents[f] = &client.TreeAnswer{Content: []byte("x")} // without what the file is like
	out, err := os.Create(t.TempDir() + "/out")
	must(t, err)
	defer out.Close()
	if k, err := r.copyTo(t.Context(), &pace{}, int(out.Fd()), f, new(unix.Stat_t)); err == nil {
		t.Errorf("content without a size: got %d bytes copied, want an error", k)
	}
	r.contents[f] = &client.TreeAnswer{Content: []byte("x"), Stat: &client.TreeStat{Mode: unix.S_IFREG | 0o600, Size: -5}}
	if k, err := r.copyTo(t.Context(), &pace{}, int(out.Fd()), f, new(unix.Stat_t)); err == nil {
		t.Errorf("content of a negative size: got %d bytes copied, want an error", k)
	}
}

// failing is an agent that cannot tell of one object.
type failing struct {
	beside
	fid string
	ops []client.TreeOp
	cut bool // contents, at byte 5000
}

func (b *failing) Tree(ctx context.Context, r client.TreeRequest) ([]client.TreeAnswer, error) {
	all, err := b.beside.Tree(ctx, r)
	for i := range all {
		switch op := r.Ask[i].Op; {
		case slices.Contains(b.ops, op) && r.Ask[i].FID == b.fid:
			all[i] = client.TreeAnswer{Error: "input/output error"}
		case op == client.AskLook && all[i].FID == b.fid && slices.Contains(b.ops, client.AskXattrs):
			all[i] = client.TreeAnswer{FID: b.fid} // as of what an agent cannot look at
		}
		if all[i].FID == b.fid && slices.Contains(b.ops, client.AskXattrs) { // of what cannot be looked at
			all[i] = client.TreeAnswer{FID: b.fid}
		}
	}
	return all, err
}

func (b *failing) TreeContent(ctx context.Context, dir, fid string, offset, length int64) (io.ReadCloser, error) {
	body, err := b.beside.TreeContent(ctx, dir, fid, offset, length)
	if err != nil || !b.cut || fid != b.fid {
		return body, err
	}
	cut := io.MultiReader(io.LimitReader(body, max(5000-offset, 0)), iotest.ErrReader(io.ErrUnexpectedEOF))
	return io.NopCloser(cut), nil
}

// One object that the agent cannot tell of does not stop the others.
func TestFarObjectThatFails(t *testing.T) {
	for _, tt := range []struct {
		what, size string
		ops        []client.TreeOp
		cut        bool
	}{
		{"contents of a small file", "1000", []client.TreeOp{client.AskContent}, false},
		{"attributes", "1000", []client.TreeOp{client.AskXattrs}, false},
		{"contents of a large file", "100000", nil, true},
	} {
		t.Run(tt.what, func(t *testing.T) {
			m := newMirrored(t, "tmpfs")
			m.sh("echo 1 > f; echo 3 > h; head -c " + tt.size + " /dev/urandom > g")
			g, err := fidAt(unix.AT_FDCWD, m.src.Path("g"))
			must(t, err)
			agent := &failing{fid: g.String(), ops: tt.ops, cut: tt.cut}
			mi := m.farOf(agent)
			m.isInTrouble(mi, "failing g")
			m.equalBut(mi, func(d Difference) bool { return d.Path == "g" })
			agent.ops, agent.cut = nil, false
			mi.retryNow()
			m.isInTrouble(mi)
			m.equal(mi)
		})
	}
}

// Of an object that it cannot look at an agent tells the FID: the rest is asked for alone.
func TestAnswerOfAFIDOnly(t *testing.T) {
	m := newMirrored(t, "tmpfs")
	m.sh("echo 1 > f")
	mi, _ := m.far()
	r := mi.src.(*far)
	f, err := fidAt(unix.AT_FDCWD, m.src.Path("f"))
	must(t, err)
	r.names[name{r.top, "f"}] = &client.TreeAnswer{FID: f.String()}
	if got, err := r.lookUp(name{r.top, "f"}); got != f || err != nil {
		t.Errorf("answer with a FID only: got %v, %v, want %v", got, err, f)
	}
	if st, _, err := r.stat(f); err != nil || st.Size != 2 {
		t.Errorf("object whose FID is all that was told: got %+v, %v, want 2 bytes", st, err)
	}
}

// mortal is an agent that is killed amid a file, again and again: what it has answered by
// then comes, and no more until it is back.
type mortal struct {
	beside
	lives int // that it has
	gone  int // how often it is asked in vain between two of them
	asked int // since it was killed
	bytes int64
}

func (b *mortal) isGone() error {
	if b.asked >= b.gone {
		return nil
	}
	b.asked++
	return client.ErrGone
}

func (b *mortal) Tree(ctx context.Context, r client.TreeRequest) ([]client.TreeAnswer, error) {
	if err := b.isGone(); err != nil {
		return nil, err
	}
	return b.beside.Tree(ctx, r)
}

func (b *mortal) TreeContent(ctx context.Context, dir, fid string, offset, length int64) (io.ReadCloser, error) {
	if err := b.isGone(); err != nil {
		return nil, err
	}
	if b.lives > 0 {
		b.lives--
		b.asked = 0
		length = 100_000
	}
	body, err := b.beside.TreeContent(ctx, dir, fid, offset, length)
	if err != nil || length != 100_000 {
		return body, err
	}
	b.bytes += length
	broken := []error{io.ErrUnexpectedEOF, unix.ECONNRESET}[b.lives%2]
	return io.NopCloser(io.MultiReader(body, iotest.ErrReader(broken))), nil
}

// A mirror waits for an agent that is killed amid a file, and goes on with that where it was.
func TestFarAgentKilledAmidAFile(t *testing.T) {
	for _, tt := range []struct {
		what    string
		gone    int
		awaits  int
		patient bool
		err     error
	}{
		{"back at once", 0, 0, true, nil},
		{"away for a while", 3, 3, true, nil},
		{"away for good", mostReturns + 1, mostReturns, true, client.ErrGone},
		{"nobody waits", 1, 0, false, client.ErrGone},
	} {
		t.Run(tt.what, func(t *testing.T) {
			m := newMirrored(t, "tmpfs")
			m.sh("head -c 3000000 /dev/urandom > large; echo 1 > z; touch -d 2001-02-03 large")
			agent := &mortal{lives: 6, gone: tt.gone}
			agent.asked = tt.gone // it lives at first
			awaits, most := 0, 0
			o := m.options()
			o.Agent = agent
			if tt.patient {
				o.Await = func(why error) error {
					if !errors.Is(why, client.ErrGone) {
						t.Errorf("awaited for %v", why)
					}
					awaits++
					most = max(most, agent.asked)
					return nil
				}
			}
			mi := m.startWith(o)
			if tt.err != nil {
				if err := m.fails(mi); !errors.Is(err, tt.err) || awaits != tt.awaits {
					t.Errorf("got %v after %d waits, want %v after %d", err, awaits, tt.err, tt.awaits)
				}
				return
			}
			m.equal(mi)
			if agent.lives > 0 || most != tt.awaits || mi.count.copied > 3_100_000 {
				t.Errorf("got %d lives left, %d waits in a row, %d bytes copied, want 0, %d and each byte once", agent.lives, most, mi.count.copied, tt.awaits)
			}
		})
	}
}
