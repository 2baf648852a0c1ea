// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package config is weir's configuration: one TOML file, an environment
// variable for every key, and command-line flags, each overriding the one
// before.
//
// Reading is strict. An unknown key, an unknown variable of one of weir's
// sections, a value of the wrong type or out of its range is an error that
// names the file and line, the variable or the flag, and the key.
//
// The field tags are the reference: toml is the key, doc its description. The
// document docs/configuration.md is written from them.
package config

import (
	"math"
	"time"
)

// Config is the whole configuration. Start from Default or Load; the zero
// value is not valid.
type Config struct {
	Hub       Hub       `toml:"hub" doc:"The process: where it keeps its state and how it logs."`
	Relay     Relay     `toml:"relay" doc:"The relay: receives trace streams from LTTng producers and stores them."`
	Live      Live      `toml:"live" doc:"The live server: lets viewers read sessions while they are recorded."`
	Retention Retention `toml:"retention" doc:"Removal of old data. Only whole closed chunks are removed, never what is being written. All limits are off unless set."`
	Hop       Hop       `toml:"hop" doc:"The hop: passes producers' connections on to relays that they cannot reach themselves. Off unless it listens somewhere."`
	HTTP      HTTP      `toml:"http" doc:"The HTTP listener: health, metrics and the REST interface."`
	Agent     Agent     `toml:"agent" doc:"The session daemon that weir up runs beside the hub: it records this host."`

	Xmlsysd Xmlsysd `toml:"xmlsysd" doc:"Host statistics: weir up answers monitors that ask, in the protocol of xmlsysd, what this host's kernel counts."`

	Hosts Hosts `toml:"hosts" doc:"The hosts that the hub knows: those that agents register and those named here. Monitors find them there, and the hub asks them for their statistics itself, for its interface, its metrics and alarms."`

	Flow Flow `toml:"flow" doc:"Virtual networks and the traces of their flows: REST below /midonet-api of the HTTP listener, for who has a token."`

	// origins says where each key that is not at its default was set:
	// "weir.toml:12", "WEIR_RELAY_WORKERS", "--control".
	origins map[string]string
}

// Hub configures the process.
type Hub struct {
	StateDir  string `toml:"state_dir" doc:"Directory of everything weir keeps; absolute. Empty means /var/lib/weir for root, else $XDG_STATE_HOME/weir or ~/.local/state/weir."`
	OutputDir string `toml:"output_dir" doc:"Root of the stored traces; absolute. Empty means traces below state_dir."`
	LogLevel  string `toml:"log_level" doc:"Least severe level that is logged: debug, info, warn or error."`
	LogFormat string `toml:"log_format" doc:"Form of a log line on standard error: text or json."`
	LogEvents bool   `toml:"log_events" doc:"Whether log lines are events too, weir:log_info and its like, that weir agent and LTTng's session daemon can record."`
}

