// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
	client "github.com/weir-io/weir/client/feed"
)

// Pages of whatever size are all names of a directory, each once and in order.
func TestPagesOfADirectory(t *testing.T) {
	m := newUnwatched(t, "tmpfs")
	var want []string
	for i := range 60 {
		n := strings.Repeat("x", 1+i*4) + fmt.Sprint(i%10)
		want = append(want, n)
		must(t, os.WriteFile(m.src.Path(n), nil, 0o600))
	}
	want = append(want, "\xff", "\n")
	must(t, os.WriteFile(m.src.Path("\xff"), nil, 0o600), os.WriteFile(m.src.Path("\n"), nil, 0o600))
	slices.Sort(want)
	s, err := openReal(m.src.Dir)
	must(t, err)
	defer s.close()
	for _, most := range []int{1, 2, 7, 31, 61, 62, 63, 100} {
		var got []string
		after := ""
		for more, pages := true, 0; more; pages++ {
			var page [][]byte
			page, more, err = s.listPage(s.top, []byte(after), most)
			must(t, err)
			if len(page) > most || more != (len(got)+len(page) < len(want)) || pages > len(want) {
				t.Fatalf("pages of %d, behind %q: got %d names, more %t", most, after, len(page), more)
			}
			for _, b := range page {
				got = append(got, string(b))
			}
			after = got[len(got)-1]
		}
		if !slices.Equal(got, want) {
			t.Errorf("pages of %d: got %q, want %q", most, got, want)
		}
	}
}

// pager is an agent that counts what it lists.
type pager struct {
	beside
	lists []int // names in an answer
}

func (p *pager) Tree(ctx context.Context, r client.TreeRequest) ([]client.TreeAnswer, error) {
	all, err := p.beside.Tree(ctx, r)
	for i := range all {
		if r.Ask[i].Op == client.AskList {
			p.lists = append(p.lists, len(all[i].Names))
		}
	}
	return all, err
}

// A directory of more names than an answer has room for is listed all the same.
func TestFarListingOfALargeDirectory(t *testing.T) {
	const entries = mostNames + 100
	m := newUnwatched(t, "tmpfs")
	m.sh(fmt.Sprintf("mkdir d; cd d; seq %d | xargs touch", entries))
	agent := &pager{}
	r, err := openFar(&Options{Agent: agent, Source: m.src.Dir})
	must(t, err)
	d, err := fidAt(unix.AT_FDCWD, m.src.Path("d"))
	must(t, err)
	l, err := r.list(d)
	must(t, err)
	seen := map[string]bool{}
	for {
		names, err := l.next(7000)
		must(t, err)
		if len(names) == 0 {
			break
		}
		for _, n := range names {
			seen[n] = true
		}
		if len(seen) == 7000 { // what comes and goes between two pages is told by records
			m.sh("rm d/1; touch d/0")
		}
	}
	delete(seen, "1")
	delete(seen, "0")
	if want := entries - 1; len(seen) != want || !slices.Equal(agent.lists, []int{mostNames, 100}) {
		t.Errorf("got %d names in answers of %v, want %d, and no answer of more than %d", len(seen), agent.lists, want, mostNames)
	}
}

// said is an agent that always answers the same.
type said struct {
	beside
	answer client.TreeAnswer
}

func (s *said) Tree(_ context.Context, r client.TreeRequest) ([]client.TreeAnswer, error) {
	all := make([]client.TreeAnswer, len(r.Ask))
	for i := range all {
		all[i] = s.answer
	}
	return all, nil
}

// An agent of another host cannot keep a mirror listing for ever, nor lead it elsewhere.
func TestFarListingThatIsBad(t *testing.T) {
	names := func(all ...string) (b [][]byte) {
		for _, n := range all {
			b = append(b, []byte(n))
		}
		return b
	}
	for _, tt := range []struct {
		what   string
		answer client.TreeAnswer
		good   bool
	}{
		{"in order", client.TreeAnswer{Names: names("a", "b")}, true},
		{"empty", client.TreeAnswer{}, true},
		{"gone", client.TreeAnswer{Gone: true}, true},
		{"the same again and again", client.TreeAnswer{Names: names("a", "b"), More: true}, false},
		{"out of order", client.TreeAnswer{Names: names("b", "a")}, false},
		{"twice", client.TreeAnswer{Names: names("a", "a")}, false},
		{"more of nothing", client.TreeAnswer{More: true}, false},
		{"another directory", client.TreeAnswer{Names: names("..")}, false},
		{"a path", client.TreeAnswer{Names: names("a/b")}, false},
		{"an error", client.TreeAnswer{Error: "input/output error"}, false},
	} {
		r := &far{agent: &said{answer: tt.answer}, dir: "/x"}
		r.forget()
		l, err := r.list(changelog.FID{Seq: 1})
		for range 3 {
			if err == nil {
				_, err = l.next(10)
			}
		}
		if (err == nil) != tt.good {
			t.Errorf("%s: got %v, want good %t", tt.what, err, tt.good)
		}
	}
}
