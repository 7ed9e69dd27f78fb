package broker

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// ErrMemory tells that the broker has no room for retained messages.
var ErrMemory = errors.New("the broker's memory for retained messages is full")

// errStreams tells that nats-server does not make its streams as it is told.
var errStreams = errors.New("the broker refuses to keep its messages in memory")

// inMemory are the streams that nats-server's MQTT keeps its messages in. It makes
// those that it does not find, always as files, and a file store keeps its first
// write error for ever: seconds of a full disk would end all retained messages
// until a restart. Nothing in them is needed after one, so they are made before
// the first client comes, and in memory.
func inMemory() []server.StreamConfig {
	list := []server.StreamConfig{
		{Name: "$MQTT_sess", Subjects: []string{"$MQTT.sess.>"}, Retention: server.LimitsPolicy, MaxMsgsPer: 1},
		{Name: "$MQTT_msgs", Subjects: []string{"$MQTT.msgs.>"}, Retention: server.InterestPolicy},
		{Name: "$MQTT_qos2in", Subjects: []string{"$MQTT.qos2.in.>"}, Retention: server.LimitsPolicy, Discard: server.DiscardNew, MaxMsgsPer: 1, DiscardNewPer: true},
		{Name: "$MQTT_out", Subjects: []string{"$MQTT.out.>"}, Retention: server.InterestPolicy},
		{Name: "$MQTT_rmsgs", Subjects: []string{"$MQTT.rmsgs.>"}, Retention: server.LimitsPolicy, MaxMsgsPer: 1},
	}
	for i := range list {
		list[i].Storage, list[i].Replicas = server.MemoryStorage, 1
	}
	return list
}

// forget removes what a broker that kept files has left, or it would go on with
// those files. Central publishes all that was retained at each connect.
func forget(store string) error {
	if err := os.RemoveAll(filepath.Join(store, server.JetStreamStoreDir)); err != nil {
		return fmt.Errorf("clear the broker's store: %w", err)
	}
	return nil
}

// keepInMemory makes the streams, over a connection within this process.
func (e *Embedded) keepInMemory() error {
	conn, err := e.server.InProcessConn()
	if err != nil {
		return fmt.Errorf("connect to the own broker: %w", err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(readyTimeout)); err != nil {
		return fmt.Errorf("connect to the own broker: %w", err)
	}
	c := caller{conn, bufio.NewReader(conn)}
	if err := c.hello(e.token); err != nil {
		return fmt.Errorf("connect to the own broker: %w", err)
	}
	for _, s := range inMemory() {
		if err := c.create(s); err != nil {
			return fmt.Errorf("make %s: %w", s.Name, err)
		}
	}
	return nil
}

// caller speaks as much of NATS' protocol as a few requests need.
type caller struct {
	conn net.Conn
	in   *bufio.Reader
}

// answers is the subject that this connection is answered on.
const answers = "_INBOX.turnstile"

func (c caller) hello(token string) error {
	if _, err := c.line(); err != nil { // INFO
		return err
	}
	_, err := fmt.Fprintf(c.conn, "CONNECT {\"verbose\":false,\"pedantic\":false,\"auth_token\":%q}\r\nSUB %s 1\r\n", token, answers)
	return err
}

// line returns the next line that is no PING.
func (c caller) line() (string, error) {
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			return "", err
		}
		line = strings.TrimSpace(line)
		if line != "PING" {
			return line, nil
		}
		if _, err := io.WriteString(c.conn, "PONG\r\n"); err != nil {
			return "", err
		}
	}
}

func (c caller) create(s server.StreamConfig) error {
	body, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(c.conn, "PUB $JS.API.STREAM.CREATE.%s %s %d\r\n%s\r\n", s.Name, answers, len(body), body); err != nil {
		return err
	}
	line, err := c.line()
	if err != nil {
		return err
	}
	var size int
	if fields := strings.Fields(line); len(fields) != 4 || fields[0] != "MSG" {
		return fmt.Errorf("%w: %q", errStreams, line)
	} else if _, err := fmt.Sscan(fields[3], &size); err != nil || size < 0 || size > maxPayload {
		return fmt.Errorf("%w: %q", errStreams, line)
	}
	answer := make([]byte, size+len("\r\n"))
	if _, err := io.ReadFull(c.in, answer); err != nil {
		return err
	}
	var result server.JSApiStreamCreateResponse
	if err := json.Unmarshal(answer[:size], &result); err != nil {
		return err
	}
	if result.Error != nil {
		return fmt.Errorf("%w: %w", errStreams, result.Error)
	}
	if result.StreamInfo == nil || result.Config.Storage != server.MemoryStorage {
		return fmt.Errorf("%w: it says %.100q", errStreams, answer)
	}
	return nil
}

// Health tells whether the broker takes retained messages; ErrMemory says that
// it is at its limit and what to do.
func (e *Embedded) Health() error {
	v, err := e.server.Jsz(nil)
	if err != nil {
		return fmt.Errorf("ask the broker: %w", err)
	}
	return room(v)
}

func room(v *server.JSInfo) error {
	if v.Disabled {
		return fmt.Errorf("%w, or it has stopped for another reason: look into the log and restart central", ErrMemory)
	}
	if v.Memory >= maxMemory/100*95 {
		return fmt.Errorf("%w: %d of %d MiB; remove lane controllers that are not yours, then restart central", ErrMemory, v.Memory>>20, maxMemory>>20)
	}
	return nil
}
