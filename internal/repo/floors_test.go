// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package repo

import (
	"go/ast"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// floors is the map of the house, docs/architecture.md in a table: each room
// and the floor that it is on. Imports go down only.
var floors = map[string]int{
	"internal/kernel/epoll": 0,
	"internal/complaint":    0,
	"internal/fdpool":       0,
	"internal/gate":         0,
	"internal/peer":         0, // tests only
	"internal/progress":     0,
	"internal/procstat":     0,
	"internal/tail":         0,
	"internal/version":      0,
	"internal/testport":     0, // tests only
	"internal/wait":         0, // tests only

	"tracepoint/internal/stopping": 0,

	"internal/bench":         1,
	"internal/benchproc":     1,
	"changelog":              1,
	"client":                 1,
	"client/live":            1,
	"ctf":                    1,
	"ctf/ctf2":               1,
	"ctf/schema":             1,
	"ctf/tsdl":               1,
	"lttng":                  1,
	"xmlsysd":                1,
	"internal/config":        1,
	"internal/daemon":        1,
	"internal/feed/journal":  1,
	"internal/feed/match":    1,
	"internal/filter":        1,
	"internal/flow/packet":   0,
	"internal/flow/topology": 1,
	"internal/metadata":      1,
	"internal/relaydopt":     1,
	"internal/store":         1,
	"internal/tracestore":    1,

	"tracepoint":              2,
	"tracepoint/runtimetrace": 2,
	"internal/hop":            2,
	"internal/identity":       1,
	"internal/enrol":          2,
	"internal/hosts":          2,
	"internal/metacheck":      2,
	"internal/relay":          2,
	"internal/live":           2,
	"internal/view":           2,
	"internal/convert":        2,
	"internal/repair":         2,
	"internal/resend":         2,

	"internal/api":             3,
	"internal/flow/rest":       3,
	"internal/hoststat/server": 3, // the daemon of internal/hoststat, whose engine other readers share
	"internal/hub":             3,
	"internal/console":         3,
	"internal/relaybench":      3,
	"internal/feedbench":       3,
	"internal/statbench":       3,
	"internal/tracebench":      3,
	"internal/ustbench":        3,
	"internal/viewbench":       3,

	"internal/live/livetest": 1, // tests only; knows the codec alone
	"internal/ctftest":       0, // tests only; knows nothing but the text
	"internal/relaytest":     4, // tests only
	"internal/systemtest":    6, // tests only

	"internal/hoststat/collect":  1,
	"internal/hoststat/alarm":    1,
	"internal/hoststat/roster":   2,
	"internal/hoststat/poll":     2,
	"internal/hoststat/table":    3,
	"internal/hoststat/page":     3,
	"internal/hoststat/monitor":  3,
	"internal/hoststat/fleet":    3,
	"internal/hoststat/screen":   3,
	"internal/feed/fstest":       0, // tests only
	"internal/feed/feedtest":     2, // tests only
	"internal/hoststat/polltest": 0, // tests only; knows nothing but the text

	"internal/cli": 4,
	"cmd/weir":     5,

	"internal/repo":             6, // tests only, above everything
	"internal/kernel/fanotify":  0,
	"internal/kernel/ftrace":    0,
	"internal/kernel/tracefs":   0,
	"internal/kernel/proc":      0,
	"internal/kernel/reread":    0,
	"internal/kernel/selfmap":   0,
	"internal/kernel/rtlink":    0,
	"internal/kernel/psi":       0,
	"internal/kernel/sockdiag":  0,
	"internal/kernel/tcpowner":  0,
	"client/agent":              1,
	"client/feed":               1,
	"client/flow":               1,
	"client/relay":              1,
	"internal/feed":             2,
	"internal/feed/access":      2,
	"internal/feed/tree":        2,
	"internal/kernel/inotify":   0,
	"internal/feed/capture":     2,
	"internal/feed/holder":      2,
	"internal/feed/mirror":      2,
	"internal/feed/server":      2,
	"internal/feed/service":     3,
	"internal/handover":         1,
	"internal/kerneltrace":      1,
	"internal/kernelfilter":     1,
	"internal/source":           1,
	"internal/traceclock":       1,
	"internal/ust/wire":         1,
	"internal/ust/ring":         1,
	"internal/ust/bytecode":     1,
	"internal/ustsource":        2,
	"internal/loggers/wire":     1,
	"internal/loggers":          2,
	"internal/consumer":         2,
	"internal/hoststat":         2,
	"internal/hoststat/metrics": 3,
	"internal/kernelsource":     2,
	"internal/selfsource":       2,
	"internal/statsource":       2,
	"internal/fssource":         2,
	"internal/session":          2,
	"internal/agent":            3,
	"internal/agent/agenttest":  3,
	"internal/feed/sink":        2,
	"internal/flow/archive":     2,
	"internal/flow/inventory":   2,
	"internal/flow/record":      1,
	"internal/flow/ship":        2,
	"internal/store/bolt":       1,
	"internal/store/storetest":  1, // tests only
	"internal/store/zookeeper":  1,
	"internal/feed/audit":       2,
	"internal/feed/fanin":       2,
	"internal/flow/sim":         2,
	"internal/flow/dryrun":      3,
}

// edge is an import from one room to another.
type edge struct{ from, to string }

// sideDoors are the imports within a floor that are allowed, with the reason.
var sideDoors = map[edge]string{
	{"ctf", "ctf/ctf2"}:                                      "a reader takes metadata of either version",
	{"ctf", "ctf/schema"}:                                    "packets are decoded and encoded by the schema",
	{"ctf", "ctf/tsdl"}:                                      "a reader takes metadata of either version",
	{"ctf/ctf2", "ctf/schema"}:                               "metadata become the schema",
	{"ctf/tsdl", "ctf/schema"}:                               "metadata become the schema",
	{"internal/flow/record", "internal/flow/topology"}:       "a record names objects of the model",
	{"internal/store/bolt", "internal/store"}:                "a backend implements the interface",
	{"internal/store/storetest", "internal/store"}:           "the suite speaks the interface",
	{"internal/store/zookeeper", "internal/store"}:           "a backend implements the interface",
	{"client", "client/feed"}:                                "problems of feeds say who reads them, and what is lost",
	{"client/live", "lttng"}:                                 "a viewer speaks the protocol",
	{"internal/hub", "internal/api"}:                         "the hub constructs the API as it constructs the services",
	{"internal/hub", "internal/console"}:                     "the hub hands the page to the interface that serves it",
	{"internal/hub", "internal/flow/dryrun"}:                 "the hub joins dry runs to the interface that asks for them",
	{"internal/hub", "internal/flow/rest"}:                   "the hub constructs the interface of networks as it constructs the services",
	{"internal/hub", "internal/hoststat/fleet"}:              "the hub constructs what asks hosts as it constructs the services",
	{"internal/hub", "internal/hoststat/server"}:             "certificates are read as the daemon of host statistics reads them",
	{"internal/live/livetest", "lttng"}:                      "a scripted viewer speaks the protocol",
	{"internal/metadata", "ctf"}:                             "metadata and its packets are those of CTF",
	{"internal/metadata", "ctf/schema"}:                      "empty packets are made by the schema",
	{"internal/metadata", "ctf/tsdl"}:                        "CTF 2 is translated to the text of CTF 1.8",
	{"internal/relaydopt", "lttng"}:                          "listener URLs are those of the protocol",
	{"internal/tracestore", "ctf"}:                           "the store writes index files; their format is part of CTF",
	{"internal/tracestore", "lttng"}:                         "the store's names and identifiers are those of the protocol",
	{"client/relay", "ctf"}:                                  "a stream takes packets as writers of CTF hand them out",
	{"client/relay", "lttng"}:                                "a producer speaks the protocol",
	{"client/feed", "changelog"}:                             "what a reader of a feed gets are records",
	{"internal/feed", "internal/feed/capture"}:               "feeds are read from sources, which the manager opens and stops",
	{"internal/feed/access", "internal/feed"}:                "a viewer is what a manager of feeds asks",
	{"internal/feed/server", "internal/feed"}:                "a server answers for the manager of feeds",
	{"internal/feed/feedtest", "internal/feed"}:              "an agent for tests has a manager of feeds",
	{"internal/feed/feedtest", "internal/feed/server"}:       "an agent for tests has a socket",
	{"internal/feed/fstest", "internal/peer"}:                "what a test's file systems need of the machine",
	{"client/agent", "lttng"}:                                "URIs of consumers are those of the protocol",
	{"internal/agent/agenttest", "internal/agent"}:           "callers are those of the interface",
	{"internal/handover", "ctf"}:                             "finished packets travel with their index",
	{"internal/source", "client/agent"}:                      "settings and rules are those of the daemon's documents",
	{"internal/source", "ctf"}:                               "an outlet writes the packets of a source that makes them itself",
	{"internal/source", "ctf/schema"}:                        "an outlet writes events as they are declared",
	{"internal/source", "internal/handover"}:                 "a source says what the consumer is told",
	{"internal/kernelfilter", "internal/filter"}:             "expressions are those of LTTng's language",
	{"internal/ust/bytecode", "internal/filter"}:             "programs are made of expressions of LTTng's language",
	{"internal/kernelfilter", "internal/kerneltrace"}:        "an expression names fields as the trace does",
	{"internal/hoststat/page", "internal/hoststat/table"}:    "pages are made of tables",
	{"internal/hoststat/monitor", "internal/hoststat/page"}:  "the logger's loop writes pages",
	{"internal/hoststat/monitor", "internal/hoststat/table"}: "the logger's loop fills tables",
	{"internal/hoststat/screen", "internal/hoststat/table"}:  "the screen shows tables",
	{"internal/hoststat/screen", "internal/hoststat/page"}:   "a view can be written to a file",
	{"internal/feed/journal", "changelog"}:                   "objects are named as in records",
	{"internal/feed/match", "changelog"}:                     "a filter looks at records",
	{"internal/kernel/psi", "internal/kernel/epoll"}:         "triggers are waited for by the event loop",
	{"internal/kerneltrace", "ctf"}:                          "packets go to the sinks of package ctf",
	{"internal/traceclock", "ctf"}:                           "clocks are declared as writers of CTF take them",
	{"internal/traceclock", "ctf/schema"}:                    "clocks are declared in the schema",
	{"internal/kerneltrace", "ctf/schema"}:                   "events are declared in the schema",
	{"tracepoint/runtimetrace", "tracepoint"}:                "what the runtime traces becomes tracepoints; it is apart for what it links",
	{"internal/kerneltrace", "ctf/tsdl"}:                     "the metadata is text of CTF 1.8",
}

// forbidden are imports that are wrong on any floor, by prefix of room and
// import path, with the reason. Tests are free to use them.
var forbidden = []struct{ room, imports, why string }{
	{"lttng", "net/http", "the codec does no I/O: bytes in, values out"},
	{"lttng", "os", "the codec does no I/O: bytes in, values out"},
	{"lttng", "syscall", "the codec does no I/O: bytes in, values out"},
	{"lttng", "golang.org/x/sys", "the codec does no I/O: bytes in, values out"},
	{"lttng", modulePath + "/internal", "a public package must be usable without weir"},
	{"client/agent", modulePath + "/internal", "a public package must be usable without weir"},
	{"client/flow", modulePath + "/internal", "a public package must be usable without weir"},
	{"client/live", modulePath + "/internal", "a public package must be usable without weir"},
	{"client/relay", modulePath + "/internal", "a public package must be usable without weir"},
	{"changelog", modulePath + "/internal", "a public package must be usable without weir"},
	{"changelog", "os", "the codec does no I/O: bytes in, values out"},
	{"changelog", "golang.org/x/sys", "the codec does no I/O: bytes in, values out"},
	{"ctf", modulePath + "/internal", "a public package must be usable without weir"},
	{"internal/kernel/ftrace", "os", "bytes in, values out: who opens files is the tracefs' room"},
	{"internal/kernel/ftrace", "syscall", "bytes in, values out: who opens files is the tracefs' room"},
	{"internal/relay", "net/http", "the services know nothing of HTTP; the API asks them"},
	{"internal/live", "net/http", "the services know nothing of HTTP; the API asks them"},
	{"internal/tracestore", "net/http", "the store knows files, not peers"},
	{"internal/config", modulePath, "the configuration is plain values; each service takes what it needs"},
}

// banned are packages that no room imports.
var banned = map[string]string{
	"log":       "slog, handed to constructors",
	"math/rand": "math/rand/v2, or crypto/rand for identifiers",
	"io/ioutil": "io and os have it",
	"C":         "weir is one static binary without cgo",
}

func TestImportsGoDown(t *testing.T) {
	for _, f := range openRepository(t).goFiles(t) {
		from, known := floors[f.room()]
		if !known {
			if !strings.HasPrefix(f.path, "tools/") {
				t.Errorf("%s: room %s is on no floor: add it to the table here and to docs/architecture.md", f.path, f.room())
			}
			continue
		}
		for _, spec := range f.ast.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			to, ours := strings.CutPrefix(name, modulePath+"/")
			if !ours || to == f.room() {
				continue
			}
			floor, known := floors[to]
			switch {
			case !known:
				t.Errorf("%s: imports %s, which is on no floor", f.line(spec.Pos()), to)
			case floor > from:
				t.Errorf("%s: %s (floor %d) imports %s (floor %d): imports go down only", f.line(spec.Pos()), f.room(), from, to, floor)
			case floor == from && !f.isTest() && sideDoors[edge{f.room(), to}] == "":
				t.Errorf("%s: %s imports %s on the same floor %d: let the floor above join them", f.line(spec.Pos()), f.room(), to, floor)
			}
		}
	}
}