// Relay configures the producers' server.
type Relay struct {
	ControlURL []string `toml:"control_url" doc:"Where control connections are accepted: tcp://HOST:PORT, tcp4:// or tcp6://, IPv6 hosts in brackets; port 0 lets the system choose."`
	DataURL    []string `toml:"data_url" doc:"Where data connections are accepted."`
	DataUDP    bool     `toml:"data_udp" doc:"Take packets in datagrams, too, on UDP ports of the addresses and numbers of data_url, from producers of weir that ask for it. Whoever is on the way can read them."`
	LiveURL    []string `toml:"live_url" doc:"Where viewers are accepted. An empty list switches the live server off."`

	GroupOutputBy string `toml:"group_output_by" doc:"First level of the output tree: host or session."`
	AllowClear    bool   `toml:"allow_clear" doc:"Let producers clear a session's stored data."`
	Workers       int    `toml:"workers" doc:"Event loops that share the sessions; 0 means one for each CPU."`
	AcceptUnnamed bool   `toml:"accept_unnamed" doc:"Accept producers of protocol 2.1 to 2.3, which name neither host nor session: their streams' paths tell. Relays since 2.11 refuse them."`

	MaxConnections        int   `toml:"max_connections" doc:"Most connections to the control and data ports together. A further one takes the place of the oldest control connection that has said nothing; without such a one it is closed at once and counted."`
	MaxConnectionsPerPeer int   `toml:"max_connections_per_peer" doc:"Most connections to the control and data ports from one address; likewise."`
	MaxSessions           int   `toml:"max_sessions" doc:"Most sessions open at once; a further one is refused."`
	MaxStreamsPerSession  int   `toml:"max_streams_per_session" doc:"Most streams of one session; a further one is refused."`
	MaxPendingPerSession  int   `toml:"max_pending_per_session" doc:"Most packets, over all streams of one session, of which the data or the index has not arrived. A further one ends its connection and with it the session's streams, and is counted."`
	MaxPacketSize         Bytes `toml:"max_packet_size" doc:"Largest data packet. Packets go to disk as they arrive: this is not memory."`
	MaxMetadataPayload    Bytes `toml:"max_metadata_payload" doc:"Largest payload of one metadata message. It is held in memory until complete; the memory grows as bytes arrive."`
	MaxMetadataChecked    Bytes `toml:"max_metadata_checked" doc:"How much of one trace's metadata is checked as it arrives; what all traces declare may take eight times that of memory. A session says what was not checked. 0 means nothing: then broken metadata is not reported, and viewers up to babeltrace2 2.0.4 hear of new streams late."`
	MaxMemory             Bytes `toml:"max_memory" doc:"Memory of all receive buffers together. When it is used up, connections wait their turn to be read."`
	FDPoolSize            int   `toml:"fd_pool_size" doc:"Open-file budget of the stored streams; the least recently used files are closed when it is used up. At least 100; 0 means what the process limit leaves beside the connections."`

	HandshakeTimeout time.Duration `toml:"handshake_timeout" doc:"How long a new control connection or viewer may take for its first valid message; 0 means for ever. Data connections are silent until the first packet."`
	IdleTimeout      time.Duration `toml:"idle_timeout" doc:"How long an established connection may be silent; 0 means for ever, which is what LTTng producers need: an idle session is silent."`

	TCPKeepAlive         bool          `toml:"tcp_keep_alive" doc:"Probe silent producers with TCP keep-alive, so that a vanished host is noticed."`
	TCPKeepAliveIdle     time.Duration `toml:"tcp_keep_alive_idle" doc:"Silence before the first probe; whole seconds, 0 means the system's value."`
	TCPKeepAliveInterval time.Duration `toml:"tcp_keep_alive_interval" doc:"Time between probes; whole seconds, 0 means the system's value."`
	TCPKeepAliveProbes   int           `toml:"tcp_keep_alive_probes" doc:"Unanswered probes before the connection is given up; 0 means the system's value."`

	Fsync         string        `toml:"fsync" doc:"When stored data is forced to the disk: never (the system decides), chunk (when a trace chunk or a session closes) or interval."`
	FsyncInterval time.Duration `toml:"fsync_interval" doc:"Longest time that data stays unforced with fsync = \"interval\"."`
	Reserve       Bytes         `toml:"reserve" doc:"Disk space kept free for metadata and indexes: data packets are dropped and counted when less is left."`
	DrainTimeout  time.Duration `toml:"drain_timeout" doc:"How long a stop may take to store what was received before, and attached viewers to read it to its end."`
}

// Live configures the viewers' server.
type Live struct {
	MaxViewers        int           `toml:"max_viewers" doc:"Most viewer connections. A further one takes the place of the oldest silent one: one that has not begun to talk, or that has taken nothing of its reply for stall_timeout. Without such a one it is closed at once and counted."`
	MaxViewersPerPeer int           `toml:"max_viewers_per_peer" doc:"Most viewer connections from one address; likewise."`
	StallTimeout      time.Duration `toml:"stall_timeout" doc:"How long a viewer may take nothing of a reply that waits for it before it counts as silent; 0 means for ever. It is closed only when its place is needed: a viewer may be paused for hours."`
	InactivePace      time.Duration `toml:"inactive_pace" doc:"Least time between two identical \"inactive\" answers about one stream: a viewer that asks without pause is slowed to this."`
	RetainClosed      time.Duration `toml:"retain_closed" doc:"How long a closed stream waits for attached viewers that have not read it to its end."`
	History           bool          `toml:"history" doc:"Show each live session a second time as NAME@begin: viewers that attach to it read from the oldest stored packet on, even those that can only ask for the newest."`
}

