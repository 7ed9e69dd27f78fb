package board

import (
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"time"
)

// monitor is QEMU's control line (QMP), used before the board has power.
type monitor struct {
	in  *json.Encoder
	out *json.Decoder
}

func newMonitor(c net.Conn) *monitor {
	_ = c.SetDeadline(time.Now().Add(patience))
	return &monitor{json.NewEncoder(c), json.NewDecoder(c)}
}

// do runs one command and puts its answer into result, if that is not nil.
func (m *monitor) do(command string, arguments map[string]any, result any) error {
	ask := map[string]any{"execute": command}
	if arguments != nil {
		ask["arguments"] = arguments
	}
	if err := m.in.Encode(ask); err != nil {
		return fmt.Errorf("ask QEMU to %s: %w", command, err)
	}
	for {
		var said struct {
			Return json.RawMessage
			Error  *struct{ Desc string }
		}
		if err := m.out.Decode(&said); err != nil {
			return fmt.Errorf("ask QEMU to %s: %w", command, err)
		}
		if said.Error != nil {
			return fmt.Errorf("ask QEMU to %s: %s", command, said.Error.Desc)
		}
		if said.Return == nil {
			continue // the greeting, or an event
		}
		if result == nil {
			return nil
		}
		return json.Unmarshal(said.Return, result)
	}
}

// ports returns the paths of the GPIO ports A, B, C and so on.
func (m *monitor) ports() ([]string, error) {
	if err := m.do("qmp_capabilities", nil, nil); err != nil {
		return nil, err
	}
	const parent = "/machine/unattached"
	var devices []struct{ Name, Type string }
	if err := m.do("qom-list", map[string]any{"path": parent}, &devices); err != nil {
		return nil, err
	}
	var numbers []int // of device[N], in the order of creation
	for _, d := range devices {
		var n int
		if _, err := fmt.Sscanf(d.Name, "device[%d]", &n); err == nil && d.Type == "child<pl061_luminary>" {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	var paths []string
	for _, n := range numbers {
		paths = append(paths, fmt.Sprintf("%s/device[%d]", parent, n))
	}
	if len(paths) != 7 {
		return nil, fmt.Errorf("the board has %d GPIO ports, want 7: is this QEMU's lm3s6965evb?", len(paths))
	}
	return paths, nil
}
