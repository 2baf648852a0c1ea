// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package client

import "time"

// State says whether a session is being received.
type State string

// States of a session.
const (
	Active State = "active" // a producer is connected
	Closed State = "closed" // only its files are there
)

// Session is a tracing session of one host, active or stored. Its kernel and
// user space parts, which a producer sends on connections of their own, are
// one.
type Session struct {
	ID        string    `json:"id" doc:"Made from the directory: the same while active, closed, and after a restart of the hub." example:"9f86d081884c7d65"`
	Name      string    `json:"name" doc:"Name without the time."`
	Host      string    `json:"host" doc:"Host name of the producer."`
	State     State     `json:"state" enum:"active,closed" doc:"active: a producer is connected. closed: only its files are there."`
	Live      bool      `json:"live" doc:"Viewers may attach."`
	Directory string    `json:"directory" doc:"Below the output directory; empty when an old producer has sent no stream yet."`
	Created   time.Time `json:"created" doc:"When the session was created."`
	Modified  time.Time `json:"modified,omitzero" doc:"Newest change of a stored file."`
	Stored    Stored    `json:"stored" doc:"What lies on disk."`
	Received  *Received `json:"received,omitempty" doc:"What came in; absent when closed."`
	Producers []Peer    `json:"producers" doc:"Connected parts of the session."`
	Viewers   int       `json:"viewers" doc:"Attached viewers."`

	MetadataErrors []MetadataError `json:"metadata_errors,omitempty" maxItems:"256" doc:"What is wrong with the metadata that arrived, by trace; absent when nothing is, and when closed. What was stored is as it came."`
}

// MetadataError is the first thing that is wrong with the metadata of a trace.
type MetadataError struct {
	Producer  string `json:"producer" doc:"ID of the part that sent it."`
	Trace     string `json:"trace" doc:"Directory of the trace in its chunk." example:"ust/uid/0/64-bit"`
	Message   string `json:"message" doc:"All of it on one line." example:"tsdl: line 9, column 12: got \"7\", want \";\""`
	Unchecked bool   `json:"unchecked" doc:"Nothing is known to be wrong: the rest was not checked, because it is too large."`
	Offset    int64  `json:"offset" doc:"Byte, from the start of the text, or of the fragments of CTF 2, or of the packets where their headers are wrong."`
	Line      int    `json:"line,omitempty" doc:"Line of a text of CTF 1.8, from 1."`
	Column    int    `json:"column,omitempty" doc:"Byte in the line, from 1."`
	Path      string `json:"path,omitempty" doc:"JSON path in a fragment of CTF 2."`
	Got       string `json:"got,omitempty" doc:"What stands there."`
	Want      string `json:"want,omitempty" doc:"What was expected."`
}

// Stored is what lies on disk of a session.
type Stored struct {
	Bytes  int64 `json:"bytes" doc:"Length of all files."`
	Files  int   `json:"files" doc:"Regular files."`
	Chunks int   `json:"chunks" doc:"Chunks, the open one included."`
}

// Received is what came in for a session, or one of its streams, of the
// streams that are open or kept for viewers.
type Received struct {
	Streams         int       `json:"streams" doc:"Streams, metadata included."`
	Packets         uint64    `json:"packets" doc:"Stored data packets."`
	Bytes           uint64    `json:"bytes" doc:"Stored data, padding included."`
	DroppedPackets  uint64    `json:"dropped_packets" doc:"Received and not stored: no space, or a file failed."`
	DiscardedEvents uint64    `json:"discarded_events" doc:"Discarded by the tracer, as it says."`
	LastArrival     time.Time `json:"last_arrival,omitzero" doc:"When the newest packet arrived."`
	Rate            *Rate     `json:"rate,omitempty" doc:"Absent until two samples were taken."`
}

// Rate is the speed between the two newest samples.
type Rate struct {
	Packets float64 `json:"packets_per_second" doc:"Packets each second."`
	Bytes   float64 `json:"bytes_per_second" doc:"Bytes each second."`
	Seconds float64 `json:"seconds" doc:"Time between the samples."`
}

// Peer is one connected part of a session.
type Peer struct {
	ID        string    `json:"id" doc:"Handle of the relay session."`
	Address   string    `json:"address" doc:"Address of the producer."`
	Protocol  string    `json:"protocol" doc:"Negotiated version of the relay protocol." example:"2.13"`
	LiveTimer int64     `json:"live_timer_us" doc:"Microseconds between two live beacons; 0 = not live."`
	Snapshot  bool      `json:"snapshot" doc:"The producer sends a snapshot."`
	Connected time.Time `json:"connected" doc:"When this part began."`
}

// Stream is one ring buffer of a session's part, or the metadata of a trace.
type Stream struct {
	ID             string    `json:"id" doc:"Handle of the stream."`
	Peer           string    `json:"producer" doc:"ID of the part that it belongs to."`
	Channel        string    `json:"channel" doc:"Name of the channel with the CPU's number, or metadata."`
	Trace          string    `json:"trace" doc:"Directory of the trace in its chunk."`
	Metadata       bool      `json:"metadata" doc:"This is the metadata of its trace."`
	Closed         bool      `json:"closed" doc:"Nothing will be added; kept for viewers."`
	Packets        uint64    `json:"packets" doc:"Stored data packets."`
	Bytes          uint64    `json:"bytes" doc:"Stored data, padding included."`
	DroppedPackets uint64    `json:"dropped_packets" doc:"Received and not stored."`
	Discarded      uint64    `json:"discarded_events" doc:"Discarded by the tracer, as its newest packet says."`
	LastTimestamp  string    `json:"last_timestamp" doc:"End of the newest packet on the trace's clock, in its ticks."`
	LastArrival    time.Time `json:"last_arrival,omitzero" doc:"When the newest packet arrived."`
	Rate           *Rate     `json:"rate,omitempty" doc:"Absent until two samples were taken."`
}

// ChunkState says whether a chunk is being written, and what it was made for.
type ChunkState string

// States of a chunk.
const (
	ChunkOpen     ChunkState = "open"     // being written
	ChunkClosed   ChunkState = "closed"   // left where it was written
	ChunkArchived ChunkState = "archived" // closed by a rotation
	ChunkSnapshot ChunkState = "snapshot"
)

// Chunk is what lies between two rotations of a session, or a snapshot.
type Chunk struct {
	ID        string     `json:"id" doc:"Name of the chunk's directory; .session for the chunk in the session's own directory." example:"20261120T101639+0000-20261120T101640+0000-1"`
	Number    *int64     `json:"number,omitempty" doc:"As the producer counts; absent when the name does not tell."`
	State     ChunkState `json:"state" enum:"open,closed,archived,snapshot" doc:"Only an open one cannot be deleted or downloaded."`
	Directory string     `json:"directory" doc:"Below the output directory."`
	Created   time.Time  `json:"created,omitzero" doc:"Begin, when the name tells."`
	Closed    time.Time  `json:"closed,omitzero" doc:"End, when the name tells."`
	Modified  time.Time  `json:"modified,omitzero" doc:"Newest change of a file."`
	Bytes     int64      `json:"bytes" doc:"Length of all files."`
	Files     int        `json:"files" doc:"Regular files."`
}

// Page is a part of a list.
type Page[T any] struct {
	Items []T    `json:"items" doc:"The part's items."`
	Next  string `json:"next_cursor,omitempty" doc:"Cursor of the next part; absent in the last one."`
}
