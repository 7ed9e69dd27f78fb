// Command fetch prepares the kernels that the VM bench starts: fetch FOLDER PROCESSOR...
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"turnstile/simulator/machine"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "fetch FOLDER PROCESSOR...   processors: amd64 arm64 armhf")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	var archs []machine.Arch
	for _, a := range os.Args[2:] {
		archs = append(archs, machine.Arch(a))
	}
	if err := (machine.Kernels{Folder: os.Args[1], Progress: os.Stderr}).Prepare(ctx, archs...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