// Retention configures the removal of old data.
type Retention struct {
	MaxAge   time.Duration `toml:"max_age" doc:"Remove closed chunks older than this; 0 means never."`
	MaxBytes Bytes         `toml:"max_bytes" doc:"Remove the oldest closed chunks while the stored traces are larger than this; 0 means never."`
	MinFree  Bytes         `toml:"min_free" doc:"Remove the oldest closed chunks while less than this is free on the disk; 0 means never."`
}

// Hop configures the passing on of connections.
type Hop struct {
	Listen                string        `toml:"listen" doc:"Address and port where connections are accepted that are to be passed on: HOST:PORT, IPv6 hosts in brackets. Empty switches the hop off."`
	Allow                 []string      `toml:"allow" doc:"Where connections may be passed on to: HOST:PORT, ADDRESS:PORT or CIDR:PORT, IPv6 in brackets, * for all ports. An empty list is nowhere."`
	MaxConnections        int           `toml:"max_connections" doc:"Most connections. A further one takes the place of the oldest one that is not through yet; without such a one it is closed at once and counted."`
	MaxConnectionsPerPeer int           `toml:"max_connections_per_peer" doc:"Most connections from one address; likewise."`
	IdleTimeout           time.Duration `toml:"idle_timeout" doc:"How long nothing may be passed on in either direction; 0 means for ever, which is what producers need: an idle session is silent. TCP keep-alive finds peers that are gone."`
}

// HTTP configures the HTTP listener.
type HTTP struct {
	Listen  string `toml:"listen" doc:"Address and port of the listener: HOST:PORT, IPv6 hosts in brackets. It has no access control of its own: keep it on loopback."`
	Console bool   `toml:"console" doc:"Serve the console, a page for browsers, at /."`
}

// Agent configures the session daemon.
type Agent struct {
	Enable   bool   `toml:"enable" doc:"Let weir up run the session daemon. Where one runs already it does without."`
	Socket   string `toml:"socket" doc:"Unix socket of the session daemon; absolute. Empty means /run/weir/agent.sock for root, else weir/agent.sock in $XDG_RUNTIME_DIR."`
	Session  bool   `toml:"session" doc:"Record a live session named weir from the start: the lives of processes, if the kernel may be traced, and what weir's sessions go through."`
	Realtime bool   `toml:"realtime" doc:"Read the kernel's rings with priority over ordinary threads, and those of applications as a nice value of -10 has it, if that is allowed: otherwise events are lost on a busy machine."`

	FeedsScrub time.Duration `toml:"feeds_scrub" doc:"How often each file system that feeds watch is compared with what is known of it, which finds what no event tells of, such as writing through a memory map; 0: never."`

	FeedsJob           string        `toml:"feeds_job" doc:"What records of feeds name as the job of the process that made a change: none; comm_uid, its command and user, as cp.1000; cgroup, the number of its control group; or env:NAME, a variable of its environment, as env:SLURM_JOB_ID. Records have room for 31 bytes."`
	FeedsMtimeInterval time.Duration `toml:"feeds_mtime_interval" doc:"Leave out records of a file's contents that change again within this time; that a writer has closed it, or that it has become shorter, is told in any case. 0: none is left out."`
}

