// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package xmlsysd_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"net"
	"os"

	"github.com/weir-io/weir/xmlsysd"
)

// A client asks a daemon for a message and looks something up in it.
func ExampleClient() {
	ctx := context.Background()
	client := xmlsysd.NewClient(daemon())
	defer client.Close()
	if err := client.Start(ctx, "stat", "dev"); err != nil {
		log.Fatal(err)
	}
	body, err := client.Sample(ctx)
	if err != nil {
		log.Fatal(err)
	}
	doc, err := xmlsysd.ParseDocument(body)
	if err != nil {
		log.Fatal(err)
	}
	bytes, err := doc.Uint(`/xmlsysd/proc/net/dev/interface[@devtype="eth" and @devid="0"]/receive/bytes`)
	fmt.Println(bytes, err)
	_, err = doc.Uint("proc/stat/cpu[@id=\"1\"]/user")
	fmt.Println(err)
	// Output:
	// 762887796 <nil>
	// xmlsysd: path proc/stat/cpu[@id="1"]/user: no cpu[@id="1"]
}

// daemon stands for one that has the message of 2002.
func daemon() net.Conn {
	here, there := net.Pipe()
	message, err := os.ReadFile("testdata/sample2002.msg")
	if err != nil {
		log.Fatal(err)
	}
	go func() { // ends with the connection
		buf := make([]byte, 1024)
		for {
			n, err := there.Read(buf)
			if err != nil {
				return
			}
			if bytes.HasSuffix(buf[:n], []byte("send\n")) {
				_, _ = there.Write(message)
			}
		}
	}()
	return here
}

// A monitor reads the same leaves of many messages.
func ExampleReading() {
	var want xmlsysd.Slots
	load := want.Leaf("proc/loadavg/load1")
	nets := want.List("proc/net/dev/interface", "devtype", "devid")
	rx := want.Column(nets, "receive/bytes")
	reading := xmlsysd.NewReading(&want)

	file, err := os.Open("testdata/sample2002.msg")
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	body, err := xmlsysd.NewReader(file, 0).Next()
	if err != nil {
		log.Fatal(err)
	}
	if err := reading.Read(body); err != nil {
		log.Fatal(err)
	}
	fmt.Println(reading.Float(load))
	for row := range reading.Rows(nets) {
		n, _ := reading.CellUint(nets, row, rx)
		fmt.Printf("%s%s %d\n", reading.Key(nets, row, 0), reading.Key(nets, row, 1), n)
	}
	// Output:
	// 0.21 true
	// lo 97083646
	// eth0 762887796
}

// A daemon writes what a client has selected.
func ExampleEncoder() {
	model := xmlsysd.NewModel()
	dev, name := model.Must("proc/net/dev"), model.Must("proc/net/dev/interface/name")
	tape := new(xmlsysd.Tape)
	tape.Open(dev, xmlsysd.Stamp{Sec: 1016048061, Usec: 798104})
	for i, device := range []string{"lo", "eth0"} {
		id := []byte{'0' + byte(i)}
		devtype, devid := []byte(device[:min(3, len(device))]), []byte(device[min(3, len(device)):])
		tape.Open(model.Must("proc/net/dev/interface"), xmlsysd.Stamp{}, id, devtype, devid)
		tape.Leaf(name, []byte(device))
		tape.Close()
	}
	tape.Close()

	selection := xmlsysd.NewSelection(model)
	command, err := xmlsysd.ParseCommand([]byte("on /proc/net/dev/interface[devtype=eth]\n"))
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range command.Selectors {
		if err := selection.Add(true, s); err != nil {
			log.Fatal(err)
		}
	}
	encoder := xmlsysd.NewEncoder(selection)
	encoder.Begin()
	if selection.Wants(dev) {
		encoder.Add(tape)
	}
	os.Stdout.Write(encoder.Finish())
	// Output:
	// Content-Length: 245
	//
	// <?xml version="1.0"?>
	// <xmlsysd>
	//   <proc>
	//     <net>
	//       <dev tv_sec="1016048061" tv_usec="798104">
	//         <interface id="1" devtype="eth" devid="0">
	//           <name>eth0</name>
	//         </interface>
	//       </dev>
	//     </net>
	//   </proc>
	// </xmlsysd>
}
