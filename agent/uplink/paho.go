package uplink

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// Time limits of a connection. A half-open one is found in keepAlive +
// pingTimeout, a blocked write, which paho would wait on for ever, in
// writeTimeout.
const (
	keepAlive      = 10 * time.Second
	pingTimeout    = 5 * time.Second
	writeTimeout   = 5 * time.Second
	connectTimeout = 10 * time.Second
	tokenTimeout   = 10 * time.Second // a broker to which all lanes come at once answers late
)

// pahoLink is one connection by paho.mqtt.golang. Its reconnecting is off: it
// forgets subscriptions, comes back in lockstep with all other lanes, and takes
// messages meanwhile that it then loses.
type pahoLink struct {
	client mqtt.Client
	lost   chan error
}

// Dial makes an MQTT link over TLS, which an Uplink uses unless it is told another;
// nothing is sent before Connect.
func Dial(o LinkOptions) Link { return dialPaho(o) }

func dialPaho(o LinkOptions) Link {
	l := &pahoLink{lost: make(chan error, 1)}
	l.client = mqtt.NewClient(mqtt.NewClientOptions().
		AddBroker(o.Broker).SetTLSConfig(o.TLS).SetClientID(o.ClientID).
		SetProtocolVersion(4). // else it falls back to 3.1 and doubles the attempts
		SetCleanSession(true).SetAutoReconnect(false).SetConnectRetry(false).
		SetKeepAlive(keepAlive).SetPingTimeout(pingTimeout).SetWriteTimeout(writeTimeout).SetConnectTimeout(connectTimeout).
		SetBinaryWill(o.WillTopic, o.Will, 1, true).
		// It stands before Connect: what comes before a handler exists is never handled.
		SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) { o.Receive(m.Topic(), m.Payload()) }).
		SetConnectionLostHandler(func(_ mqtt.Client, err error) { l.lost <- err }))
	return l
}

// Connect implements Link.
func (l *pahoLink) Connect(ctx context.Context) error {
	t := l.client.Connect()
	err := done(ctx, t, connectTimeout)
	c, ok := t.(*mqtt.ConnectToken)
	if err != nil && ok && isDone(t) && c.ReturnCode() >= 1 && c.ReturnCode() <= 5 {
		return fmt.Errorf("%w: code %d", ErrRefused, c.ReturnCode())
	}
	var verify *tls.CertificateVerificationError
	var alert *net.OpError // crypto/tls reports what the other side found wrong in this form
	if errors.As(err, &verify) || errors.As(err, &alert) && alert.Op == "remote error" {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return err
}

func isDone(t mqtt.Token) bool {
	select {
	case <-t.Done():
		return true
	default:
		return false
	}
}

// done waits for a token, which paho may leave open for ever.
func done(ctx context.Context, t mqtt.Token, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	select {
	case <-t.Done():
		return t.Error()
	case <-ctx.Done():
		return fmt.Errorf("%w: no answer of the broker: %w", ErrOffline, ctx.Err())
	}
}

// Subscribe implements Link. A refusal is a return code and no error of the token.
func (l *pahoLink) Subscribe(ctx context.Context, filters ...string) error {
	list := map[string]byte{}
	for _, f := range filters {
		list[f] = 0
	}
	t := l.client.SubscribeMultiple(list, nil)
	if err := done(ctx, t, tokenTimeout); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	s, ok := t.(*mqtt.SubscribeToken)
	if !ok {
		return fmt.Errorf("subscribe: %w", ErrOffline)
	}
	for _, f := range filters {
		if code, answered := s.Result()[f]; !answered || code == 0x80 {
			return fmt.Errorf("subscribe %s: %w", f, ErrRefused)
		}
	}
	return nil
}

// Publish implements Link.
func (l *pahoLink) Publish(topic string, payload []byte, retained bool) (<-chan struct{}, error) {
	t := l.client.Publish(topic, 1, retained, payload)
	if isDone(t) && t.Error() != nil {
		return nil, fmt.Errorf("%w: %w", ErrOffline, t.Error())
	}
	return t.Done(), nil
}

// Lost implements Link.
func (l *pahoLink) Lost() <-chan error { return l.lost }

// Close implements Link.
func (l *pahoLink) Close() { l.client.Disconnect(0) }
