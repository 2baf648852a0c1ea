// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sink

import (
	"fmt"
	"strings"
)

// dialect is how a database spells what others spell otherwise.
type dialect struct {
	blob, integer, noRowID, slash, view string
	numbered                            bool // parameters are $1 rather than ?1
	tables                              string
}

// schema are the tables and views. Names and paths are bytes, FIDs are 16 bytes in
// big-endian order, times are nanoseconds since 1970; uid and gid in the log are of who
// did it.
var schema = []string{
	`CREATE TABLE IF NOT EXISTS {cursor} (
		feed TEXT PRIMARY KEY, source TEXT NOT NULL, top {blob}, through BIGINT NOT NULL, state TEXT NOT NULL,
		scan BIGINT NOT NULL, updated BIGINT NOT NULL)`,
	`CREATE TABLE IF NOT EXISTS {obj} (
		fid {blob} PRIMARY KEY, type TEXT NOT NULL, mode INTEGER NOT NULL, uid BIGINT NOT NULL, gid BIGINT NOT NULL,
		size BIGINT NOT NULL, blocks BIGINT NOT NULL, nlink BIGINT NOT NULL, atime BIGINT NOT NULL, mtime BIGINT NOT NULL,
		ctime BIGINT NOT NULL, rdev BIGINT NOT NULL, link {blob}, last BIGINT NOT NULL, seen BIGINT NOT NULL) {norowid}`,
	`CREATE TABLE IF NOT EXISTS {ent} (
		pfid {blob} NOT NULL, name {blob} NOT NULL, fid {blob} NOT NULL, last BIGINT NOT NULL, seen BIGINT NOT NULL,
		PRIMARY KEY (pfid, name)) {norowid}`,
	`CREATE INDEX IF NOT EXISTS {ent}_fid ON {ent} (fid)`,
	`CREATE TABLE IF NOT EXISTS {log} (
		"index" {integer} PRIMARY KEY, time BIGINT NOT NULL, type TEXT NOT NULL, flags INTEGER NOT NULL,
		tfid {blob}, pfid {blob}, sfid {blob}, spfid {blob}, name {blob}, sname {blob}, path {blob}, spath {blob},
		uid BIGINT, gid BIGINT, nid TEXT, job {blob}, pid BIGINT, comm {blob}, "by" TEXT, size BIGINT, json TEXT NOT NULL)`,
	// Every name, from the directory that the tree begins with.
	`{view} {path} (fid, path) AS
		WITH RECURSIVE p (fid, path) AS (
			SELECT e.fid, e.name FROM {cursor} c JOIN {ent} e ON e.pfid = c.top
			UNION ALL
			SELECT e.fid, CAST(p.path || {slash} || e.name AS {blob}) FROM p JOIN {ent} e ON e.pfid = p.fid)
		SELECT fid, path FROM p`,
	// What does not hang together: a sign of records that are missing.
	`{view} {orphan} (what, fid, pfid, name) AS
		SELECT 'object without a name', o.fid, NULL, NULL FROM {obj} o
			WHERE NOT EXISTS (SELECT 1 FROM {ent} e WHERE e.fid = o.fid) AND o.fid NOT IN (SELECT top FROM {cursor} WHERE top IS NOT NULL)
		UNION ALL
		SELECT 'name without an object', e.fid, e.pfid, e.name FROM {ent} e
			WHERE NOT EXISTS (SELECT 1 FROM {obj} o WHERE o.fid = e.fid)
		UNION ALL
		SELECT 'name without its directory', e.fid, e.pfid, e.name FROM {ent} e
			WHERE NOT EXISTS (SELECT 1 FROM {obj} o WHERE o.fid = e.pfid)`,
	// How much larger the object of a record was after it than after the one before.
	`{view} {grown} ("index", time, type, fid, pfid, uid, bytes) AS
		SELECT "index", time, type, fid, pfid, uid, now - COALESCE(LAG(now) OVER (PARTITION BY fid ORDER BY "index"),
			CASE WHEN type = 'CREAT' THEN 0 ELSE now END)
		FROM (SELECT "index", time, type, pfid, uid, CASE WHEN type = 'RENME' THEN sfid ELSE tfid END AS fid,
				CASE WHEN type = 'UNLNK' AND flags % 2 = 1 THEN 0 ELSE size END AS now
			FROM {log} WHERE size IS NOT NULL AND type NOT IN ('MKDIR', 'RMDIR')) AS sized`,
	// Who filled a directory, by day.
	`{view} {filled} (pfid, uid, day, made, bytes, first, last) AS
		SELECT pfid, uid, time / 86400000000000, CAST(SUM(CASE WHEN type IN ('CREAT', 'SLINK', 'MKNOD', 'HLINK') THEN 1 ELSE 0 END) AS BIGINT),
			CAST(SUM(bytes) AS BIGINT), MIN(time), MAX(time)
		FROM {grown} WHERE pfid IS NOT NULL GROUP BY pfid, uid, time / 86400000000000`,
}

