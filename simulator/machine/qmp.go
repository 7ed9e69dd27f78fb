package machine

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// ErrMonitor wraps what QEMU's monitor refused.
var ErrMonitor = errors.New("QEMU refused")

// monitorLimit is how long QEMU may take for an answer.
const monitorLimit = 30 * time.Second

// qmp is QEMU's monitor (the QEMU Machine Protocol: JSON lines).
type qmp struct {
	mu   sync.Mutex // held during a command
	conn net.Conn
	in   *json.Decoder
}

// newQMP takes QEMU's greeting and leaves the mode in which it takes no commands.
func newQMP(conn net.Conn) (*qmp, error) {
	q := &qmp{conn: conn, in: json.NewDecoder(conn)}
	conn.SetDeadline(time.Now().Add(monitorLimit))
	var greeting struct{ QMP json.RawMessage }
	if err := q.in.Decode(&greeting); err != nil || greeting.QMP == nil {
		return nil, errors.Join(fmt.Errorf("greet QEMU's monitor: %w", errors.Join(ErrMonitor, err)), conn.Close())
	}
	if err := q.do("qmp_capabilities", nil, nil); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return q, nil
}

func (q *qmp) close() error { return q.conn.Close() }

// do runs a command and decodes its answer into reply, unless that is nil.
func (q *qmp) do(command string, arguments map[string]any, reply any) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	request := map[string]any{"execute": command}
	if arguments != nil {
		request["arguments"] = arguments
	}
	q.conn.SetDeadline(time.Now().Add(monitorLimit))
	if err := json.NewEncoder(q.conn).Encode(request); err != nil {
		return fmt.Errorf("ask QEMU to %s: %w", command, err)
	}
	for {
		var answer struct {
			Return json.RawMessage
			Error  *struct{ Desc string }
			Event  string
		}
		if err := q.in.Decode(&answer); err != nil {
			return fmt.Errorf("ask QEMU to %s: %w", command, err)
		}
		switch {
		case answer.Event != "":
		case answer.Error != nil:
			return fmt.Errorf("%w to %s: %s", ErrMonitor, command, answer.Error.Desc)
		case reply == nil:
			return nil
		default:
			if err := json.Unmarshal(answer.Return, reply); err != nil {
				return fmt.Errorf("read QEMU's answer to %s: %w", command, err)
			}
			return nil
		}
	}
}

// Monitor runs a command of QEMU's monitor, such as device_add and device_del.
func (m *Machine) Monitor(command string, arguments map[string]any) error {
	return m.qmp.do(command, arguments, nil)
}
