package machine

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
)

// errKernelImage says that a file is no compressed x86 kernel of a known kind.
var errKernelImage = errors.New("not an x86 kernel image with an xz payload")

// Where the x86 boot protocol keeps what we need (Documentation/x86/boot.rst).
const (
	setupSectors  = 0x1f1 // 1 byte: sectors of 512 bytes before the payload's segment, less one
	setupMagic    = 0x202 // 4 bytes: "HdrS"
	payloadOffset = 0x248 // 4 bytes: from the end of the setup sectors
	payloadLength = 0x24c // 4 bytes: the last four are the size when unpacked
	maxKernel     = 256 << 20
)

// payload returns the compressed kernel in an x86 boot image.
func payload(boot []byte) ([]byte, error) {
	if len(boot) < 1024 || string(boot[setupMagic:setupMagic+4]) != "HdrS" {
		return nil, errKernelImage
	}
	sectors := int64(boot[setupSectors])
	if sectors == 0 {
		sectors = 4
	}
	from := (sectors+1)*512 + int64(binary.LittleEndian.Uint32(boot[payloadOffset:]))
	until := from + int64(binary.LittleEndian.Uint32(boot[payloadLength:]))
	if until > int64(len(boot)) || until-from < 10 {
		return nil, fmt.Errorf("%w: its payload is cut short", errKernelImage)
	}
	packed := boot[from : until-4]
	if !bytes.HasPrefix(packed, []byte("\xfd7zXZ\x00")) {
		return nil, fmt.Errorf("%w: the payload is of another kind", errKernelImage)
	}
	return packed, nil
}

// unpackKernel writes the kernel in an x86 boot image as an ELF file. QEMU
// starts that directly; an emulated processor takes 3 s to unpack it.
func unpackKernel(ctx context.Context, boot, out string) error {
	image, err := os.ReadFile(boot)
	if err != nil {
		return fmt.Errorf("unpack kernel: %w", err)
	}
	packed, err := payload(image)
	if err != nil {
		return fmt.Errorf("unpack kernel %s: %w", boot, err)
	}
	xz := exec.CommandContext(ctx, "xz", "--decompress", "--stdout", "--memlimit=1GiB")
	xz.Stdin = bytes.NewReader(packed)
	elf, err := xz.Output()
	if err != nil {
		return fmt.Errorf("unpack kernel by xz: %w", err)
	}
	if !bytes.HasPrefix(elf, []byte("\x7fELF")) || len(elf) > maxKernel {
		return fmt.Errorf("unpack kernel %s: %w", boot, errKernelImage)
	}
	if err := os.WriteFile(out, elf, 0o644); err != nil {
		return fmt.Errorf("write kernel: %w", err)
	}
	return nil
}
