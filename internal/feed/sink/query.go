// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sink

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/weir-io/weir/changelog"
)

// Question is a query with a name.
type Question struct {
	Name  string
	About string // what it answers, for people
	Audit bool   // it needs weir_log
	text  string
}

// below are the directories of a tree, ?1 among them.
const below = `WITH RECURSIVE d (fid) AS (SELECT CAST(?1 AS {blob}) UNION
	SELECT e.fid FROM d JOIN {ent} e ON e.pfid = d.fid JOIN {obj} o ON o.fid = e.fid AND o.type = 'd') `

// The parameters of questions: ?1 is the directory's FID, ?2 and ?3 the bounds of time
// in nanoseconds, ?4 the number of rows. Questions that need no bounds say so in vain,
// for PostgreSQL wants each parameter used.
const (
	unbounded = ` AND CAST(?2 AS BIGINT) <= CAST(?3 AS BIGINT) `
	limited   = ` LIMIT CAST(?4 AS BIGINT)`
)

// questions are the queries with names.
var questions = []Question{
	{
		Name: "filled", About: "who filled a directory, by user and day: names made, bytes grown", Audit: true,
		text: below + `SELECT f.uid, f.time / 86400000000000 * 86400000000000 AS day,
			CAST(SUM(CASE WHEN f.type IN ('CREAT', 'SLINK', 'MKNOD', 'HLINK') THEN 1 ELSE 0 END) AS BIGINT) AS made,
			CAST(SUM(f.bytes) AS BIGINT) AS bytes, MIN(f.time) AS first_time, MAX(f.time) AS last_time
			FROM {grown} f WHERE f.pfid IN (SELECT fid FROM d) AND f.time >= ?2 AND f.time < ?3
			GROUP BY f.uid, f.time / 86400000000000 ORDER BY bytes DESC, made DESC` + limited,
	},
	{
		Name: "growth", About: "directories that grew most by what is directly in them", Audit: true,
		text: below + `SELECT g.pfid AS dir, CAST(SUM(g.bytes) AS BIGINT) AS bytes, COUNT(*) AS records, MAX(g.time) AS last_time
			FROM {grown} g WHERE g.pfid IN (SELECT fid FROM d) AND g.time >= ?2 AND g.time < ?3
			GROUP BY g.pfid ORDER BY bytes DESC` + limited,
	},
	{
		Name: "largest", About: "largest directories with all that is below them; a file with two names counts twice",
		text: below + `, up (dir, fid) AS (
				SELECT e.pfid, e.fid FROM {ent} e WHERE e.pfid IN (SELECT fid FROM d)
				UNION ALL
				SELECT e.pfid, up.fid FROM up JOIN {ent} e ON e.fid = up.dir WHERE e.pfid IN (SELECT fid FROM d))
			SELECT up.dir, CAST(SUM(o.size) AS BIGINT) AS bytes, CAST(SUM(o.blocks) AS BIGINT) * 512 AS used_bytes, COUNT(*) AS entries
			FROM up JOIN {obj} o ON o.fid = up.fid WHERE TRUE` + unbounded + `GROUP BY up.dir ORDER BY bytes DESC` + limited,
	},
	{
		Name: "owners", About: "whose files are in a tree: number, bytes, newest",
		text: below + `SELECT o.uid, COUNT(*) AS objects, CAST(SUM(o.size) AS BIGINT) AS bytes, CAST(SUM(o.blocks) AS BIGINT) * 512 AS used_bytes,
				MAX(o.mtime) AS last_time
			FROM {obj} o WHERE o.fid IN (SELECT e.fid FROM {ent} e WHERE e.pfid IN (SELECT fid FROM d))
				AND o.mtime >= ?2 AND o.mtime < ?3
			GROUP BY o.uid ORDER BY bytes DESC` + limited,
	},
	{
		Name: "orphans", About: "what does not hang together: objects without a name, names without an object or directory",
		text: `SELECT o.what, o.fid AS fid, o.pfid AS parent, o.name FROM {orphan} o
			WHERE CAST(?1 AS {blob}) IS NOT NULL` + unbounded + `ORDER BY o.what, o.fid` + limited,
	},
	{
		Name: "history", About: "records of a directory and of what is in it, newest first", Audit: true,
		text: `SELECT l."index", l.time AS last_time, l.type, l.uid, l.comm, l.path, l.spath FROM {log} l
			WHERE (l.tfid = ?1 OR l.pfid = ?1 OR l.spfid = ?1 OR l.sfid = ?1) AND l.time >= ?2 AND l.time < ?3
			ORDER BY l."index" DESC` + limited,
	},
}

// Questions are the queries with names.
func Questions() []Question { return questions }

// Ask says what is asked of a database.
type Ask struct {
	From, Tables string
	Name         string    // of the question
	Dir          string    // from the tree's top; empty: the top
	Since, Until time.Time // zero: without bound
	Limit        int       // rows
}

// Value is a cell of an answer: nil, int64, string, []byte, time.Time for columns that
// end with _time or are called day, or Path.
type Value any

// Path is where an object is, from the top of the tree.
type Path []byte

