// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracebench

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/internal/kernel/ftrace"
	"github.com/weir-io/weir/internal/kernel/tracefs"
)

// depth is how much of events is compared.
type depth bool

const (
	keysOnly   depth = false
	withValues depth = true
)

// differences is what two recorders have not in common.
type differences struct {
	all, events   int // of the load; of these: that only one of them has
	examples      []string
	types, fields int          // whose values were compared
	keys          *differences // by processor, thread and name alone
}

// maxExamples bounds what is told of differences.
const maxExamples = 3

func (d *differences) text() string {
	if len(d.examples) == 0 {
		return ""
	}
	return "; " + strings.Join(d.examples, ", ")
}

// compare counts the events of the load's threads that only one recorder has.
func (r *both) compare(ctx context.Context, how depth) (differences, error) {
	var d differences
	c, err := newComparison(how)
	if err != nil {
		return d, err
	}
	if err := r.findThreads(ctx); err != nil {
		return d, err
	}
	if how == withValues {
		b := newBases(c)
		if err := errors.Join(r.readOurs(ctx, b.ours), r.readTheirs(ctx, b.theirs)); err != nil {
			return d, err
		}
		b.settle()
	}
	if err := r.readTheirs(ctx, c.theirs); err != nil { // it says how they are shown
		return d, err
	}
	if err := r.readOurs(ctx, c.ours); err != nil {
		return d, err
	}
	if c.all == 0 {
		return d, errors.New("no event of the load's")
	}
	if how == withValues && len(c.counts) > 0 {
		c.pairs = make(map[happened][2][]values)
		if err := errors.Join(r.readOurs(ctx, c.keepOurs), r.readTheirs(ctx, c.keepTheirs)); err != nil {
			return d, err
		}
	}
	return c.result(), nil
}

// comparison counts events by what two recorders say of them.
type comparison struct {
	depth  depth
	events map[string]*declared // by name
	reader reader
	counts map[key]int // of ours, less those of theirs
	all    int         // of ours
	used   map[string]bool

	pairs map[happened][2][]values // of what differs: ours, theirs
}

func newComparison(how depth) (*comparison, error) {
	c := &comparison{depth: how, counts: make(map[key]int), used: make(map[string]bool)}
	if how == keysOnly {
		return c, nil
	}
	var err error
	if c.reader.names, err = readNames(); err != nil {
		return nil, err
	}
	c.events, err = formatsOfKernel()
	return c, err
}

// key is that of an event whose values have been read.
func (c *comparison) key(h happened) key {
	if c.depth == keysOnly {
		return key{happened: h}
	}
	return key{h, c.reader.sum()}
}

func (c *comparison) event(name string) (*declared, error) {
	f := c.events[name]
	if f == nil {
		return nil, fmt.Errorf("event %s: the kernel does not have it", name)
	}
	return f, nil
}

func (c *comparison) ours(h happened, payload ctf.Value) error {
	if err := c.readOurs(h, payload); err != nil {
		return err
	}
	c.all++
	c.used[h.name] = true
	c.count(c.key(h), 1)
	return nil
}

func (c *comparison) readOurs(h happened, payload ctf.Value) error {
	if c.depth == keysOnly {
		return nil
	}
	f, err := c.event(h.name)
	if err != nil {
		return err
	}
	return c.reader.ours(f, payload)
}

func (c *comparison) theirs(h happened, text string) error {
	if err := c.readTheirs(h, text); err != nil {
		return err
	}
	c.count(c.key(h), -1)
	return nil
}

func (c *comparison) readTheirs(h happened, text string) error {
	if c.depth == keysOnly {
		return nil
	}
	f, err := c.event(h.name)
	if err != nil {
		return err
	}
	return c.reader.theirs(f, text)
}

// count adds to the events of a kind.
func (c *comparison) count(k key, n int) {
	if c.counts[k] += n; c.counts[k] == 0 {
		delete(c.counts, k)
	}
}

// maxPairs bounds what is kept to tell what differs.
const maxPairs = 100_000

// keepOurs keeps the values of an event that differs, and keepTheirs.
func (c *comparison) keepOurs(h happened, payload ctf.Value) error {
	err := c.readOurs(h, payload)
	if err == nil {
		c.keep(h, 0)
	}
	return err
}

func (c *comparison) keepTheirs(h happened, text string) error {
	err := c.readTheirs(h, text)
	if err == nil {
		c.keep(h, 1)
	}
	return err
}

func (c *comparison) keep(h happened, whose int) {
	if c.counts[c.key(h)] != 0 && len(c.pairs) < maxPairs {
		pair := c.pairs[h]
		pair[whose] = append(pair[whose], values{slices.Clone(c.reader.b), slices.Clone(c.reader.ends)})
		c.pairs[h] = pair
	}
}

// result says what differs.
func (c *comparison) result() differences {
	d := differences{all: c.all, types: len(c.used)}
	byKey := make(map[happened]int)
	for k, n := range c.counts {
		d.events += max(n, -n)
		byKey[k.happened] += n
	}
	for name := range c.used {
		if f := c.events[name]; f != nil {
			d.fields += len(f.Fields)
		}
	}
	keys := &differences{all: c.all}
	var words []string
	for h, n := range byKey {
		if n != 0 {
			keys.events += max(n, -n)
			words = append(words, fmt.Sprintf("%s of thread %d on processor %d: %+d", h.name, h.tid, h.cpu, n))
		}
	}
	keys.examples = first(words)
	d.keys = keys
	if d.examples = keys.examples; c.depth == withValues {
		d.examples = c.fieldsThatDiffer()
	}
	return d
}

// first returns some of many, in order.
func first(words []string) []string {
	slices.Sort(words)
	return words[:min(maxExamples, len(words))]
}

// fieldsThatDiffer says which fields differ how often, and how, where events of both
// can be put beside each other.
func (c *comparison) fieldsThatDiffer() (words []string) {
	type found struct {
		count   int
		example string
	}
	all := make(map[string]*found)
	for h, pair := range c.pairs {
		f := c.events[h.name]
		for i := range min(len(pair[0]), len(pair[1])) {
			a, b := &pair[0][i], &pair[1][i]
			for j := range f.Fields {
				if string(a.field(j)) == string(b.field(j)) {
					continue
				}
				name := h.name + "." + f.Fields[j].Name
				if all[name] == nil {
					all[name] = &found{example: fmt.Sprintf("%.40q and %.40q", a.field(j), b.field(j))}
				}
				all[name].count++
			}
		}
	}
	names := slices.SortedFunc(maps.Keys(all), func(a, b string) int { return all[b].count - all[a].count })
	for _, name := range names[:min(maxExamples, len(names))] {
		words = append(words, fmt.Sprintf("%s %d times, such as %s", name, all[name].count, all[name].example))
	}
	return words
}

// formatsOfKernel reads the declarations of all events.
func formatsOfKernel() (map[string]*declared, error) {
	fs, err := tracefs.Find()
	if err != nil {
		return nil, err
	}
	defer fs.Close()
	events, err := fs.Events()
	if err != nil {
		return nil, err
	}
	all := make(map[string]*declared, len(events))
	for _, n := range events {
		text, err := fs.Format(n, nil)
		if errors.Is(err, tracefs.ErrNoEvent) {
			continue // somebody's probe has gone
		}
		if err != nil {
			return nil, err
		}
		format, err := ftrace.ParseFormat(n.System, text)
		if err != nil {
			return nil, err
		}
		all[n.Name] = newDeclared(format)
	}
	return all, nil
}
