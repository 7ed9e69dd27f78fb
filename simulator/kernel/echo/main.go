// Command echo owns a serial port in an emulated computer and says on its standard output what becomes of it.
//
//	echo PATH         answers each byte with its bit 5 turned over, opens the port again when it is
//	                  lost, and floods the line when it reads "FLOOD"
//	echo hold PATH    keeps the port open whatever happens, as a program does that never looks
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"turnstile/firmware-bridge/serialport"
)

func main() {
	if len(os.Args) == 3 && os.Args[1] == "hold" {
		hold(os.Args[2])
	}
	if len(os.Args) != 2 {
		fmt.Println("echo PATH | echo hold PATH")
		os.Exit(2)
	}
	lost := func(err error) { fmt.Println("lost:", err) }
	if err := serialport.Keep(context.Background(), serialport.Config{Path: os.Args[1], Baud: 115200}, echo, lost); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// hold opens a device beside its owner and stays.
func hold(path string) {
	if _, err := unix.Open(path, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0); err != nil {
		fmt.Println("hold:", err)
		os.Exit(1)
	}
	fmt.Println("holding", path)
	_ = unix.Pause() // until it is killed
}

// echo serves one opening of the port.
func echo(ctx context.Context, p *serialport.Port) error {
	fmt.Println("open", p.Path())
	b := make([]byte, 512)
	for ctx.Err() == nil {
		n, err := p.Read(b, time.Second)
		if err != nil {
			return err
		}
		if n == 0 {
			continue
		}
		fmt.Printf("read %q\n", b[:n])
		if bytes.Contains(b[:n], []byte("FLOOD")) {
			return flood(p)
		}
		for i := range b[:n] {
			b[i] ^= 0x20
		}
		if _, err := p.Write(b[:n]); err != nil {
			return err
		}
	}
	return nil
}

// flood writes more than any buffer holds to a peer that does not read, and
// says how long it took to give up and to close.
func flood(p *serialport.Port) error {
	began := time.Now()
	n, err := p.Write(make([]byte, 4<<20))
	gaveUp := time.Since(began)
	closed := p.Close()
	fmt.Printf("flood: gone %v, closed %v, some left %v, in time %v\n", errors.Is(err, serialport.ErrGone), closed == nil, n > 0,
		gaveUp < 3*time.Second && time.Since(began) < 5*time.Second)
	return err
}