// Xmlsysd configures the daemon of host statistics.
type Xmlsysd struct {
	Enable      bool     `toml:"enable" doc:"Let weir up serve host statistics. Where the port is taken it does without."`
	Listen      []string `toml:"listen" doc:"Where monitors are accepted: HOST:PORT, IPv6 hosts in brackets, port 7887 where none is given. An empty list is port 7887 of loopback. Other addresses need allow."`
	Allow       []string `toml:"allow" doc:"Networks whose monitors may connect, in CIDR notation, or any. An empty list is this host alone."`
	Expose      []string `toml:"expose" doc:"What monitors may see of people: cmdline (command lines of processes), sessions (who is logged in from where), raw (files below /proc and /sys), cgroups."`
	MaxSessions int      `toml:"max_sessions" doc:"Most monitors at once; a further connection is closed and counted."`
}

// When the listener for hosts enrols.
const (
	EnrolAuto   = "auto"
	EnrolAlways = "always"
	EnrolNever  = "never"
)

// Hosts configures the registry of hosts.
type Hosts struct {
	Listen      string        `toml:"listen" doc:"Address and port of a listener of its own for agents and monitors of other machines: HOST:PORT. It serves the hosts and nothing else, to the networks of allow. Empty: agents register at the HTTP listener."`
	TLSCert     string        `toml:"tls_cert" doc:"Certificate of that listener, a PEM file; empty: no TLS."`
	TLSKey      string        `toml:"tls_key" doc:"Its key, a PEM file."`
	TLSClientCA string        `toml:"tls_client_ca" doc:"Agents and monitors need a certificate of an authority in this PEM file; empty: none."`
	Enrol       string        `toml:"enrol" doc:"Whether agents and monitors join at that listener by what weir hosts invite prints, and everything between them and the hub goes by TLS 1.3: auto, where it listens on another address than loopback and tls_cert is empty; always; or never, which without tls_cert is plain text."`
	FeedsCA     string        `toml:"feeds_ca" doc:"Trust agents that serve feeds by TLS if an authority in this PEM file has signed their certificate; empty: the system's."`
	Allow       []string      `toml:"allow" doc:"Networks whose agents may register, in CIDR notation, or any. This machine always may, and whoever has joined may where the list is empty."`
	Watch       []string      `toml:"watch" doc:"Hosts that are asked without an agent: names or addresses, with ranges such as node[01-16], and :PORT where it is not 7887."`
	File        string        `toml:"file" doc:"A wulfhosts file, absolute: its hosts are asked as well, and its alarms judged. It is read anew when it has changed."`
	Poll        time.Duration `toml:"poll" doc:"How often each host is asked, from 500ms to 1m; 0: never."`
	Metrics     bool          `toml:"metrics" doc:"Show the figures of all hosts at /metrics and /metrics/node, with the label host. It takes some 40 KB a host."`
	Max         int           `toml:"max" doc:"Most hosts that agents register; a further one is refused and counted."`
	Forget      time.Duration `toml:"forget" doc:"How long a host is known whose agent has not renewed its registration."`
}