func TestForbiddenImports(t *testing.T) {
	for _, f := range openRepository(t).goFiles(t) {
		if f.isTest() {
			continue
		}
		for _, spec := range f.ast.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if why, ok := banned[name]; ok {
				t.Errorf("%s: %s imports %s: %s", f.line(spec.Pos()), f.room(), name, why)
			}
			for _, rule := range forbidden {
				if within(f.room(), rule.room) && within(name, rule.imports) {
					t.Errorf("%s: %s imports %s: %s", f.line(spec.Pos()), f.room(), name, rule.why)
				}
			}
		}
	}
}

// withoutSockets are the rooms that may use package net's addresses only.
var withoutSockets = []string{"lttng", "ctf", "internal/config", "internal/tracestore", "internal/relaydopt"}

func TestNoSocketsBelowTheServices(t *testing.T) {
	for _, f := range openRepository(t).goFiles(t) {
		if f.isTest() || !slices.ContainsFunc(withoutSockets, func(room string) bool { return within(f.room(), room) }) {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			pkg, ok := sel.X.(*ast.Ident)
			if !ok || pkg.Name != "net" {
				return true
			}
			for _, verb := range []string{"Dial", "Listen", "Lookup", "Resolve", "Interface", "File"} {
				if strings.HasPrefix(sel.Sel.Name, verb) {
					t.Errorf("%s: %s uses net.%s: sockets belong to the floors above", f.line(n.Pos()), f.room(), sel.Sel.Name)
				}
			}
			return true
		})
	}
}