// Query hands out the rows of an answer.
func Query(ctx context.Context, a Ask, row func(columns []string, values []Value) error) error {
	var q *Question
	for i := range questions {
		if questions[i].Name == a.Name {
			q = &questions[i]
		}
	}
	if q == nil {
		return fmt.Errorf("query %q: want one of %s", a.Name, strings.Join(questionNames(), ", "))
	}
	if a.Tables == "" {
		a.Tables = DefaultTables
	}
	db, err := openDatabase(ctx, a.From, a.Tables, false)
	if err != nil {
		return err
	}
	err = query(ctx, db, q, &a, row)
	return errors.Join(err, db.close())
}

func questionNames() []string {
	var names []string
	for i := range questions {
		names = append(names, questions[i].Name)
	}
	return names
}

// forever is the last time that is asked for.
const forever = 1<<63 - 1

func query(ctx context.Context, db database, q *Question, a *Ask, row func([]string, []Value) error) error {
	top, err := topOf(ctx, db)
	if err != nil {
		return err
	}
	dir, err := resolve(ctx, db, top, a.Dir)
	if err != nil {
		return err
	}
	since, until := int64(0), int64(forever)
	if !a.Since.IsZero() {
		since = a.Since.UnixNano()
	}
	if !a.Until.IsZero() {
		until = a.Until.UnixNano()
	}
	if a.Limit <= 0 {
		a.Limit = 100
	}
	var columns []string
	var rows [][]Value
	err = db.query(ctx, q.text, []any{fidBytes(dir), since, until, int64(a.Limit)}, func(names []string, values []any) error {
		columns = names
		one := make([]Value, len(values))
		for i, v := range values {
			one[i] = valueOf(names[i], v)
		}
		rows = append(rows, one)
		return nil
	})
	if err != nil {
		return fmt.Errorf("query %s: %w", q.Name, err)
	}
	for _, values := range rows {
		if err := findPaths(ctx, db, top, columns, values); err != nil {
			return err
		}
		if err := row(columns, values); err != nil {
			return err
		}
	}
	return nil
}

// valueOf is a value as its column means it.
func valueOf(column string, v any) Value {
	switch v := v.(type) {
	case int64:
		if column == "day" || strings.HasSuffix(column, "_time") {
			return time.Unix(0, v).UTC()
		}
		return v
	case int32:
		return int64(v)
	case []byte:
		return append([]byte(nil), v...)
	}
	return v
}

// findPaths replaces FIDs in the columns dir and parent by paths where there are any,
// and other FIDs by their text.
func findPaths(ctx context.Context, db database, top changelog.FID, columns []string, values []Value) error {
	for i, c := range columns {
		b, _ := values[i].([]byte)
		f, ok := parseFID(b)
		switch {
		case !ok:
		case c == "fid":
			values[i] = f.String()
		case c == "dir" || c == "parent":
			p, found, err := pathOf(ctx, db, top, f)
			if err != nil {
				return err
			}
			if values[i] = p; !found {
				values[i] = f.String()
			}
		}
	}
	return nil
}

func topOf(ctx context.Context, db database) (changelog.FID, error) {
	all, err := db.cursors(ctx)
	if err != nil {
		return changelog.FID{}, fmt.Errorf("tables of a sink: %w", err)
	}
	if len(all) == 0 || all[0].Top.IsZero() {
		return changelog.FID{}, errors.New("the tables have no tree: no sink has scanned a source into them")
	}
	return all[0].Top, nil
}

// resolve finds a directory by its path from the top.
func resolve(ctx context.Context, db database, top changelog.FID, p string) (changelog.FID, error) {
	at := top
	for _, n := range strings.Split(path.Clean("/" + p)[1:], "/") {
		if n == "" {
			continue
		}
		var next changelog.FID
		err := db.query(ctx, `SELECT fid FROM {ent} WHERE pfid = ?1 AND name = ?2`, []any{fidBytes(at), []byte(n)},
			func(_ []string, v []any) error {
				b, _ := v[0].([]byte)
				next, _ = parseFID(b)
				return nil
			})
		if err != nil {
			return at, err
		}
		if next.IsZero() {
			return at, &fs.PathError{Op: "find", Path: p, Err: fmt.Errorf("the tables have no %q in %v: %w", n, at, fs.ErrNotExist)}
		}
		at = next
	}
	return at, nil
}

// maxDepth bounds paths, should rows ever form a ring.
const maxDepth = 4096

// pathOf finds a path of an object, upwards.
func pathOf(ctx context.Context, db database, top, f changelog.FID) (p Path, found bool, err error) {
	if f == top {
		return Path("."), true, nil
	}
	for range maxDepth {
		var parent changelog.FID
		var n []byte
		err := db.query(ctx, `SELECT pfid, name FROM {ent} WHERE fid = ?1 LIMIT 1`, []any{fidBytes(f)}, func(_ []string, v []any) error {
			b, _ := v[0].([]byte)
			parent, _ = parseFID(b)
			n, _ = v[1].([]byte)
			n = append([]byte(nil), n...)
			return nil
		})
		if err != nil || parent.IsZero() {
			return nil, false, err
		}
		if p == nil {
			p = n
		} else {
			p = append(append(n, '/'), p...)
		}
		if parent == top {
			return p, true, nil
		}
		f = parent
	}
	return nil, false, nil
}