// Flow configures the virtual networks.
type Flow struct {
	Enable    bool          `toml:"enable" doc:"Let weir up serve virtual networks."`
	Store     string        `toml:"store" doc:"Where they are kept: embedded, a file in flow below state_dir, or zookeeper://HOST:PORT,HOST:PORT, which several hubs share."`
	Accounts  string        `toml:"accounts" doc:"JSON file of users with their roles, tenants and tokens; absolute. It is read again when it changes. Empty means flow/accounts.json below state_dir, which the first start makes with an administrator, whose token is in flow/token."`
	TokenLife time.Duration `toml:"token_life" doc:"How long the token of a login is valid."`

	TraceAge    time.Duration `toml:"trace_age" doc:"How long traced flows are kept."`
	TraceFlows  int           `toml:"trace_flows" doc:"How many flows of a trace request are kept; a further one takes the place of the oldest."`
	TraceEvents int           `toml:"trace_events" doc:"How many events of a flow are kept, and no more than 16 MiB: the first, and the result. The others are counted."`
	TraceBytes  Bytes         `toml:"trace_bytes" doc:"How much the flows of all trace requests take together; a further one takes the place of the oldest of all."`

	ElasticsearchURL     string `toml:"elasticsearch_url" doc:"Elasticsearch that gets the records of traced packets too, as they come: http://HOST:PORT or https://. Empty: none."`
	ElasticsearchIndex   string `toml:"elasticsearch_index" doc:"Its index or data stream."`
	ElasticsearchKeyFile string `toml:"elasticsearch_key_file" doc:"File with the API key, encoded, that it wants; absolute. It is read again when it changes. Empty: no authorization."`
	SplunkURL            string `toml:"splunk_url" doc:"HTTP event collector of a Splunk that gets them too: http://HOST:PORT or https://. Empty: none."`
	SplunkIndex          string `toml:"splunk_index" doc:"Its index; empty means that of the token."`
	SplunkTokenFile      string `toml:"splunk_token_file" doc:"File with the collector's token; absolute. It is read again when it changes."`
	ShipCA               string `toml:"ship_ca" doc:"Trust these services, too, if an authority in this PEM file has signed their certificate, beside the system's; absolute."`

	LogFile   string `toml:"log_file" doc:"File of this host, such as flow-trace.log, that gets a line for each record of a traced packet too; absolute. Who moves it away gets a new one. Empty: none."`
	LogFormat string `toml:"log_format" doc:"Form of its lines: text or json."`
	LogSize   Bytes  `toml:"log_size" doc:"It is put aside as NAME.1, and another one begun, before it gets larger than this."`
	LogKeep   int    `toml:"log_keep" doc:"How many files that were put aside are kept, up to NAME.log_keep, the oldest."`
}

// Default returns the built-in configuration. The directories are empty: Load
// fills them in for the user that it runs as.
func Default() *Config {
	return &Config{
		Hub: Hub{LogLevel: "info", LogFormat: "text"},
		Relay: Relay{
			ControlURL: []string{"tcp://127.0.0.1:5342"}, DataURL: []string{"tcp://127.0.0.1:5343"}, LiveURL: []string{"tcp://127.0.0.1:5344"},
			GroupOutputBy: "host", AllowClear: true,
			MaxConnections: 8192, MaxConnectionsPerPeer: 2048, MaxSessions: 4096, MaxStreamsPerSession: 65536,
			MaxPendingPerSession: 262144,
			MaxPacketSize:        GiB, MaxMetadataPayload: 16 * MiB, MaxMetadataChecked: 16 * MiB, MaxMemory: 256 * MiB,
			HandshakeTimeout: 10 * time.Second,
			TCPKeepAlive:     true, TCPKeepAliveIdle: time.Minute, TCPKeepAliveInterval: 10 * time.Second, TCPKeepAliveProbes: 6,
			Fsync: "never", FsyncInterval: 5 * time.Second, Reserve: 16 * MiB, DrainTimeout: 5 * time.Second,
		},
		Live:  Live{MaxViewers: 1024, MaxViewersPerPeer: 256, StallTimeout: 10 * time.Second, InactivePace: 10 * time.Millisecond, RetainClosed: 5 * time.Minute, History: true},
		Hop:   Hop{Allow: []string{}, MaxConnections: 1024, MaxConnectionsPerPeer: 256},
		HTTP:  HTTP{Listen: "127.0.0.1:9347", Console: true},
		Agent: Agent{Enable: true, Session: true, Realtime: true, FeedsScrub: 24 * time.Hour, FeedsJob: "comm_uid"},

		Xmlsysd: Xmlsysd{Enable: true, Listen: []string{}, Allow: []string{}, Expose: []string{}, MaxSessions: 10},
		Flow:    Flow{Enable: true, Store: EmbeddedStore, TokenLife: 24 * time.Hour, TraceAge: 24 * time.Hour, TraceFlows: 10000, TraceEvents: 10000, TraceBytes: GiB, ElasticsearchIndex: "weir-flows", LogFormat: "text", LogSize: 64 * MiB, LogKeep: 4},
		Hosts:   Hosts{Enrol: EnrolAuto, Allow: []string{}, Watch: []string{}, Poll: 5 * time.Second, Metrics: true, Max: 16384, Forget: time.Hour},
	}
}

// maxCount bounds the counts: more is a slip of the pen, not a wish.
const maxCount = math.MaxInt32