// within reports whether a path is prefix or below it.
func within(path, prefix string) bool {
	return path == prefix || strings.HasPrefix(path, prefix+"/")
}

func TestWithin(t *testing.T) {
	tests := []struct {
		path, prefix string
		want         bool
	}{
		{"net", "net", true},
		{"net/http", "net", true},
		{"network", "net", false},
		{modulePath + "/ctf", modulePath, true},
	}
	for _, tt := range tests {
		if got := within(tt.path, tt.prefix); got != tt.want {
			t.Errorf("within(%q, %q) = %v, want %v", tt.path, tt.prefix, got, tt.want)
		}
	}
}

// floorRow is a row of the table in docs/architecture.md: floor and room.
var floorRow = regexp.MustCompile("(?m)^\\| (\\d) \\| `([^`]+)`")

// The table that people read has the floors of this one, from the top.
func TestArchitectureHasTheFloors(t *testing.T) {
	rows := floorRow.FindAllStringSubmatch(openRepository(t).read(t, "docs/architecture.md"), -1)
	if len(rows) == 0 {
		t.Fatal("docs/architecture.md has no table of floors")
	}
	above := "9"
	for _, row := range rows {
		if want, known := floors[row[2]]; !known || row[1] != strconv.Itoa(want) {
			t.Errorf("docs/architecture.md: %s is on floor %s, want %d (known: %v)", row[2], row[1], want, known)
		}
		if row[1] > above {
			t.Errorf("docs/architecture.md: %s of floor %s stands below one of floor %s", row[2], row[1], above)
		}
		above = row[1]
	}
}

