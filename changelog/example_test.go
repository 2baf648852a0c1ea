// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package changelog_test

import (
	"fmt"
	"time"

	"github.com/weir-io/weir/changelog"
)

// Records come from a feed in native form; this one is made here.
func ExampleDecodeNative() {
	b := changelog.AppendNative(nil, &changelog.Record{
		Index: 8, Time: time.Date(2026, 11, 20, 10, 0, 0, 123456789, time.UTC).UnixNano(), Type: changelog.Create,
		Target: changelog.FID{Seq: 12, Ver: 7}, Parent: changelog.FID{Seq: 2}, Name: []byte("report\n.txt"),
		Has: changelog.HasUser, UID: 1000, GID: 1000,
	})
	var r changelog.Record
	if err := changelog.DecodeNative(b, &r); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%d %v %v %q\n", r.Index, r.Type, r.Target, r.Name)
	fmt.Printf("%s\n", changelog.AppendJSON(nil, &r))
	fmt.Println(changelog.DecodeNative(b[:70], &r))
	// Output:
	// 8 CREAT [0xc:0x0:0x7] "report\n.txt"
	// {"i":8,"t":"2026-11-20T10:00:00.123456789Z","type":"CREAT","n":1,"fl":0,"tfid":"[0xc:0x0:0x7]","pfid":"[0x2:0x0:0x0]","name":"report\n.txt","uid":1000,"gid":1000}
	// native record: extra flags at offset 64: got 6 bytes, want 8
}

func ExampleParseText() {
	const line = "6 08RENME 10:00:00.123456789 2026.11.20 0x1 t=[0x10:0x0:0x7] j=mv.1000 p=[0x2:0x0:0x0] new s=[0xc:0x0:0x7] sp=[0x2:0x0:0x0] old"
	var r changelog.Record
	if err := changelog.ParseText([]byte(line), &r); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s: %v from %s to %s, victim %v gone: %v\n", r.Job, r.Source, r.SourceName, r.Name, r.Target, r.Flags&changelog.FlagLast != 0)
	// Output:
	// mv.1000: [0xc:0x0:0x7] from old to new, victim [0x10:0x0:0x7] gone: true
}

func ExampleParseMask() {
	mask, err := changelog.ParseMask("CREAT,UNLNK")
	fmt.Println(mask, err)
	mask, err = changelog.ParseMask("-CLOSE+OPEN")
	fmt.Println(mask.Has(changelog.Close), mask.Has(changelog.Open), mask.Has(changelog.Rename), err)
	// Output:
	// MARK,CREAT,UNLNK <nil>
	// false true true <nil>
}

func ExampleFIDOfHandle() {
	handle := []byte{12, 0, 0, 0, 0xAC, 0x73, 0x52, 0x9F} // of ext4
	f, ok := changelog.FIDOfHandle(changelog.HandleIno32, handle)
	h, _ := changelog.HandleOf(f, changelog.FSExt4)
	fmt.Println(f, ok, h.Type, h.Bytes())
	// Output:
	// [0xc:0x0:0x9f5273ac] true 1 [12 0 0 0 172 115 82 159]
}
