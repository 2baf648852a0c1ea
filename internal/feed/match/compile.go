// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package match

import (
	"os/user"
	"strconv"
	"strings"

	"github.com/weir-io/weir/changelog"
)

// Names finds the ids of users and groups that a filter names. A nil function knows
// no names.
type Names struct {
	User, Group func(name string) (id uint32, err error)
}

// HostNames are the names that this host knows.
func HostNames() Names {
	number := func(id string) (uint32, error) {
		n, err := strconv.ParseUint(id, 10, 32)
		return uint32(n), err
	}
	return Names{
		User: func(name string) (uint32, error) {
			u, err := user.Lookup(name)
			if err != nil {
				return 0, err
			}
			return number(u.Uid)
		},
		Group: func(name string) (uint32, error) {
			g, err := user.LookupGroup(name)
			if err != nil {
				return 0, err
			}
			return number(g.Gid)
		},
	}
}

// Compile makes a filter ready to be asked. Names of users are looked up now and not
// again. Errors are of type *changelog.Error.
func (f *Filter) Compile(names Names) (*Matcher, error) {
	m := &Matcher{types: changelog.AllMask}
	for _, compile := range [...]func() error{
		func() error { return f.types(&m.types) },
		func() error { return f.ids(&m.uid, fieldUID, names.User) },
		func() error { return f.ids(&m.gid, fieldGID, names.Group) },
		func() error { return f.ids(&m.owner, fieldOwner, names.User) },
		func() error { return f.ids(&m.pid, fieldPID, nil) },
		func() error { return f.globs(&m.path, fieldPath) },
		func() error { return f.globs(&m.name, fieldName) },
		func() error { return f.globs(&m.comm, fieldComm) },
		func() error { return f.globs(&m.job, fieldJob) },
		func() error { return f.kinds(&m.kinds) },
		func() error { return f.wish(&m.synth, fieldSynth) },
		func() error { return f.wish(&m.merged, fieldMerged) },
	} {
		if err := compile(); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (f *Filter) types(mask *changelog.Mask) error {
	for _, v := range f.values[fieldTypes] {
		var err error
		if *mask, err = changelog.ParseMask(v.text); err != nil {
			if e, ok := err.(*changelog.Error); ok {
				return v.fail(fieldTypes, e.Offset, e.Got, e.Want)
			}
			return err
		}
	}
	return nil
}

// ids compiles a list of ids, ranges and names.
func (f *Filter) ids(set **idSet, from field, lookup func(string) (uint32, error)) error {
	values := f.values[from]
	if len(values) == 0 {
		return nil
	}
	var include, exclude []idRange
	unknown, excludes := false, false
	for _, v := range values {
		item, not := strings.CutPrefix(v.text, "!")
		if not {
			v.at++
		}
		excludes = excludes || not
		if item == "unknown" {
			unknown = !not
			continue
		}
		r, err := idRangeOf(v, from, item, lookup)
		if err != nil {
			return err
		}
		if not {
			exclude = append(exclude, r)
		} else {
			include = append(include, r)
		}
	}
	if excludes && len(include) == 0 { // from all that is known
		include = []idRange{{0, changelog.Unknown - 1}}
	}
	*set = newIDSet(include, exclude, unknown)
	return nil
}

// idRangeOf reads an id, a range or a name.
func idRangeOf(v value, from field, item string, lookup func(string) (uint32, error)) (idRange, error) {
	if item == "" {
		return idRange{}, v.fail(from, 0, `""`, "an id, a range or a name")
	}
	if item[0] < '0' || item[0] > '9' {
		if lookup == nil {
			return idRange{}, v.fail(from, 0, strconv.Quote(item), "a number or a range, as 1000-1999")
		}
		id, err := lookup(item)
		if err != nil {
			return idRange{}, v.fail(from, 0, strconv.Quote(item), "an id, a range, or a name that this host knows: "+err.Error())
		}
		return idRange{id, id}, nil
	}
	first, last, isRange := strings.Cut(item, "-")
	lo, err := strconv.ParseUint(first, 10, 32)
	if err != nil || lo == changelog.Unknown {
		return idRange{}, v.fail(from, 0, strconv.Quote(first), "a number below 4294967295")
	}
	hi := lo
	if isRange {
		hi, err = strconv.ParseUint(last, 10, 32)
		if err != nil || hi == changelog.Unknown || hi < lo {
			return idRange{}, v.fail(from, len(first)+1, strconv.Quote(last), "a number from "+first+" on and below 4294967295")
		}
	}
	return idRange{uint32(lo), uint32(hi)}, nil
}

func (f *Filter) globs(list *globList, from field) error {
	for _, v := range f.values[from] {
		pattern, not := strings.CutPrefix(v.text, "!")
		if not {
			v.at++
		}
		if slash := strings.IndexByte(pattern, '/'); slash >= 0 && from == fieldName {
			return v.fail(from, slash, "a slash", "a pattern for one name; path has patterns for paths")
		}
		g, err := compileGlob(pattern, v.form, from.String(), v.at, from == fieldPath)
		if err != nil {
			return err
		}
		*list = append(*list, globItem{g, not})
	}
	return nil
}

func (f *Filter) kinds(set *kindSet) error {
	for _, v := range f.values[fieldKind] {
		for i, c := range v.text {
			if c == ' ' || c == ',' {
				continue
			}
			k := strings.IndexRune(kindLetters, c)
			if k < 0 {
				return v.fail(fieldKind, i, strconv.QuoteRune(c), "letters of "+kindLetters)
			}
			*set |= 1 << k
		}
		if *set == 0 {
			return v.fail(fieldKind, 0, strconv.Quote(v.text), "letters of "+kindLetters)
		}
	}
	return nil
}

func (f *Filter) wish(w *wish, from field) error {
	for _, v := range f.values[from] {
		switch v.text {
		case "yes":
			*w = wishYes
		case "no":
			*w = wishNo
		case "only":
			*w = wishOnly
		default:
			return v.fail(from, 0, strconv.Quote(v.text), "yes, no or only")
		}
	}
	return nil
}
