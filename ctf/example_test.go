// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf_test

import (
	"fmt"

	"github.com/weir-io/weir/ctf"
)

func ExampleParseIndexEntry() {
	file := ctf.AppendIndexHeader(nil, 1)
	file = ctf.IndexEntry{PacketSize: 32768, ContentSize: 13440}.Append(file, ctf.IndexRecordLenMinor)
	file = ctf.IndexEntry{Offset: 4096, PacketSize: 32768, PacketSeqNum: 1}.Append(file, ctf.IndexRecordLenMinor)

	header, err := ctf.ParseIndexHeader(file)
	if err != nil {
		fmt.Println(err)
		return
	}
	for records := file[ctf.IndexHeaderLen:]; len(records) > 0; records = records[header.RecordLen:] {
		entry, err := ctf.ParseIndexEntry(records, header.RecordLen)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("packet %d at byte %d, %d bytes\n", entry.PacketSeqNum, entry.Offset, entry.PacketSize/8)
	}
	// Output:
	// packet 0 at byte 0, 4096 bytes
	// packet 1 at byte 4096, 4096 bytes
}