// tableNames are the braces that stand for tables and views.
var tableNames = []string{"cursor", "obj", "ent", "log", "path", "orphan", "grown", "filled"}

// sql spells a statement.
func (d *dialect) sql(text string) string {
	pairs := []string{
		"{blob}", d.blob, "{integer}", d.integer, "{norowid}", d.noRowID, "{slash}", d.slash, "{view}", d.view,
	}
	for _, n := range tableNames {
		pairs = append(pairs, "{"+n+"}", d.tables+n)
	}
	if d.numbered {
		for i := range 9 {
			pairs = append(pairs, fmt.Sprintf("?%d", i+1), fmt.Sprintf("$%d", i+1))
		}
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// quoted are columns as statements name them.
func quoted(columns []string) string { return `"` + strings.Join(columns, `", "`) + `"` }

// setAll has columns be what the columns of another table are, but for those that are
// the key; a link that is not known leaves what was.
func setAll(columns []string, from, to string) string {
	var sets []string
	for _, c := range columns[1:] {
		switch {
		case c == "link":
			sets = append(sets, fmt.Sprintf("link = COALESCE(%s.link, %s.link)", from, to))
		default:
			sets = append(sets, fmt.Sprintf("%s = %s.%s", c, from, c))
		}
	}
	return strings.Join(sets, ", ")
}

// Statements that both databases have. subtree is a directory, and what the tables
// have below it.
const (
	subtree = `WITH RECURSIVE t (fid) AS (SELECT CAST(?1 AS {blob}) UNION SELECT e.fid FROM t JOIN {ent} e ON e.pfid = t.fid) `

	sqlLeftObjects = subtree + `DELETE FROM {obj} WHERE fid IN (SELECT fid FROM t)
		AND NOT EXISTS (SELECT 1 FROM {ent} e WHERE e.fid = {obj}.fid AND e.pfid NOT IN (SELECT fid FROM t))`
	sqlLeftEntries = subtree + `DELETE FROM {ent} WHERE pfid IN (SELECT fid FROM t)`

	sqlMove = `UPDATE {cursor} SET source = ?3, top = ?4, through = ?5, state = ?6, scan = ?7, updated = ?8
		WHERE feed = ?1 AND through = ?2 AND scan = ?9`
	sqlBegin = `INSERT INTO {cursor} (feed, source, top, through, state, scan, updated) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)`

	sqlCursors = `SELECT feed, source, top, through, state, scan, updated FROM {cursor} ORDER BY updated DESC`
	sqlForget  = `DELETE FROM {cursor} WHERE feed <> ?1`

	sqlSweepEntries = `DELETE FROM {ent} WHERE seen < ?1`
	sqlSweepObjects = `DELETE FROM {obj} WHERE seen < ?1`
)

// moveArgs are the parameters of sqlMove.
func moveArgs(was, is *Cursor) []any {
	return []any{
		is.Feed, int64(was.Through), is.Source, fidOrNull(is.Top), int64(is.Through), string(is.State), is.Scan, is.Updated, was.Scan,
	}
}

// beginArgs are those of sqlBegin.
func beginArgs(c *Cursor) []any {
	return []any{c.Feed, c.Source, fidOrNull(c.Top), int64(c.Through), string(c.State), c.Scan, c.Updated}
}

// cursorOf is a row of sqlCursors.
func cursorOf(feed, source string, top []byte, through int64, state string, scan, updated int64) Cursor {
	c := Cursor{Feed: feed, Source: source, Through: uint64(through), State: State(state), Scan: scan, Updated: updated}
	c.Top, _ = parseFID(top)
	return c
}