// The map that people read must name each room that exists.
func TestArchitectureNamesEveryRoom(t *testing.T) {
	r := openRepository(t)
	text := r.read(t, "docs/architecture.md")
	rooms := make(map[string]bool)
	for _, f := range r.goFiles(t) {
		if !strings.HasPrefix(f.path, "tools/") {
			rooms[f.room()] = true
		}
	}
	for _, room := range slices.Sorted(maps.Keys(rooms)) {
		if !strings.Contains(text, "`"+room+"`") {
			t.Errorf("docs/architecture.md does not name `%s`", room)
		}
	}
}

// roomParagraph is the beginning of what docs/architecture.md says of a room.
var roomParagraph = regexp.MustCompile("(?m)^\\*\\*`([^`]+)`")

// It tells of a room in one place: merges have made two of them.
func TestArchitectureTellsOfRoomsOnce(t *testing.T) {
	seen := make(map[string]bool)
	for _, m := range roomParagraph.FindAllStringSubmatch(openRepository(t).read(t, "docs/architecture.md"), -1) {
		if seen[m[1]] {
			t.Errorf("docs/architecture.md has two paragraphs of `%s`", m[1])
		}
		seen[m[1]] = true
	}
	if len(seen) < 50 {
		t.Errorf("docs/architecture.md tells of %d rooms alone", len(seen))
	}
}
